"""The field a question is typed into, which remembers what was asked."""

from __future__ import annotations

from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from textual.binding import Binding, BindingType
from textual.events import Paste
from textual.widgets import Input


class QuestionField(Input):
    """One line; the arrows up and down go through what was asked before."""

    HELP_TITLE = _("Question")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "earlier(-1)", _("Earlier question"), show=False),
        Binding("down", "earlier(1)", _("Later question"), show=False),
    ]

    def __init__(self) -> None:
        """Begin with nothing asked."""
        super().__init__(compact=True)
        self._asked: list[str] = []
        self._at = 0
        self._draft = ""

    def on_paste(self, event: Paste) -> None:
        """Take all lines of what is pasted, as one; Textual's own field keeps the first alone."""
        event.prevent_default()
        event.stop()
        lines = [line.strip() for line in event.text.splitlines() if line.strip()]
        self.replace(" ".join(lines), *self.selection)
        if len(lines) > 1:
            self.notify(_("{n} lines are one question now").format(n=len(lines)), markup=False)

    def show(self, text: str) -> None:
        """Put a text in, with the cursor at its end."""
        self.value = text
        self.cursor_position = len(text)

    def take(self) -> str:
        """Give what was typed, remember it and begin anew; empty if there is nothing."""
        text = self.value.strip()
        if text:
            self._asked.append(text)
            self._at = len(self._asked)
            self._draft = self.value = ""
        return text

    def action_earlier(self, by: int) -> None:
        """Go back or forth; behind the last one is what was being typed."""
        if self._at == len(self._asked):
            self._draft = self.value
        self._at = max(0, min(self._at + by, len(self._asked)))
        self.show([*self._asked, self._draft][self._at])
