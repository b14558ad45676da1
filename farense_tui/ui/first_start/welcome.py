"""What the very first start shows, and no other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.widgets import Static

from farense_tui.engine.readable import from_here
from farense_tui.ui.common.dialogs import Dialog, keys


class Welcome(Dialog[bool]):
    """Says what this is, what enter does, where things are kept; gives whether a tour is wanted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape,space,q", "dismiss(False)", _("Begin")),
        Binding("question_mark", "dismiss(True)", _("Tour")),
    ]

    def __init__(self, runs_dir: Path, kept: Path, webhook: str = "") -> None:
        """runs_dir: where runs go. kept: the file of preferences. webhook: where news go."""
        super().__init__(classes="dialog")
        self._runs_dir, self._kept, self._webhook = runs_dir, kept, webhook

    def compose(self) -> ComposeResult:
        home = os.path.expanduser("~")
        places = (
            (_("runs"), from_here(str(self._runs_dir.absolute()))),
            (_("models"), "~/.cache/huggingface"),
            (_("preferences"), str(self._kept).replace(home, "~", 1)),
        )
        what = _(
            "This teaches a language model your own questions and answers, on this machine: it"
            " starts the training, watches it, and lets you ask the result. Your data does not "
            "leave it."
        )
        if self._webhook:
            what += " " + _(
                "What is told of a run, its name and how it ends, goes to {address}, as your "
                "preferences say."
            ).format(address=urlsplit(self._webhook).hostname)
        enter = _(
            "The next screen says what a start would do. Enter there starts it: with the Demo "
            "a small model on sample data. More than 100 MB are never downloaded without a "
            "yes."
        )
        with VerticalGroup(classes="box"):
            yield Static(_("Welcome to farense-tui"), classes="title", markup=False)
            yield Static(what, classes="text", markup=False)
            yield Static(enter, classes="text", markup=False)
            told = [Content.assemble((f"{name:<13}", "$text-muted"), path) for name, path in places]
            yield Static(Content("\n").join(told), classes="text")
            yield Static(
                Content("   ").join([keys("enter", _("begin")), keys("?", _("a tour first"))]),
                classes="keys",
            )
