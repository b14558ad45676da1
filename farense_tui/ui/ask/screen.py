"""Questions to the base model and to adapters, answered side by side as they come."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

from farense_worker.protocol import system_prompt
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.conversation import Answered, Piece, Question, Setup
from farense_worker.protocol.settings.profile import Data
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from farense_tui.engine.tasks.ask import Conversation
from farense_tui.engine.tasks.conversations import Keeper, Turn
from farense_tui.ui.ask import questions
from farense_tui.ui.ask.answers import Answers
from farense_tui.ui.ask.collect import CollectDialog, SavedDialog
from farense_tui.ui.ask.how_line import HowLine, doing
from farense_tui.ui.ask.question_field import QuestionField
from farense_tui.ui.ask.questions import Asked
from farense_tui.ui.ask.sampling_choice import SamplingChoice
from farense_tui.ui.ask.system_choice import SystemChoice
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.navigator import navigator

_TOLD = 300  # characters of a system prompt
# Columns; where there are few rows, narrow answers are better than none.
_NARROWEST, _NARROWEST_SHORT, _SHORT = 34, 26, 20


class AskScreen(Screen[None]):
    """Holds one conversation; the models stay loaded until the screen is left."""

    HELP_TITLE = _("Ask")
    AUTO_FOCUS = "QuestionField"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+t", "test_question", _("Test question"), tooltip=_("The next of the test set")
        ),
        Binding("ctrl+n", "begin_anew", _("New"), tooltip=_("Forget what was said")),
        Binding(
            "ctrl+s", "system", _("System"), tooltip=_("With the data's system prompt, or not")
        ),
        Binding(
            "ctrl+g",
            "sampling('temperature')",
            _("Temperature"),
            show=False,
            tooltip=_("Without one, the likeliest word"),
        ),
        Binding(
            "ctrl+l",
            "sampling('max_tokens')",
            _("Length"),
            show=False,
            tooltip=_("The most tokens of an answer"),
        ),
        Binding(
            "ctrl+r", "collect", _("Collect"), tooltip=_("Put the answer right: a row to train on")
        ),
        Binding("ctrl+o", "earlier", _("Earlier"), tooltip=_("Take up an earlier conversation")),
        Binding(
            "f2", "sampling('top_p')", _("Top-p"), show=False, tooltip=_("The likeliest alone")
        ),
        Binding("f3", "sampling('min_p')", _("Min-p"), show=False, tooltip=_("No unlikely words")),
        Binding(
            "f4", "sampling('repetition')", _("Repetition"), show=False, tooltip=_("Repeat less")
        ),
        Binding("pageup", "scroll('page_up')", _("Scroll the answers"), show=False),
        Binding("pagedown", "scroll('page_down')", _("Scroll the answers"), show=False),
        Binding("f1", "app.help", _("Help")),
        Binding("escape", "back", _("Stop, back"), tooltip=_("Break the answers off, or leave")),
    ]

    class Said(Message):
        """What came from the models; None once they are ready for a question."""

        def __init__(self, said: Piece | Answered | FarenseError | None) -> None:
            super().__init__()
            self.said = said

    def __init__(self, setup: Setup, data: Sequence[Data], remarks: Sequence[str] = ()) -> None:
        """Ask the models of `setup`, which were trained on the data sets in `data`.

        The questions on a key are those of the first one's test set. remarks: what is used in
        place of what was given.
        """
        super().__init__()
        self._setup = setup
        self._data = data
        self._remarks = remarks
        self._conversation: Conversation | None = None
        self._left = False
        self._lock = threading.Lock()  # between starting the worker and leaving
        self._questions: list[Asked] = []
        self._system = SystemChoice()
        self._next = 0
        self._sampling = SamplingChoice()
        self._keeper = Keeper(setup)
        self._asked: tuple[str, str | None] | None = None  # the newest question, its system prompt
        self._before: dict[str, list[tuple[str, str]]] = {}
        self._count = 0
        self._fresh = self._stopping = self._failed = self._waiting = False
        self.busy = True

    def compose(self) -> ComposeResult:
        """A column for each model, what the data says, the question, how it is asked, keys."""
        with Container(id="answers"):
            for name in ("", *(adapter.name for adapter in self._setup.adapters)):
                yield Answers(name)
        yield Static(id="reference", markup=False)
        yield QuestionField()
        yield HowLine()
        yield KeyFooter()

    def on_mount(self) -> None:
        if self._remarks:  # until the first question
            self._show_below(Content.styled("\n".join(map(clean, self._remarks)), "$warning"))
        self._show_how()
        self._load()

    def on_resize(self, event: Resize) -> None:
        """Put as many columns side by side as have room; the others come below."""
        count = len(self._setup.adapters) + 1
        narrowest = _NARROWEST if event.size.height >= _SHORT else _NARROWEST_SHORT
        most = max(1, min(count, event.size.width // narrowest))
        rows = math.ceil(count / most)
        self.query_one("#answers").styles.grid_size_columns = math.ceil(count / rows)

    def on_unmount(self) -> None:
        """End the worker, or do not let it begin."""
        with self._lock:
            self._left = True
            if self._conversation:
                self._conversation.close()

    # The models, in threads

    @work(thread=True, group="ask")
    def _load(self) -> None:
        self._questions = questions.read(self._data[0])
        with self._lock:
            if self._left:
                return
            self._conversation = Conversation(self._setup)
        self._pass_on(self._conversation, None)

    @work(thread=True, group="ask")
    def _hear(self, conversation: Conversation, answers: Iterator[Piece | Answered]) -> None:
        self._pass_on(conversation, answers)

    def _pass_on(
        self, conversation: Conversation, answers: Iterator[Piece | Answered] | None
    ) -> None:
        """Wait until the models have answered, or are loaded; say each thing as it comes."""
        try:
            if answers is None:
                if conversation.ready().takes_system:
                    shared, _alike = system_prompt.shared(self._data)
                    self._system = SystemChoice(shared, self._questions)
            else:
                for said in answers:
                    self.post_message(self.Said(said))
        except FarenseError as error:
            self.post_message(self.Said(error))
        else:
            self.post_message(self.Said(None))

    @on(Said)
    def _take(self, message: Said) -> None:
        said = message.said
        if said is None:
            if self.busy and self._asked:
                self._keep(*self._asked)
            self.busy = self._stopping = False
            self._show_how()
            self.refresh_bindings()
            if self._waiting:
                self._waiting = False
                self._ask()
        elif isinstance(said, FarenseError):
            self._failed = True
            navigator(self).show_error(said)
        else:
            column = next(each for each in self.query(Answers) if each.model == said.name)
            if isinstance(said, Piece):
                column.add(said.text)
            else:
                column.end(said)

    def on_screen_resume(self) -> None:
        """Leave once an error has been read: the worker ended with it."""
        if self._failed:
            self.dismiss()

    # What is typed

    @on(QuestionField.Submitted)
    def _ask(self) -> None:
        """Ask, unless the models are still at the last question."""
        if self.busy or self._conversation is None:
            self._waiting = not self._count  # until the models are loaded
            self._show_how()
            return
        line = self.query_one(QuestionField).take()
        if not line:
            return
        row = self._row(line)
        text = row.question if row else line
        for column in self.query(Answers):
            column.begin(text, fresh=self._fresh and not self._before)
        self._show_reference(row)
        self.busy = True
        system = self._system.take(row, fresh=self._begins)
        self._count += 1
        self._asked = (text, system)
        if self._fresh and not self._before:
            self._keeper.begin()
        question = Question(
            text=text,
            system=system,
            fresh=self._fresh,
            seed=self._count,
            before=self._before,
            **self._sampling.values,
        )
        self._before = {}
        self._fresh = False
        self._show_how()
        # Put here and not in the thread: a stop must not overtake it.
        self._hear(self._conversation, self._conversation.ask(question))

    def _row(self, line: str) -> Asked | None:
        """Give the question of the test set that a line is, if it is one."""
        return next((each for each in self._questions if each.line == line), None)

    @property
    def _begins(self) -> bool:
        """Whether the next question is the first of a conversation."""
        return (self._fresh and not self._before) or not self._count

    def _show_reference(self, row: Asked | None) -> None:
        told = Content()
        if row:
            head = (_("in the data  "), "$text-muted")
            told = Content.assemble(head, clean(row.reference))
        self._show_below(told)

    def _show_below(self, told: Content) -> None:
        shown = self.query_one("#reference", Static)
        shown.display = bool(told.plain)
        shown.update(told)

    @on(QuestionField.Changed)
    def _show_how(self) -> None:
        field = self.query_one(QuestionField)
        self.query_one(HowLine).show(
            doing(
                busy=self.busy,
                asked=self._count > 0,
                waiting=self._waiting,
                stopping=self._stopping,
            ),
            self._sampling,
            self._system.words(self._row(field.value), fresh=self._begins),
            len(self._questions),
        )
        field.placeholder = (
            _("a new conversation") if self._fresh and not self._before else _("ask something")
        )

    def action_test_question(self) -> None:
        """Put the next question of the test set into the field, in a conversation of its own."""
        if self._questions:
            self.query_one(QuestionField).show(self._questions[self._next].line)
            self._next = (self._next + 1) % len(self._questions)
            self.action_begin_anew()
        elif not self.busy:
            self.notify(
                _("There is no test set beside the data."), severity="warning", markup=False
            )

    def action_begin_anew(self) -> None:
        """Ask the next question without what was said before."""
        self._fresh = self._count > 0
        self._before = {}
        self._show_how()

    def action_system(self) -> None:
        """Put the next questions under the data's system prompt or not, in a new conversation."""
        system = self._system
        system.on = not system.on
        if system.on and system.shared:
            self.notify(clean(system.shared)[:_TOLD], title=_("System prompt"), markup=False)
        self.action_begin_anew()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tell of the system prompt only where there is one."""
        return action != "system" or self._system.offered

    def action_sampling(self, name: str) -> None:
        """Go on to the next value of a setting."""
        self._sampling.next(name)
        self._show_how()

    def _keep(self, question: str, system: str | None) -> None:
        answers = {column.model: column.said for column in self.query(Answers)}
        try:
            self._keeper.add(Turn(question, answers), system)
        except FarenseError as error:
            self.notify(error.detail or error.title, title=error.title, severity="warning")

    @work
    async def action_collect(self) -> None:
        """Put the newest answer right, as a row of a data set of its own."""
        if self._asked is None or self.busy:
            self.notify(_("There is no answer yet."), severity="warning", markup=False)
            return
        question, system = self._asked
        column = list(self.query(Answers))[-1]
        text = await self.app.push_screen_wait(CollectDialog(question, column.said))
        if not text:
            return
        try:
            path, rows = self._keeper.collect(question, text, system, column.model)
        except FarenseError as error:
            navigator(self).show_error(error)
            return
        told = ngettext("{n} row in {path}", "{n} rows in {path}", rows)
        self.notify(told.format(n=rows, path=path), title=_("Collected"), markup=False)

    @work
    async def action_earlier(self) -> None:
        """Take up an earlier conversation: the next question goes on after it."""
        saved = self._keeper.saved()
        if not saved or self.busy:
            self.notify(_("There is no earlier conversation."), severity="warning", markup=False)
            return
        chosen = await self.app.push_screen_wait(SavedDialog(saved))
        if chosen < 0:
            return
        taken = saved[chosen]
        self._keeper.begin(taken.turns, taken.time)
        self._before = taken.before()
        self._asked = (taken.turns[-1].question, taken.system)
        for number, turn in enumerate(taken.turns):
            for column in self.query(Answers):
                answer = turn.answers.get(column.model, "")
                column.show(turn.question, answer, fresh=number == 0 and self._count > 0)
        self._system.go_on(taken.system)
        self._fresh = True
        self._count += 1
        self._show_how()

    def action_scroll(self, where: str) -> None:
        for column in self.query(Answers):
            column.page(where)

    def action_back(self) -> None:
        """Break off the answers that are being given; if there are none, or again, leave."""
        if self.busy and self._count and self._conversation and not self._stopping:
            self._stopping = True
            self._conversation.stop()
            self._show_how()
        else:
            self.dismiss()
