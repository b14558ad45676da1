"""The gauge of the unified memory: who has it, where the peak was and where the limit is."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from farense_tui.engine.format import short_size, size
from farense_tui.widgets.gauge_bar import Memory, cells, free_cell, position

# Told apart by character as well as by colour.
_LOOKS = {
    "active": ("█", "$accent"),
    "cache": ("▓", "$accent 70%"),
    "rest": ("▒", "$accent 45%"),
    "others": ("░", "$secondary"),
    "free": ("·", "$text-muted 50%"),
}
_PEAK, _LIMIT = ("╎", "bold $foreground"), ("┃", "bold $error")
_SHORT = {
    "MLX active": "active",
    "MLX cache": "cache",
    "rest of worker": "rest",
    "other programs": "other",
}


class MemoryGauge(Widget):
    """A stacked bar with its legend; in a tall place the legend is a list."""

    DEFAULT_CSS = """
    MemoryGauge {
        height: 2;
    }
    """

    memory: reactive[Memory | None] = reactive(None)

    def render(self) -> RenderResult:
        """Bar first, then as much of the legend as there is room for."""
        width, height = self.size
        if self.memory is None or width < 10:
            return ""
        if height > 6:
            return _tall(self.memory, width)
        lines = [_line_with_bar(self.memory, width)]
        if height > 1:
            lines.append(_legend(self.memory, width))
        return Content("\n").join(lines)


def bar(memory: Memory, width: int) -> Content:
    """The stacked bar with its marks, exactly `width` cells."""
    counts = cells([part.bytes for part in memory.parts], memory.total, width)
    row = [
        _LOOKS[part.key]
        for part, count in zip(memory.parts, counts, strict=True)
        for _ in range(count)
    ]
    for mark, look in ((memory.peak, _PEAK), (memory.limit, _LIMIT)):
        if mark and row:
            row[free_cell(position(mark, memory.total, width), counts)] = look
    return Content.assemble(*row)


def _line_with_bar(memory: Memory, width: int) -> Content:
    label = Content.styled("memory  ", "$text-muted")
    marks = [
        Content.assemble("  ", look, (f" {name} ", "$text-muted"), short_size(value))
        for look, name, value in ((_PEAK, "peak", memory.peak), (_LIMIT, "limit", memory.limit))
        if value and width >= 70
    ]
    total = Content.assemble(("  of ", "$text-muted"), short_size(memory.total))
    right = Content.assemble(*marks, total)
    room = max(0, width - label.cell_length - right.cell_length)
    return Content.assemble(label, bar(memory, room), right)


def _legend(memory: Memory, width: int) -> Content:
    """The legend on one line; entries that do not fit are left out from the right."""
    line = Content("        ")
    for part in memory.parts:
        label = _SHORT.get(part.label, part.label) if width < 110 else part.label
        longer = Content.assemble(
            line, _LOOKS[part.key], (f" {label} ", "$text-muted"), short_size(part.bytes), "  "
        )
        if longer.cell_length - 2 > width:
            break
        line = longer
    return line


def _tall(memory: Memory, width: int) -> Content:
    head = _row(("", ""), "memory", size(memory.total), width)
    rows = [_row(_LOOKS[part.key], part.label, size(part.bytes), width) for part in memory.parts]
    rows.append(_row(_PEAK, "peak of MLX active", size(memory.peak), width))
    rows.append(_row(_LIMIT, "limit that the machine sets to MLX", size(memory.limit), width))
    return Content("\n").join([head, bar(memory, width), Content(""), *rows])


def _row(look: tuple[str, str], label: str, value: str, width: int) -> Content:
    sign = f"{look[0]}  " if look[0] else ""
    room = max(1, width - len(sign) - len(value))
    return Content.assemble(
        (sign, look[1]), (label[:room].ljust(room), "$text-muted"), (value, "$foreground")
    )
