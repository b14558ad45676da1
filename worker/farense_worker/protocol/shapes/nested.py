"""Rows that stand inside others: SQuAD's questions in the paragraphs of an article."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farense_worker.protocol.shapes import recognise
from farense_worker.protocol.shapes.shape import Shape, Values

_DEEPEST = 3
Path = tuple[str, ...]  # the keys of the lists, the outer one first


def shape(values: Values) -> tuple[Path, Shape] | None:
    """Find rows that are known in the lists of a row, with what stands beside those lists.

    None where there are none, or in several lists.
    """
    found = list(_known(values, list(values), ()))
    return found[0] if len(found) == 1 else None


def rows(values: Values, path: Path) -> list[Values]:
    """Give the rows at such a path; [] where there are none.

    What is no list, or no object in one, gives what stands beside it: no whole row, so it is told.
    """
    found = [values]
    for key in path:
        found = [
            {**_without(row, key), **(inner if isinstance(inner, dict) else {})}
            for row in found
            for inner in (row[key] if isinstance(row.get(key), list) else [None])
        ]
    return found


def lists(values: Values) -> list[str]:
    """Give the columns that hold a list."""
    return [str(key) for key, value in values.items() if isinstance(value, list) and value]


def _known(values: Values, keys: list[str], path: Path) -> Iterator[tuple[Path, Shape]]:
    """Go through lists of objects by their first item, and through the lists in it."""
    for key in keys:
        value = values[key]
        if not isinstance(value, list) or not value or not isinstance(value[0], dict):
            continue
        row = {**_without(values, key), **value[0]}
        if known := recognise.answered(row):
            yield (*path, key), known
        elif len(path) < _DEEPEST:
            yield from _known(row, list(value[0]), (*path, key))


def _without(values: Values, key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}
