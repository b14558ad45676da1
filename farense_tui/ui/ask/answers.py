"""One model's side of a conversation, as it comes."""

from __future__ import annotations

from farense_worker.protocol.clean_text import clean, written_lines
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.conversation import Answered
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from farense_tui.engine import readable as show


class Answers(Vertical):
    """The model's name on top; below it question and answer in turn, the newest in sight."""

    def __init__(self, model: str) -> None:
        """Begin empty; `model` is the name of a run, empty for the base model."""
        super().__init__()
        self.model = model
        self._text = ""
        self._answer: Static | None = None

    def compose(self) -> ComposeResult:
        """The name, and room for what is said."""
        yield Static(clean(self.model) or _("base model"), classes="model", markup=False)
        yield VerticalScroll(classes="said", can_focus=False)

    def begin(self, question: str, *, fresh: bool) -> None:
        asked = Static(f"› {clean(question)}", classes="question", markup=False)
        asked.set_class(fresh, "-fresh")
        self._text = ""
        self._answer = Static("…", classes="answer", markup=False)
        said = self.query_one(".said", VerticalScroll)
        said.mount(asked, self._answer)
        self.call_after_refresh(said.scroll_end, animate=False)

    @property
    def said(self) -> str:
        """The newest answer, as far as it has come."""
        return self._text

    def show(self, question: str, answer: str, *, fresh: bool) -> None:
        """Show a turn of an earlier conversation."""
        self.begin(question, fresh=fresh)
        self.add(answer)

    def add(self, piece: str) -> None:
        self._text += piece
        self._show(self._words())

    def end(self, how: Answered) -> None:
        """Say how long it took, and whether there would be more."""
        speed = how.tokens / how.seconds if how.seconds > 0 else 0.0
        told = _("{tokens}, {speed}/s, cut off") if how.cut_off else _("{tokens}, {speed}/s")
        told = told.format(tokens=show.tokens(how.tokens), speed=show.speed(speed))
        words = self._words() or Content.styled(_("(nothing)"), "$text-muted")
        self._show(Content.assemble(words, "\n", (told, "$text-muted")))

    def page(self, where: str) -> None:
        """Scroll by a page, `page_up` or `page_down`."""
        said = self.query_one(".said", VerticalScroll)
        move = said.scroll_page_up if where == "page_up" else said.scroll_page_down
        move(animate=False)

    def _show(self, content: Content) -> None:
        """Show the answer; who has scrolled back is left there."""
        if self._answer:
            said = self.query_one(".said", VerticalScroll)
            follows = said.scroll_offset.y >= said.max_scroll_y
            self._answer.update(content)
            if follows:
                self.call_after_refresh(said.scroll_end, animate=False)

    def _words(self) -> Content:
        return Content("\n".join(written_lines(self._text.strip())).expandtabs(4))
