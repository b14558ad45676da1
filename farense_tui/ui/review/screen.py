"""Pairs that a model made of documents, one at a time: kept, edited or dropped by a person."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from farense_worker.protocol.clean_text import clean, printable
from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from farense_tui.dataset.documents import draft
from farense_tui.dataset.documents.draft import Decision, Shown
from farense_tui.ui.common.dialogs import Dialog, keys
from farense_tui.ui.common.key_footer import KeyFooter

_STYLES = {"keep": "$success", "drop": "$error", "open": "$text-muted"}
_STATES = {"keep": _("kept"), "drop": _("dropped"), "open": _("to be read")}
_COUNTS = {"keep": _("{n} kept"), "drop": _("{n} dropped"), "open": _("{n} to be read")}


class ReviewScreen(Screen[None]):
    """Shows a draft's pairs; each decision is written at once."""

    HELP_TITLE = _("Review")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "decide('keep')", _("Keep")),
        Binding("d,x", "decide('drop')", _("Drop")),
        Binding("e", "edit", _("Edit"), tooltip=_("Other words for question and answer; keeps it")),
        Binding("u", "decide('open')", _("Undo"), tooltip=_("As if nothing had been said of it")),
        Binding("n,down,right", "step(1)", _("Next")),
        Binding("p,up,left", "step(-1)", _("Before"), show=False),
        Binding("a", "aside", _("Set aside"), tooltip=_("Those set aside too, or not")),
        Binding("escape", "back", _("Back")),
    ]

    def __init__(self, folder: Path) -> None:
        """Review the draft in `folder`."""
        super().__init__()
        self._folder = folder
        self._all: list[Shown] = []
        self._aside = False
        self._at = 0

    def compose(self) -> ComposeResult:
        """Where one is, the pair, why it is set aside, the passage, keys."""
        yield Static(id="review-place", markup=False)
        with VerticalGroup(id="review-pair"):
            yield Static(id="review-question", markup=False)
            yield Static(id="review-answer", markup=False)
            yield Static(id="review-why", markup=False)
        with VerticalScroll(id="review-passage"):
            yield Static(markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Begin at the first that nobody has read."""
        self._all = draft.shown(self._folder)
        self._at = next((at for at, each in enumerate(self._pairs) if each.state == "open"), 0)
        self._show()

    @property
    def _pairs(self) -> list[Shown]:
        return [each for each in self._all if self._aside or not each.pair.aside]

    @property
    def _here(self) -> Shown | None:
        pairs = self._pairs
        return pairs[min(self._at, len(pairs) - 1)] if pairs else None

    def action_decide(self, state: Literal["keep", "drop", "open"]) -> None:
        if here := self._here:
            self._decide(Decision(*here.at, state, *_words(here)))
            if state != "open":
                self.action_step(1)

    def action_edit(self) -> None:
        here = self._here
        if here is None:
            return

        def take(words: tuple[str, str] | None) -> None:
            if words and all(words):
                self._decide(Decision(*here.at, "keep", *words))

        self.app.push_screen(EditDialog(here.question, here.answer), take)

    def action_step(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self._pairs) - 1))
        self._show()

    def action_aside(self) -> None:
        """Show those that are set aside as well, and stay at the pair."""
        here = self._here
        self._aside = not self._aside
        self._at = self._pairs.index(here) if here in self._pairs else 0
        self._show()

    def action_back(self) -> None:
        self.dismiss()

    def _decide(self, decision: Decision) -> None:
        draft.decide(self._folder, decision)
        self._all = [
            Shown(each.at, each.passage, each.pair, decision)
            if each.at == (decision.passage, decision.pair)
            else each
            for each in self._all
        ]
        self._show()

    def _show(self) -> None:
        here, pairs = self._here, self._pairs
        counts = {state: sum(each.state == state for each in pairs) for state in _STATES}
        hidden = sum(bool(each.pair.aside) for each in self._all) if not self._aside else 0
        told = " · ".join(said.format(n=counts[state]) for state, said in _COUNTS.items())
        if hidden:
            told += " · " + _("{n} set aside").format(n=hidden)
        place = _("no pairs") if here is None else f"{self._at + 1}/{len(pairs)}"
        self._put("#review-place", Content.assemble((place, "bold"), "  ", told))
        if here is None:
            return
        state = Content.styled(_STATES[here.state], _STYLES[here.state])
        self._put("#review-question", Content.assemble((clean(here.question), "bold")))
        self._put("#review-answer", Content.assemble(clean(here.answer), "  ", state))
        self._put("#review-why", Content.styled(clean(here.pair.aside), "$warning"))
        where = " ".join(filter(None, (here.passage.document, here.passage.place)))
        text = Content.assemble((clean(where), "$text-muted"), "\n", printable(here.passage.text))
        # not translated: a selector
        self.query_one("#review-passage Static", Static).update(text)
        self.query_one("#review-passage").scroll_home(animate=False)

    def _put(self, where: str, what: Content) -> None:
        self.query_one(where, Static).update(what)


class EditDialog(Dialog[tuple[str, str] | None]):
    """Other words for a question and its answer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", _("Stay"))]

    def __init__(self, question: str, answer: str) -> None:
        """Begin with these."""
        super().__init__(classes="dialog")
        self._words = (question, answer)

    def compose(self) -> ComposeResult:
        """Two lines; enter goes to the second, then takes both."""
        with VerticalGroup(classes="box"):
            yield Static(_("Edit"), classes="title", markup=False)
            for name, text in zip(("question", "answer"), self._words, strict=True):
                field = Input(clean(text), id=f"edit-{name}", select_on_focus=False, compact=True)
                yield field
            told = [keys("enter", _("keep")), keys("esc", _("stay"))]
            yield Static(Content("   ").join(told), classes="keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on, or take both."""
        if event.input.id == "edit-question":
            self.query_one("#edit-answer", Input).focus()
            return
        question, answer = (
            self.query_one(f"#edit-{name}", Input).value.strip() for name in ("question", "answer")
        )
        self.dismiss((question, answer))


def _words(here: Shown) -> tuple[str, str]:
    """Keep what was edited."""
    return (here.decision.question, here.decision.answer) if here.decision else ("", "")
