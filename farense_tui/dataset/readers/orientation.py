"""Rows of a JSON object that is written column by column, or row by row under keys, as pandas does.

Names are pandas's own (`DataFrame.to_json`): columns, index, split, list.
"""

from __future__ import annotations

from typing import Any

from farense_worker.protocol.shapes import recognise, splits

Values = dict[str, Any]


def rows(values: Values) -> tuple[str, list[Values]] | None:
    """Give the rows of such an object and the name of its orientation; None where it is none."""
    if not values:
        return None
    found = [(name, read(values)) for name, read in _READ.items()]
    known = [(name, made) for name, made in found if made and recognise.shape(made[0])]
    return known[0] if known else None


def _splits(values: Values) -> list[Values]:
    """{"train": [row, row], "test": [row]}; a row's split is a column of it."""
    if not all(map(splits.named, values)):
        return []
    lists = {key: each for key, each in values.items() if _objects(each)}
    if len(lists) < len(values):
        return []
    return [{**row, splits.COLUMN: key} for key, each in lists.items() for row in each]


def _columns(values: Values) -> list[Values]:
    """{"prompt": {"0": "a", "1": "b"}, "completion": {"0": ...}}."""
    columns = list(values.values())
    if not all(isinstance(each, dict) and each.keys() == columns[0].keys() for each in columns):
        return []
    return [{name: values[name][at] for name in values} for at in columns[0]]


def _list(values: Values) -> list[Values]:
    """{"prompt": ["a", "b"], "completion": [...]}."""
    columns = list(values.values())
    if not all(isinstance(each, list) and len(each) == len(columns[0]) for each in columns):
        return []
    if not all(isinstance(cell, str) for each in columns for cell in each[:1]):
        return []
    return [dict(zip(values, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _index(values: Values) -> list[Values]:
    """{"0": {"prompt": "a", "completion": "b"}, "1": {...}}."""
    return list(values.values()) if _objects(list(values.values())) else []


def _split(values: Values) -> list[Values]:
    """{"columns": ["prompt", "completion"], "data": [["a", "b"]]}."""
    names, data = values.get("columns"), values.get("data")
    if not isinstance(names, list) or not isinstance(data, list):
        return []
    if not all(isinstance(cells, list) and len(cells) == len(names) for cells in data):
        return []
    return [dict(zip(map(str, names), cells, strict=True)) for cells in data]


def _objects(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(v, dict) for v in values)


_READ = {
    "splits": _splits,  # not translated: pandas's names
    "split": _split,
    "columns": _columns,
    "list": _list,
    "index": _index,
}
