"""The gauge of the unified memory: who has it, where the peak was and where the limit is."""

from __future__ import annotations

from threading import Event
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark, pgettext
from farense_worker.protocol.percent import percent
from textual import work
from textual.content import Content
from textual.reactive import var

from farense_tui.engine.machine.vitals import EVERY, Reader, Vitals
from farense_tui.engine.readable import share as show_share
from farense_tui.engine.readable import short_size, size
from farense_tui.ui.calm import Calm
from farense_tui.ui.charts.spark import extremes, filled, line_rows
from farense_tui.ui.messages import Sampled
from farense_tui.ui.monitor.gauge_bar import Memory, cells, free_cell, position

# Told apart by character as well as by colour.
_LOOKS = {
    "base": ("█", "$accent"),
    "adapter": ("▚", "$warning"),
    "active": ("▓", "$accent 80%"),
    "cache": ("▒", "$accent 60%"),
    "rest": ("░", "$accent 50%"),
    "others": ("╱", "$secondary"),
    "free": ("·", "$text-muted 50%"),
}
_PEAK, _LIMIT, _STOP = ("╎", "bold $foreground"), ("┃", "bold $error"), ("┇", "bold $error")
_SHORT = {
    mark("MLX active"): pgettext("memory", "active"),
    mark("base weights"): pgettext("memory", "base"),
    mark("adapter, optimizer"): pgettext("memory", "adapter"),
    mark("MLX cache"): pgettext("memory", "cache"),
    mark("rest of worker"): pgettext("memory", "rest"),
    mark("other programs"): pgettext("memory", "other"),
}
_TALL = 7  # rows from which the legend is a list


