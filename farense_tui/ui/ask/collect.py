"""The dialogs over a conversation: an answer put right, and earlier conversations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from farense_worker.protocol.clean_text import clean, written_lines
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.widgets import OptionList, Static, TextArea
from textual.widgets.option_list import Option

from farense_tui.engine.tasks.conversations import Saved
from farense_tui.ui.common.dialogs import Dialog, keys


class CollectDialog(Dialog[str]):
    """The answer as it should have been; "" for leaving it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "collect", _("Collect"), priority=True),
        Binding("escape", "dismiss('')", _("Stay")),
    ]
    DEFAULT_CSS = """
    CollectDialog TextArea { height: 8; border: none; padding: 0 1; background: $panel; }
    CollectDialog TextArea:focus { border: none; }
    """

    def __init__(self, question: str, answer: str) -> None:
        """Begin with what was answered."""
        super().__init__(classes="dialog")
        self._question = question
        self._answer = answer

    def compose(self) -> ComposeResult:
        with VerticalGroup(classes="box"):
            yield Static(_("A row to train on"), classes="title", markup=False)
            yield Static(f"› {clean(self._question)[:300]}", classes="text", markup=False)
            yield TextArea("\n".join(written_lines(self._answer)))
            yield Static(_two(keys("^s", _("collect")), keys("esc", _("stay"))), classes="keys")

    def on_mount(self) -> None:
        """Put the cursor behind the answer."""
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    def action_collect(self) -> None:
        self.dismiss(self.query_one(TextArea).text.strip())


class SavedDialog(Dialog[int]):
    """Earlier conversations; gives the number of the one that is to be taken up, -1 for none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(-1)", _("Stay"))]

    def __init__(self, saved: Sequence[Saved]) -> None:
        super().__init__(classes="dialog")
        self._saved = saved

    def compose(self) -> ComposeResult:
        with VerticalGroup(classes="box"):
            yield Static(_("Earlier conversations"), classes="title", markup=False)
            yield OptionList(
                *(Option(_line(each), id=str(at)) for at, each in enumerate(self._saved)),
                compact=True,
                markup=False,
            )
            yield Static(
                _two(keys("enter", _("take it up")), keys("esc", _("stay"))), classes="keys"
            )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(int(event.option.id or -1))


def _two(first: Content, second: Content) -> Content:
    return Content.assemble(first, "   ", second)


def _line(saved: Saved) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(saved.time))
    count = len(saved.turns)
    told = ngettext("{n} question", "{n} questions", count).format(n=count)
    return f"{when}  {told}  {clean(saved.turns[0].question)[:60]}"
