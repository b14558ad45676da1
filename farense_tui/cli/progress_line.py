"""One line on stderr that tells how far something is; nothing where nobody looks."""

from __future__ import annotations

import shutil
from typing import TextIO

from farense_worker.protocol.messages.task import Progress

from farense_tui.engine import format as f
from farense_tui.engine.text import clean


class ProgressLine:
    """Draws over itself, on a terminal only."""

    def __init__(self, to: TextIO) -> None:
        """Draw on `to` if it is a terminal."""
        self._to = to if to.isatty() else None

    def show(self, progress: Progress) -> None:
        """Show this instead of what was there."""
        if self._to is not None:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{text(progress)[:width]}", end="", file=self._to, flush=True)

    def clear(self) -> None:
        """Leave the line empty."""
        if self._to is not None:
            print("\r\x1b[K", end="", file=self._to, flush=True)


def text(progress: Progress) -> str:
    """`demo-1: answers, 12 of 108 rows`."""
    what = clean(progress.what)
    if progress.total:
        return f"{what}, {f.part(progress.done, progress.total, progress.unit)}"
    return f"{what}, {f.size(progress.done)}" if progress.unit == "bytes" else f"{what} ..."
