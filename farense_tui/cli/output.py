"""The one way out: whatever a command prints goes through here and is cleaned on its way.

Names of files, models and runs, texts of data, templates and models, words of the command line:
any of them may hold escape codes, which a terminal would act on.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from farense_worker.protocol.clean_text import clean, printable
from farense_worker.protocol.messages.task import Progress

from farense_tui.engine import readable as f

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str = "", end: str = "\n") -> None:
    """Print on stdout, lines as they are; in one piece, because threads print beside each other."""
    print(printable(text) + end, end="", flush=True)


def tell(text: str) -> None:
    """Print a line on stderr: what is no part of the result."""
    print(printable(text) + "\n", end="", file=sys.stderr, flush=True)


def warn(message: Warning | str, category: type[Warning], *_: Any, **_more: Any) -> None:
    """Tell a library's warning, as warnings.showwarning: it may have a foreign text in it."""
    tell(f"{category.__name__}: {message}")


def say_json(values: Any, indent: int = 0) -> None:
    """Print for programs: the same values, what a terminal may act on written as \\uXXXX."""
    try:
        encoded = msgspec.json.encode(values, enc_hook=str)
        said = (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()
    except UnicodeEncodeError:  # a name that is not UTF-8: half of a pair, which JSON can write
        said = json.dumps(msgspec.to_builtins(values, enc_hook=str), indent=indent or None)
    print(_escaped(said), flush=True)


def say_record(line: bytes) -> None:
    """Hand a line of the worker's record on for programs, as `say_json` prints values."""
    print(_escaped(line.decode(errors="replace")), flush=True)


def _escaped(values: str) -> str:
    """Write what JSON leaves as it is and a terminal may act on as \\uXXXX."""
    if printable(values) == values:
        return values
    return "".join(
        each if each == "\n" or printable(each) == each else json.dumps(each)[1:-1]
        for each in values
    )


def hush() -> None:
    """Let what is still to be said on stdout go nowhere: it takes no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def flush() -> None:
    """Write what is held back."""
    sys.stdout.flush()


def let_go() -> None:
    """Write what is held back, or let it go nowhere: Python would try it again at its end."""
    try:
        flush()
    except OSError:
        hush()


def console() -> Console:
    """Make a console for tables and styles, whose texts are cleaned."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Cleaning(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else printable(text), style, control)

    return Cleaning(highlight=False, markup=False, emoji=False, soft_wrap=True)


class ProgressLine:
    """One line on stderr that draws over itself; nothing where nobody looks."""

    def __init__(self) -> None:
        """Draw if stderr is a terminal."""
        self._to = sys.stderr if sys.stderr.isatty() else None

    def show(self, progress: Progress) -> None:
        if self._to is not None:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{_line(progress)[:width]}", end="", file=self._to, flush=True)

    def clear(self) -> None:
        if self._to is not None:
            print("\r\x1b[K", end="", file=self._to, flush=True)


def relative(path: Path) -> str:
    """Give a path as it reads best from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # it is elsewhere; the current folder was deleted
        return str(path)


def _line(progress: Progress) -> str:
    """`demo-1: answers, 12 of 108 rows`."""
    what = clean(progress.what)
    if progress.total:
        return f"{what}, {f.part(progress.done, progress.total, progress.unit)}"
    return f"{what}, {f.size(progress.done)}" if progress.unit == "bytes" else f"{what} ..."
