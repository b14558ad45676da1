"""Data that others train on and a run here does not: what it is, and the command that helps."""

from __future__ import annotations

import difflib
import json
import os
import shlex
from pathlib import Path
from typing import Any

from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import recognise, splits

_COMMAND = "farense-tui data make "  # not translated: a command
# Names under which validation rows are kept elsewhere.
_VALIDATION = ("val", "validation", "dev", "eval")
_TABLES = (".csv", ".tsv", ".xlsx", ".parquet", ".arrow", ".sqlite", ".db")
_ROWS = (*_TABLES, ".jsonl", ".ndjson", ".json", ".txt")
# What else is written beside rows, after whose splits it is named.
_ABOUT = ("result", "config", "args", "metric", "log", "loss", "report", "stat", "left_out")
_MOST_BYTES = 1 << 28
_MOST_NAMED = 8


def row(path: Path, values: dict[str, Any], line: int) -> str:
    """Say what a row is that has none of our keys; "" where nothing tells.

    The command is told with the first line alone: a file has thousands.
    """
    found = recognise.shape(values)
    if not found or found.ours:
        return ""
    if line > 1:
        return found.name
    said = _("{what}. This makes rows of all of them: {command}")
    return said.format(what=found.name, command=_made_of(path.parent))


def _holds(messages: Any) -> bool:
    return isinstance(messages, list) and bool(messages) and isinstance(messages[0], dict)


def whole(path: Path, raw: bytes) -> str:
    """Say that a file is one JSON value with rows in it, if this is its first line; else ""."""
    begins = raw.lstrip(b"\xef\xbb\xbf").strip()
    if not begins.startswith(b"[") and begins != b"{":
        return ""
    values = _read(path)
    if begins == b"{":
        there = values if isinstance(values, dict) else {}
        lists = [each for each in there.values() if _holds(each)]
        if len(lists) != 1:
            return ""
        values = lists[0]
    first = values[0] if isinstance(values, list) and values else None
    found = recognise.shape(first) if isinstance(first, dict) else None
    what = _(
        "the file is one JSON array, not a row on each line. This makes lines of it: {command}"
    )
    if found and not found.ours:
        what = _("the file is one JSON array, each of it {name}. This makes rows: {command}")
    return what.format(name=found.name if found else "", command=_made_of(path.parent))


def _read(path: Path) -> Any:
    """Give what a file of JSON holds; None where it is none, or too long to be looked at."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return json.loads(plain_file.content(path, _MOST_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None


def meant(path: Path) -> str:
    """Say what was probably meant by the name of something that is not there; "" without a hint."""
    try:
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1, cutoff=0.7)
    except (OSError, ValueError):
        return ""
    return _("Did you mean {name}?").format(name=path.with_name(near[0])) if near else ""


def no_folder(path: Path) -> str:
    """Say what stands where a folder should, if it is a file; else ""."""
    if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
        return ""
    return _("it is a file; this makes a folder of rows of it: {command}").format(
        command=_made_of(path)
    )


def no_train(folder: Path) -> str:
    """Say which file may hold the rows of a folder without train.jsonl; "" where there is none."""
    if others := tables(folder):
        what = _("there is no train.jsonl in it, but {name}. This makes rows: {command}")
        return what.format(name=others[0], command=_made_of(folder))
    if os.path.isfile(folder / "config.json") and any(folder.glob("*.safetensors")):
        return _("it is the folder of a model; --model takes it")
    found = _misnamed(folder)
    found.sort(key=lambda path: "train" not in path.name)
    if not found:
        return ""
    return _("there is no train.jsonl in it, but {name}: {command}").format(
        name=found[0].name, command=_moved(found[0], "train.jsonl")
    )


def tables(folder: Path) -> list[str]:
    """Name the tables that rows can be made of; none where a file is only named otherwise."""
    if _misnamed(folder):
        return []
    return sorted(path.name for path in folder.glob("[!.]*") if path.suffix.lower() in _TABLES)


def _misnamed(folder: Path) -> list[Path]:
    return sorted(
        path for pattern in ("*.jsonl", "*.json") for path in folder.glob(pattern)
        if path.is_file() and not path.name.startswith(".") and not _is_of_a_model(path.name)
        and path.stem not in ("valid", "test", *_VALIDATION)
    )  # fmt: skip


def _is_of_a_model(name: str) -> bool:
    """Whether it is a name of what stands in a model's folder, and no rows."""
    named = ("tokenizer.json", "vocab.json", "special_tokens_map.json", "added_tokens.json")
    return name in named or name.endswith(("config.json", ".index.json", "_state.json"))


def no_valid(folder: Path) -> tuple[Path, str] | None:
    """Find validation rows under a name that is not read, where there is no valid.jsonl."""
    if os.path.isfile(folder / "valid.jsonl"):
        return None
    names = [f"{name}.jsonl" for name in _VALIDATION]
    names += [f"{name}.json" for name in ("valid", *_VALIDATION)]
    for path in (folder / name for name in names):
        if os.path.isfile(path):
            what = _("it is not read under this name: {command}")
            return path, what.format(command=_moved(path, "valid.jsonl"))
    return None


def beside(folder: Path) -> str:
    """Say which files beside train.jsonl have the name of a part that would else not be read.

    What a part that is there was made of is nobody's business: a valid.csv beside valid.jsonl.
    """
    told = no_valid(folder)
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError:
        return ""
    there = {f"{split}.jsonl" for split in ("train", "valid", "test")}
    there = {name for name in there if os.path.isfile(folder / name)}  # of whatever case
    known = told[0].name if told else ""
    found = [name for name in names if _is_part(name, there) and name.casefold() != known]
    if not found or "train.jsonl" not in there:
        return ""
    more = ", ..." if len(found) > _MOST_NAMED else ""
    what = _("{names}: train.jsonl, valid.jsonl and test.jsonl alone are. All of it: {command}")
    return what.format(names=", ".join(found[:_MOST_NAMED]) + more, command=_made_of(folder))


def _is_part(name: str, there: set[str]) -> bool:
    """Whether a file's name says that it has rows of a split that is not there, or more of one."""
    plain = name.casefold()
    rows = plain.removesuffix(".gz").endswith(_ROWS) and not plain.startswith(".")
    split = splits.split_of(plain)
    if not rows or not split or plain in there or any(word in plain for word in _ABOUT):
        return False
    return f"{split}.jsonl" not in there or (split == "train" and ".jsonl" in plain)


def _moved(path: Path, name: str) -> str:
    return f"mv {shlex.quote(str(path))} {shlex.quote(str(path.with_name(name)))}"


def _made_of(source: Path) -> str:
    """Give the command that makes rows of it in a new folder beside it."""
    to = source.parent / source.stem
    if not os.path.isfile(source) or to == source:
        to = source.parent / f"{source.name or 'data'}-rows"  # no name: `.` and `/`
    return f"{_COMMAND}{shlex.quote(str(source))} --to {shlex.quote(str(to))}"
