"""Rows made of other files, in a new folder beside them."""

from __future__ import annotations

from pathlib import Path

from farense_tui.dataset import look, make, told
from farense_tui.dataset.look import Wish


def make_rows(path: Path) -> tuple[str, list[str]]:
    """Make them; gives the new folder, and what was recognised and left out, in lines.

    Takes its time. Raises FarenseError where it cannot be.
    """
    wish = Wish(given=(str(path),), to=_free(path))
    seen = look.look(wish, lambda _progress: None)
    made = make.make(wish, seen)
    return str(wish.to.absolute()), [*told.seen(seen), *told.left_out(made)]


def _free(path: Path) -> Path:
    """A folder beside it that is not there: club-rows, club-rows-2, ..."""
    stem = path.stem if path.is_file() else path.name
    found, number = path.with_name(f"{stem}-rows"), 1
    while found.exists():
        number += 1
        found = path.with_name(f"{stem}-rows-{number}")
    return found
