"""What every reader gives: rows with their numbers, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bad:
    """A row that could not be read; `rule` says why in one word, `what` in a sentence."""

    rule: str
    what: str


Numbered = tuple[int, dict[str, Any] | Bad]


@dataclass(frozen=True)
class Table:
    """A file, or a table in it, that was recognised.

    kind: what it is ("CSV"). sign: by what it is known. remarks: what else its owner should know.
    rows: reads it from the beginning; numbers are lines of JSONL, rows as a spreadsheet counts them
    (the header is row 1), items of all else.
    """

    kind: str
    sign: str
    rows: Callable[[], Iterator[Numbered]]
    remarks: tuple[str, ...] = ()
