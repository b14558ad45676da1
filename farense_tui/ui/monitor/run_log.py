"""The log of a run: follows what comes, unless the reader has scrolled up.

It keeps its own place and draws its own bar. A ScrollView learns its height and whether it has a
bar some refreshes after its content, and what is scrolled to the end before that is not at the end;
here the lines that are seen follow from the size at the moment of drawing, and from nothing else.
"""

from __future__ import annotations

import time
from typing import ClassVar, NamedTuple

from farense_worker.protocol.language import gettext as _
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from farense_tui.engine.record.lines import Kind
from farense_tui.engine.record.log import Entry

_SIGNS: dict[Kind, str] = {
    "step": " ",
    "validation": "◇",
    "checkpoint": "▪",
    "sample": "»",
    "phase": "·",
    "info": "i",
    "warning": "!",
    "error": "✗",
    "end": "■",
}
_INDENT = 11  # `HH:MM:SS` and the sign
_BAR = 2  # a blank and the bar
_WHEEL = 2


class Line(NamedTuple):
    """One line on the screen; `entry` is the number of the entry that it belongs to."""

    entry: int
    time: str
    kind: Kind
    text: str


class RunLog(Widget):
    """Shows the entries of the journal, wrapped to the width that there is."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log--time",
        "log--bar",
        *(f"log--{kind}" for kind in _SIGNS),
    }

    DEFAULT_CSS = """
    RunLog {
        height: 5;
    }
    RunLog > .log--time { color: $text-muted; }
    RunLog > .log--bar { color: $scrollbar; }
    RunLog > .log--step { color: $text-muted; }
    RunLog > .log--phase { color: $text-muted; }
    RunLog > .log--info { color: $foreground; }
    RunLog > .log--sample { color: $foreground; }
    RunLog > .log--checkpoint { color: $secondary; }
    RunLog > .log--validation { color: $success; }
    RunLog > .log--warning { color: $warning; text-style: bold; }
    RunLog > .log--error { color: $error; text-style: bold; }
    RunLog > .log--end { color: $accent; text-style: bold; }
    """

    can_focus = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._entries: tuple[Entry, ...] = ()
        self._lines: list[Line] = []
        self._laid_out: tuple[tuple[Entry, ...], int] = ((), 0)
        self._top: int | None = None

    def show(self, entries: tuple[Entry, ...]) -> None:
        if entries is not self._entries:
            self._entries = entries
            self.refresh()

    @property
    def follows(self) -> bool:
        """Whether the newest line is kept in sight."""
        return self._top is None

    @property
    def lines(self) -> list[Line]:
        """All lines, wrapped to the width that there is now."""
        width = max(10, self.size.width - _INDENT - _BAR)
        if self._laid_out[0] is not self._entries or self._laid_out[1] != width:
            self._lay_out(width)
        return self._lines

    @property
    def top(self) -> int:
        """Number of the line that is seen first."""
        last = max(0, len(self.lines) - self.size.height)
        return last if self._top is None else min(self._top, last)

    def move(self, by: int) -> None:
        """Scroll by lines, down if positive; at the end it follows again."""
        last = max(0, len(self.lines) - self.size.height)
        wanted = max(0, self.top + by)
        self._top = None if wanted >= last else wanted
        self.refresh()

    def page(self, by: int) -> None:
        """Scroll by pages, one line of the page before stays."""
        self.move(by * max(1, self.size.height - 1))

    def to_start(self) -> None:
        """Scroll to the oldest line."""
        self.move(-len(self.lines))

    def to_end(self) -> None:
        """Scroll to the newest line and follow."""
        self.move(len(self.lines))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-_WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(_WHEEL)

    def render_line(self, y: int) -> Strip:
        """Draw the line at `y` of what is seen."""
        lines, top = self.lines, self.top
        base = self.rich_style
        room = self.size.width - 1
        if top + y >= len(lines):
            text = Strip.blank(room, base)
        else:
            text = self._drawn(lines[top + y], base).adjust_cell_length(room, base)
        below = len(lines) - top - self.size.height
        if below > 0 and y == self.size.height - 1:  # it is scrolled up
            text = self._with_a_word(text, _("{n} more below, end goes there").format(n=below))
        bar = "┃" if self._on_bar(y, top, len(lines)) else " "
        return Strip([*text, Segment(bar, base + self._ink("bar"))])

    def _with_a_word(self, line: Strip, word: str) -> Strip:
        """Put a word at the right end of a line."""
        word = f"  {word} "
        room = max(0, self.size.width - 1 - len(word))
        kept = line.adjust_cell_length(room, self.rich_style)
        return Strip([*kept, Segment(word, self.rich_style + self._ink("end"))])

    def _drawn(self, line: Line, base: Style) -> Strip:
        ink = base + self._ink(line.kind)
        sign = f" {_SIGNS[line.kind] if line.time else ' '} "
        when = Segment(line.time.ljust(8), base + self._ink("time"))
        return Strip([when, Segment(sign, ink), Segment(line.text, ink)])

    def _on_bar(self, y: int, top: int, count: int) -> bool:
        """Whether the bar, as long as the share that is seen, covers this line."""
        height = self.size.height
        if count <= height:
            return False
        length = max(1, round(height * height / count))
        first = round((height - length) * top / (count - height))
        return first <= y < first + length

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"log--{name}", partial=True)

    def _lay_out(self, width: int) -> None:
        if width != self._laid_out[1]:
            self._lines = []
        self._laid_out = (self._entries, width)
        self._forget(self._entries[0].number if self._entries else 0)
        known = self._lines[-1].entry if self._lines else 0
        for entry in self._entries:
            if entry.number > known:
                self._lines += _wrap(entry, width)

    def _forget(self, oldest: int) -> None:
        """Leave out what the journal no longer keeps; what is seen stays where it is."""
        kept = (at for at, line in enumerate(self._lines) if line.entry >= oldest)
        gone = next(kept, len(self._lines))
        del self._lines[:gone]
        if gone and self._top is not None:
            self._top = max(0, self._top - gone)


def _wrap(entry: Entry, width: int) -> list[Line]:
    when = time.strftime("%H:%M:%S", time.localtime(entry.time))
    first, *rest = Content(entry.text).wrap(width) or [Content("")]
    return [
        Line(entry.number, when, entry.kind, first.plain),
        *(Line(entry.number, "", entry.kind, part.plain) for part in rest),
    ]
