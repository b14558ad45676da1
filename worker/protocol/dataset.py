"""A data set on the disk: JSONL files with rows as mlx_lm reads them, and what is wrong in them.

Nothing here needs a tokenizer; how many tokens a row has and which are labels, worker/data.py
finds out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from worker.protocol.errors import FarenseError, refused

Kind = Literal["chat", "completion", "text"]
SPLITS = ("train", "valid", "test")
FORMATS = (
    'Each line is one of {"messages": [{"role": "user", "content": "..."}, '
    '{"role": "assistant", "content": "..."}]}, '
    '{"prompt": "...", "completion": "..."} or {"text": "..."}.'
)
_MOST_FAULTS = 20


@dataclass(frozen=True)
class Row:
    """One example as it stands in the file."""

    line: int
    kind: Kind
    values: dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line, or with a file where `line` is 0."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        """As `file:line: what`, which editors and terminals can open."""
        return f"{self.path}:{self.line}: {self.what}" if self.line else f"{self.path}: {self.what}"


@dataclass(frozen=True)
class Summary:
    """What a data folder holds, for the launch screen."""

    path: Path
    rows: dict[str, int]
    faults: tuple[Fault, ...]


def scan(path: Path) -> Iterator[Row | Fault]:
    """Go through a file line by line; empty lines are passed over.

    All rows must be of the kind of the first one, because mlx_lm takes a file by its first row.
    """
    kind: Kind | None = None
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if not raw.strip():
                continue
            found = _row(path, number, raw)
            if isinstance(found, Row):
                kind = kind or found.kind
                if found.kind != kind:
                    found = Fault(path, number, f"a {found.kind} row among {kind} rows")
            yield found


def read(path: Path) -> list[Row]:
    """Read a file whole; FarenseError (refused) that lists its faults."""
    rows: list[Row] = []
    faults: list[Fault] = []
    try:
        for found in scan(path):
            if isinstance(found, Fault):
                faults.append(found)
            else:
                rows.append(found)
    except OSError as error:
        raise refused(f"cannot read {path}", error.strerror or "", kind="data") from error
    if faults:
        raise faulty(faults)
    return rows


def summarise(folder: Path) -> Summary:
    """Count the rows of each split and collect the faults, without an exception."""
    rows: dict[str, int] = {}
    faults: list[Fault] = []
    for split in SPLITS:
        path = folder / f"{split}.jsonl"
        if not path.is_file():
            continue
        rows[split] = 0
        try:
            for found in scan(path):
                if isinstance(found, Fault):
                    faults.append(found)
                else:
                    rows[split] += 1
        except OSError as error:
            faults.append(Fault(path, 0, error.strerror or str(error)))
    if not folder.is_dir():
        faults.append(Fault(folder, 0, "there is no such folder"))
    elif "train" not in rows:
        faults.append(Fault(folder, 0, "there is no train.jsonl in it"))
    elif not rows["train"] and not faults:
        faults.append(Fault(folder / "train.jsonl", 0, "there is no row in it"))
    return Summary(folder, rows, tuple(faults))


def check(folder: Path) -> Summary:
    """As `summarise`, but FarenseError (refused) where the data cannot be trained on."""
    summary = summarise(folder)
    if summary.faults:
        raise faulty(list(summary.faults))
    return summary


def faulty(faults: list[Fault]) -> FarenseError:
    """Make the one error out of all the faults."""
    listed = [str(fault) for fault in faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        listed.append(f"and {len(faults) - _MOST_FAULTS} more")
    count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
    return refused(f"the data has {count}", "\n".join(listed), FORMATS, kind="data")


def _row(path: Path, number: int, raw: bytes) -> Row | Fault:
    try:
        values = json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return Fault(path, number, f"not UTF-8 at byte {error.start + 1} of the line")
    except json.JSONDecodeError as error:
        return Fault(path, number, f"not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return Fault(path, number, "not a row: nested too deeply")
    if not isinstance(values, dict):
        return Fault(path, number, "not a JSON object")
    if "prompt" in values and "completion" in values:
        if not all(isinstance(values[key], str) for key in ("prompt", "completion")):
            return Fault(path, number, '"prompt" and "completion" must be strings')
        return Row(number, "completion", values)
    if "messages" in values:
        what = _messages_fault(values["messages"])
        return Fault(path, number, what) if what else Row(number, "chat", values)
    if "text" in values:
        if not isinstance(values["text"], str) or not values["text"]:
            return Fault(path, number, '"text" must be a string that is not empty')
        return Row(number, "text", values)
    keys = ", ".join(sorted(values)) or "none"
    return Fault(path, number, f'no "messages", "prompt" and "completion", or "text"; keys: {keys}')


def _messages_fault(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        return '"messages" must be a list that is not empty'
    for index, message in enumerate(messages, 1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return f'message {index} must be an object with a "role"'
        if not isinstance(message.get("content"), str) and "tool_calls" not in message:
            return f'message {index} ({message["role"]}) has no "content" that is a string'
    return ""
