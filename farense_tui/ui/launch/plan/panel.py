"""The plan: a sentence, the settings that matter with what they come to, what is to be known."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from farense_tui.engine.machine.hardware import Machine
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.ui.launch.plan import headline, notes, remarks
from farense_tui.ui.launch.plan.known import Known
from farense_tui.ui.launch.settings_form import SettingsForm


class PlanPanel(VerticalScroll, can_focus=False):
    """Tells what follows from a draft and from what was found on the disk."""

    def __init__(self, machine: Machine, form: SettingsForm) -> None:
        """Begin without a plan; `machine` is what it would have to run on."""
        super().__init__()
        self._form = form
        self._said: dict[str, Content] = {}
        self.known = Known(machine)

    def compose(self) -> ComposeResult:
        """From the whole to the parts."""
        yield Static(id="headline", markup=False)
        yield self._form
        yield Static(id="remarks", markup=False)

    def show(self, known: Known) -> None:
        """Show what is known by now."""
        self.known = replace(known, run=self.known.run)
        self._draw()

    def show_run(self, run: RunSummary | None) -> None:
        """Show the run that goes on, or that `r` would resume."""
        self.known = replace(self.known, run=run)
        self._draw()

    @property
    def complete(self) -> bool:
        """Whether nothing is being looked up any more."""
        return self.known.complete

    def _draw(self) -> None:
        self._form.display = self.known.draft is not None
        self._form.tell(notes.notes(self.known))
        self._update("#headline", headline.headline(self.known))
        self._update("#remarks", Content("\n").join(remarks.remarks(self.known)))

    def _update(self, name: str, content: Content) -> None:
        if self._said.get(name) != content:  # each update costs a layout
            self._said[name] = content
            shown = self.query_one(name, Static)
            shown.update(content)
            shown.display = bool(content.plain)
