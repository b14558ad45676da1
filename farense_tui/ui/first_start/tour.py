"""The tour: cards over the monitor of a run that is played, each when there is what it tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.widgets import Static

from farense_tui.ui.common.dialogs import Dialog, keys
from farense_tui.ui.monitor.screen import MonitorScreen

_LOOK = 0.25  # seconds between two looks at the run
_A_LINE = 20  # steps of which the chart shows a line


def _trains(monitor: MonitorScreen) -> bool:
    return monitor.snapshot is not None and monitor.snapshot.state.step >= _A_LINE


def _has_validated(monitor: MonitorScreen) -> bool:
    """Whether it has since the first step."""
    best = monitor.snapshot.state.best if monitor.snapshot else None
    return best is not None and best.step > 0


def _has_saved(monitor: MonitorScreen) -> bool:
    return monitor.snapshot is not None and bool(monitor.snapshot.state.checkpoints)


def _goes_wrong(monitor: MonitorScreen) -> bool:
    return bool(monitor.findings)


class Card(NamedTuple):
    """What is told, once `due`, and what is waited for until then."""

    title: str
    text: str
    due: Callable[[MonitorScreen], bool] = lambda _monitor: True
    awaited: str = ""


CARDS = (
    Card(
        _("A run that is only played"),
        _(
            "What you see above is no training: it is a script, eight times as fast as a run, "
            "and is thrown away afterwards. Real runs look the same."
        ),
    ),
    Card(
        _("The chart"),
        _(
            "The line is the loss on the rows that are trained on: how wrong the model's "
            "answers are. The diamonds are the loss on rows it never sees. Both should fall; "
            "the diamonds are what counts."
        ),
        _trains,
        _("The model is being loaded. The next card comes with the first steps."),
    ),
    Card(
        _("The header"),
        _(
            "Step, the newest losses, how far from the best, and when it will be done. The "
            "time counts what is still to do, validations too, and leaves out pauses."
        ),
        _has_validated,
        _("It trains. The next card comes with the first diamond after the start."),
    ),
    Card(
        _("Leaving"),
        _(
            "What it has learnt is saved on the way, and the training is a program of its own: "
            "close this window and it goes on, farense-tui attach brings it back. A run that "
            "was stopped can be resumed. ? lists the keys of each screen."
        ),
        _has_saved,
        _("It trains. The next card comes with the first checkpoint."),
    ),
    Card(
        _("When something goes wrong"),
        _(
            "A card like the one above says what, by which sign, and what helps, with the key "
            "that does it: NaN, memory, a stall. This run begins to learn its rows by heart: "
            "the diamonds turn upwards while the line still falls."
        ),
        _goes_wrong,
        _("All is well so far. Watch the diamonds: the next card comes when they turn upwards."),
    ),
    Card(
        _("At the end"),
        _(
            "A card tells what it came to, here in amber: the adapter kept is the one of the "
            "best validation, not the last. Keys ask it beside the model as it was, measure "
            "it, open the report and export it."
        ),
        lambda monitor: monitor.end is not None,
        _("It goes on to the end, worse than it was. The last card comes then."),
    ),
)


class Tour(Dialog[None]):
    """Lays a card after the other over what is played; enter goes on, escape ends it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space,right", "step(1)", _("Next")),
        Binding("left,backspace", "step(-1)", _("Back")),
        Binding("escape,q", "dismiss", _("End the tour")),
    ]

    def __init__(self, monitor: MonitorScreen) -> None:
        """Explain what `monitor` shows."""
        super().__init__(classes="dialog tour")
        self.monitor = monitor
        self.at = 0
        self.waits = False  # for the run, with the next card

    def compose(self) -> ComposeResult:
        with VerticalGroup(classes="box"):
            yield Static(classes="title", markup=False)
            yield Static(classes="text", markup=False)
            yield Static(classes="keys")

    def on_mount(self) -> None:
        self._draw()
        self.set_interval(_LOOK, self._look)

    def _look(self) -> None:
        """Go on once what the next card tells is to be seen, if the user waits for it."""
        if self.waits and self._is_due(CARDS[self.at + 1]):
            self.waits = False
            self.at += 1
            self._draw()

    def _is_due(self, card: Card) -> bool:
        """Whether there is something to be seen of it; at the end there is all there will be."""
        return self.monitor.end is not None or card.due(self.monitor)

    def _draw(self) -> None:
        card, last = CARDS[self.at], self.at == len(CARDS) - 1
        title = self.query_one(".title", Static)
        title.display = not self.waits
        title.update(f"{card.title}  {self.at + 1}/{len(CARDS)}")
        text = CARDS[self.at + 1].awaited if self.waits else card.text
        self.query_one(".text", Static).update(text)
        go_on = keys("enter", _("to the start") if last else _("next"))
        back = keys("←", _("back"))
        shown = [*([] if self.waits else [go_on]), *([back] if self.at or self.waits else [])]
        self.query_one(".keys", Static).update(
            Content("   ").join([*shown, keys("esc", _("end the tour"))])
        )

    def action_step(self, by: int) -> None:
        """Go to another card, or wait for it; after the last one it is over."""
        if self.at + by >= len(CARDS):
            self.dismiss()
            return
        if by < 0 and self.waits:
            self.waits = False
        elif by > 0 and not self._is_due(CARDS[self.at + by]):
            self.waits = True
        else:
            self.at, self.waits = max(0, self.at + by), False
        self._draw()