class MemoryGauge(Calm):
    """A stacked bar with its legend; in a tall place the legend is a list, with the history."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"gauge--history"}

    DEFAULT_CSS = """
    MemoryGauge {
        height: 2;
    }
    MemoryGauge > .gauge--history { color: $secondary; }
    """

    memory: var[Memory | None] = var(None)
    vitals: var[Vitals] = var(Vitals())

    def __init__(self) -> None:
        """Nothing is known yet."""
        super().__init__()
        self._unmounted = Event()

    def on_mount(self) -> None:
        """Begin to look at the machine."""
        self._look()

    def on_unmount(self) -> None:
        """Let the thread end."""
        self._unmounted.set()

    @work(thread=True, group="vitals")
    def _look(self) -> None:
        reader = Reader()
        while not self._unmounted.is_set():
            self.post_message(Sampled(reader.look()))
            self._unmounted.wait(EVERY)

    def on_sampled(self, message: Sampled) -> None:
        message.stop()
        self.vitals = message.vitals

    def watch_memory(self) -> None:
        self.draw()

    def watch_vitals(self) -> None:
        self.draw()

    def picture(self) -> Content:
        """Bar first, then as much of the rest as there is room for."""
        width, height = self.size
        if self.memory is None or width < 10:
            return Content("")
        if height >= _TALL:
            return self._tall(self.memory, width, height)
        lines = [_line_with_bar(self.memory, width)]
        machine = Content("   ").join(_told(self.vitals))
        if height > 2:
            lines += [_legend(self.memory, width), Content.assemble(" " * 8, machine)]
        elif height > 1:  # what presses comes before what is where
            before = machine if self.vitals.alarming else Content("")
            lines.append(_legend(self.memory, width, before))
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in lines)

    def _tall(self, memory: Memory, width: int, height: int) -> Content:
        head = _row(("", ""), _("memory"), size(memory.total), width)
        marks = (
            (_PEAK, _("peak of MLX"), memory.peak),
            (_LIMIT, _("limit for MLX"), memory.limit),
            (_STOP, _("saves and stops at"), memory.stop),
        )
        rows = [_row(_LOOKS[p.key], _(p.label), size(p.bytes), width) for p in memory.parts]
        rows += [_row(look, label, size(value), width) for look, label, value in marks]
        rows += _told(self.vitals) or [
            Content.styled(_("swap and pressure unknown"), "$text-muted")
        ]
        lines = [head, bar(memory, width), *rows]
        columns = filled(memory.history, width * 2)
        left = height - len(lines) - 1
        if columns and left > 0:
            low, high = (size(value) for value in extremes(memory.history) or (0, 0))
            lines.append(_row(("", ""), _("process so far"), _span(low, high), width))
            ink = self.get_component_styles("gauge--history").color.hex
            lines += [Content.styled(row, ink) for row in line_rows(columns, width, left)]
        return Content("\n").join(lines[:height])


def _told(vitals: Vitals) -> list[Content]:
    """What is known of swapping, pressure and the GPU; what is not is left out."""
    style = "bold $warning" if vitals.alarming else "$foreground"
    told = []
    if vitals.swap_out is not None and vitals.swap_in is not None:
        rates = _("{out}/s out  {back}/s in").format(
            out=short_size(vitals.swap_out), back=short_size(vitals.swap_in)
        )
        told.append(Content.assemble((_("swap "), "$text-muted"), (rates, style)))
    if vitals.pressure is not None:
        told.append(Content.assemble((_("pressure "), "$text-muted"), (_(vitals.pressure), style)))
    if vitals.stalled is not None:
        share = _("{share} of the time").format(share=show_share(vitals.stalled))
        told.append(Content.assemble((_("waits for memory "), "$text-muted"), (share, style)))
    if vitals.gpu is not None:
        watts = f", {vitals.gpu_power:.0f} W" if vitals.gpu_power is not None else ""
        told.append(Content.assemble(("GPU ", "$text-muted"), f"{percent(vitals.gpu)}{watts}"))
    return told


def bar(memory: Memory, width: int) -> Content:
    """The stacked bar with its marks, exactly `width` cells."""
    counts = cells([part.bytes for part in memory.parts], memory.total, width)
    row = [
        _LOOKS[part.key]
        for part, count in zip(memory.parts, counts, strict=True)
        for _cell in range(count)
    ]
    for place, look in ((memory.peak, _PEAK), (memory.stop, _STOP), (memory.limit, _LIMIT)):
        if place and row:
            row[free_cell(position(place, memory.total, width), counts)] = look
    return Content.assemble(*row)


def _line_with_bar(memory: Memory, width: int) -> Content:
    label = Content.styled(_("memory  "), "$text-muted")
    marks = [
        Content.assemble("  ", look, (f" {name} ", "$text-muted"), short_size(value))
        for look, name, value in (
            (_PEAK, _("peak"), memory.peak),
            (_LIMIT, _("limit"), memory.limit),
        )
        if value and width >= 70
    ]
    total = Content.assemble((_("  of "), "$text-muted"), short_size(memory.total))
    right = Content.assemble(*marks, total)
    room = max(0, width - label.cell_length - right.cell_length)
    return Content.assemble(label, bar(memory, room), right)


def _legend(memory: Memory, width: int, before: Content | None = None) -> Content:
    """The legend on one line; entries that do not fit are left out from the right."""
    line = Content.assemble(" " * 8, before, "  ") if before else Content(" " * 8)
    for part in memory.parts:
        label = _SHORT.get(part.label, _(part.label)) if width < 130 else _(part.label)
        longer = Content.assemble(
            line, _LOOKS[part.key], (f" {label} ", "$text-muted"), short_size(part.bytes), "  "
        )
        if longer.cell_length - 2 > width:
            break
        line = longer
    return line.rstrip() if line.cell_length > width else line  # the gap behind the last


def _span(low: str, high: str) -> str:
    return _("{low} to {high}").format(low=low, high=high)


def _row(look: tuple[str, str], label: str, value: str, width: int) -> Content:
    sign = f"{look[0]}  " if look[0] else ""
    room = max(1, width - len(sign) - len(value))
    return Content.assemble(
        (sign, look[1]), (label[:room].ljust(room), "$text-muted"), (value, "$foreground")
    )
