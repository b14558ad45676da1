"""The tour: cards over the monitor of a run that is only played."""

from __future__ import annotations

from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.widgets import Static

from farense_tui.ui.common.dialogs import Dialog, keys

CARDS = (
    (
        _("A run that is only played"),
        _(
            "What you see below is no training: it is a script, twenty times as fast as a run,"
            " and is thrown away afterwards. Real runs look the same."
        ),
    ),
    (
        _("The chart"),
        _(
            "The line is the loss on the rows that are trained on: how wrong the model's "
            "answers are. The diamonds are the loss on rows it never sees. Both should fall; "
            "the diamonds are what counts."
        ),
    ),
    (
        _("The header"),
        _(
            "Step, the newest losses, how far from the best, and when it will be done. The "
            "time counts what is still to do, validations too, and leaves out pauses."
        ),
    ),
    (
        _("Leaving"),
        _(
            "The training is a program of its own. Close this window and it goes on; farense-"
            "tui attach brings it back. A run that was stopped can be resumed, and ? lists the"
            " keys of each screen."
        ),
    ),
    (
        _("When something goes wrong"),
        _(
            "A card says what, by which sign, and what helps, with the key that does it: NaN, "
            "memory, a stall, a run that learns by heart. This one begins to do that: its "
            "diamonds turn upwards."
        ),
    ),
    (
        _("At the end"),
        _(
            "The adapter kept is the one of the best validation, not the last. You can ask it "
            "beside the model as it was, read the report, and export it."
        ),
    ),
)


class Tour(Dialog[None]):
    """Lays one card after the other over what is played; enter goes on, escape ends it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space,right", "step(1)", _("Next")),
        Binding("left,backspace", "step(-1)", _("Back")),
        Binding("escape,q", "dismiss", _("End the tour")),
    ]

    def __init__(self) -> None:
        super().__init__(classes="dialog tour")
        self.at = 0

    def compose(self) -> ComposeResult:
        with VerticalGroup(classes="box"):
            yield Static(classes="title", markup=False)
            yield Static(classes="text", markup=False)
            yield Static(classes="keys")

    def on_mount(self) -> None:
        self._draw()

    def _draw(self) -> None:
        title, text = CARDS[self.at]
        last = self.at == len(CARDS) - 1
        self.query_one(".title", Static).update(f"{title}  {self.at + 1}/{len(CARDS)}")
        self.query_one(".text", Static).update(text)
        go_on = keys("enter", _("to the start") if last else _("next"))
        self.query_one(".keys", Static).update(
            Content("   ").join([go_on, keys("←", _("back")), keys("esc", _("end the tour"))])
        )

    def action_step(self, by: int) -> None:
        """Go to another card; after the last one it is over."""
        if self.at + by >= len(CARDS):
            self.dismiss()
        else:
            self.at = max(0, self.at + by)
            self._draw()
