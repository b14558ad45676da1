"""The first line: the name of the app, and the machine that it found."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.plan.memory import GIB
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from farense_tui.engine.machine import hardware
from farense_tui.engine.machine.hardware import Machine
from farense_tui.engine.readable import size
from farense_tui.ui.calm import CalmStatic

_REFRESH = 2.0


class MachineLine(Horizontal):
    """What the machine is, and how much of its memory is free just now."""

    def __init__(self, machine: Machine) -> None:
        """Tell of `machine`."""
        super().__init__()
        self.machine = machine

    def compose(self) -> ComposeResult:
        """Name and machine on the left, what changes on the right."""
        machine = self.machine
        parts = (
            machine.chip,
            f"{machine.memory / GIB:.0f} GB",
            _("{n} cores").format(n=machine.cores),
            machine.backend,
            machine.system,
        )
        yield Static("farense", id="app-name", markup=False)
        yield Static(Content.from_text(" · ".join(parts), markup=False), id="machine")
        yield CalmStatic(id="free-memory", markup=False)

    def on_mount(self) -> None:
        """Look at the memory now and every other second."""
        self._look()
        self.set_interval(_REFRESH, self._look)

    def _look(self) -> None:
        if self.app.screen is not self.screen:  # something lies over it
            return
        free = Content.assemble(
            (size(hardware.memory().available), "bold"), (_(" free"), "$text-muted")
        )
        self.query_one("#free-memory", CalmStatic).update(free)
