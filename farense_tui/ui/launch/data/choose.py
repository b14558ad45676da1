"""Choosing what is trained on: by a path that completes, from recent folders, or by dropping it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static

from farense_tui.engine.models.locate import EMBEDDED
from farense_tui.engine.runs import data_folders
from farense_tui.ui.common.dialogs import Dialog, keys
from farense_tui.ui.common.path_field import DataField
from farense_tui.ui.launch.data.dropped import data_of, path_in


class ChooseData(Dialog[str]):
    """Gives a path, or "" for none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", _("Stay")),
        Binding("down", "app.focus_next", _("Down"), show=False),
    ]

    class Read(Message):
        def __init__(self, found: list[str]) -> None:
            super().__init__()
            self.found = found

    def __init__(self, runs_dir: Path, begun: str = "") -> None:
        """Begin with what was dropped or typed."""
        super().__init__(classes="dialog")
        self._runs_dir, self._begun = runs_dir, begun
        self.found: list[str] = []

    def compose(self) -> ComposeResult:
        with VerticalGroup(classes="box"):
            yield Static(_("What to train on"), classes="title", markup=False)
            about = _(
                "Type a folder or a file (tab completes), drop one on the window, or go down to "
                "one of these."
            )
            yield Static(about, classes="text", markup=False)
            yield DataField(self._begun, compact=True)
            yield OptionList(compact=True)
            yield Static(
                Content("   ").join(
                    [
                        keys("enter", _("take it")),
                        keys("tab", _("fill in")),
                        keys("esc", _("stay")),
                    ]
                ),
                classes="keys",
            )

    def on_mount(self) -> None:
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        self.post_message(self.Read(data_folders.recent(self._runs_dir)))

    def on_choose_data_read(self, message: Read) -> None:
        self.found = message.found
        options = self.query_one(OptionList)
        options.add_options([_shown(path) for path in self.found])
        options.highlighted = 0

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Take what was typed, quoted or not."""
        text = message.value.strip()
        path = path_in(text)
        self.dismiss(data_of(path) if path else text)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        message.stop()
        self.dismiss(self.found[message.option_index])


def _shown(path: str) -> Content:
    if path == EMBEDDED:
        return Content.assemble(EMBEDDED, ("  " + _("the sample data"), "$text-muted"))
    home = os.path.expanduser("~")
    return Content(clean(f"~{path.removeprefix(home)}" if path.startswith(f"{home}/") else path))
