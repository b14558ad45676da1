"""The log of a run: follows what comes, unless the reader has scrolled up."""

from __future__ import annotations

import time
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from farense_tui.engine.journal import Entry, Kind

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


class Line(NamedTuple):
    """One line on the screen."""

    time: str
    kind: Kind
    text: str


class RunLog(ScrollView):
    """Shows the entries of the journal, wrapped to the width that there is."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--time", *(f"log--{kind}" for kind in _SIGNS)}

    DEFAULT_CSS = """
    RunLog {
        height: 5;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        overflow-x: hidden;
    }
    RunLog > .log--time { color: $text-muted; }
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
        """Start empty."""
        super().__init__(id=id)
        self._entries: tuple[Entry, ...] = ()
        self._lines: list[Line] = []
        self._wrapped_to = 0
        self._follows = True

    def show(self, entries: tuple[Entry, ...]) -> None:
        """Show what is in the journal now."""
        if entries is self._entries:
            return
        known = self._entries[-1].number if self._entries else 0
        gone = entries[0].number > self._entries[0].number if self._entries and entries else False
        self._entries = entries
        if gone or not self._wrapped_to:
            self._lay_out()
        else:
            self._add([entry for entry in entries if entry.number > known])

    def on_resize(self, event: events.Resize) -> None:
        """Wrap anew where the width has changed."""
        if self._width != self._wrapped_to:
            self._lay_out()
        if self._follows:  # the height is known to the scroll bar only after this
            self.call_after_refresh(self._to_the_end)

    def watch_show_vertical_scrollbar(self) -> None:
        """Go to the end once there is a bar: before that nothing moves."""
        if self._follows:
            self.call_after_refresh(self._to_the_end)

    def watch_scroll_y(self, old: float, new: float) -> None:
        """Stop following when the reader scrolls up; follow again once back at the end.

        Going down without reaching the end says nothing: that is what a log does that is
        scrolled to its end before its height is known.
        """
        super().watch_scroll_y(old, new)
        if new >= self.max_scroll_y:
            self._follows = True
        elif new < old:
            self._follows = False

    def render_line(self, y: int) -> Strip:
        """Draw the line at `y` of what is seen."""
        at = y + self.scroll_offset.y
        base = self.rich_style
        if at >= len(self._lines):
            return Strip.blank(self.size.width, base)
        line = self._lines[at]
        ink = self._ink(line.kind)
        sign = f" {_SIGNS[line.kind] if line.time else ' '} "
        strip = Strip(
            [
                Segment(line.time.ljust(8), base + self._ink("time")),
                Segment(sign, base + ink),
                Segment(line.text, base + ink),
            ]
        )
        return strip.adjust_cell_length(self.size.width, base)

    @property
    def lines(self) -> list[Line]:
        """The lines as they are shown."""
        return self._lines

    @property
    def _width(self) -> int:
        return max(10, self.scrollable_content_region.width - _INDENT)

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"log--{name}", partial=True)

    def _lay_out(self) -> None:
        self._lines = []
        self._wrapped_to = self._width
        self._add(list(self._entries))

    def _add(self, entries: list[Entry]) -> None:
        follow = self._follows
        for entry in entries:
            self._lines += _wrap(entry, self._wrapped_to)
        self.virtual_size = Size(self.size.width, len(self._lines))
        if follow:
            self._to_the_end()
            self.call_after_refresh(self._to_the_end)  # its height may not be known before
        self.refresh()

    def _to_the_end(self) -> None:
        self.scroll_end(animate=False, immediate=True, x_axis=False)
        self._follows = True


def _wrap(entry: Entry, width: int) -> list[Line]:
    when = time.strftime("%H:%M:%S", time.localtime(entry.time))
    first, *rest = Content(entry.text).wrap(width) or [Content("")]
    return [
        Line(when, entry.kind, first.plain),
        *(Line("", entry.kind, part.plain) for part in rest),
    ]
