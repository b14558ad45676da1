"""All that is wrong with a run, in full, and the remedies to choose from."""

from __future__ import annotations

from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from farense_tui.engine.health import Action, Finding
from farense_tui.engine.health.remedies import STACKS
from farense_tui.ui.common.dialogs import Dialog, answer, keys
from farense_tui.ui.monitor.health_card import headline

_WELL = _("Nothing is found to be wrong.")


class HealthDialog(Dialog[Action | None]):
    """Gives the remedy that was chosen, None for none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", _("Stay"))]

    def __init__(self, findings: tuple[Finding, ...], alive: bool) -> None:
        """Show these. `alive`: whether there is a worker to be asked for its stacks."""
        super().__init__(classes="dialog")
        self._findings = findings
        actions = [finding.action for finding in findings if finding.action]
        self._actions: dict[str, Action] = {}
        for action in dict.fromkeys(actions):
            if action != STACKS:
                self._actions[str(len(self._actions) + 1)] = action
        if alive:
            self._actions["w"] = STACKS

    def compose(self) -> ComposeResult:
        """The findings, then what can be done."""
        with VerticalGroup(classes="box"):
            with VerticalScroll(classes="detail"):
                for finding in self._findings:
                    yield Static(_told(finding), classes="text")
                if not self._findings:
                    yield Static(_WELL, classes="title", markup=False)
            options = [
                Option(answer(key, clean(action.label)), id=key)
                for key, action in self._actions.items()
            ]
            yield OptionList(*options, Option(answer("esc", _("stay"))), compact=True)

    def on_mount(self) -> None:
        """Begin at the answer that does nothing."""
        self.query_one(OptionList).highlighted = len(self._actions)

    def on_key(self, event: Key) -> None:
        """Take the answer's own key."""
        if event.character in self._actions:
            event.stop()
            self.dismiss(self._actions[event.character])

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Take what was chosen with enter or the mouse."""
        message.stop()
        self.dismiss(self._actions.get(message.option.id or ""))


def _told(finding: Finding) -> Content:
    lines = (
        headline(finding),
        Content.styled(clean(finding.evidence), "$foreground"),
        Content.styled(clean(finding.remedy), "$text-muted"),
    )
    return Content("\n").join(lines)


class TextDialog(Dialog[None]):
    """Lines to be read, the last of them in sight."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", _("Close"))]

    def __init__(self, title: str, lines: list[str]) -> None:
        """Show these; they are cleaned already."""
        super().__init__(classes="dialog -text")
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Title, text, way out."""
        with VerticalGroup(classes="box"):
            yield Static(self._title, classes="title", markup=False)
            with VerticalScroll(classes="detail"):
                yield Static("\n".join(self._lines), markup=False)
            yield Static(keys("esc", _("close")), classes="keys")
