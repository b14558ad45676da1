"""The dialogs: what all of them have, an error, a question with a few answers, a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple, TypeVar

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from farense_tui.ui.common.hanging import Hanging


class Answer(NamedTuple):
    """One answer to a question, and the key that gives it at once."""

    key: str
    label: str


Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Lies over a screen. The app's own keys do not reach into it, those for moving about do."""

    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]  # noqa: RUF012 - Screen's own type

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "app.simulate_key('down')", _("Down"), show=False),
        Binding("k", "app.simulate_key('up')", _("Up"), show=False),
        Binding("down", "scroll(1)", _("Down"), show=False),
        Binding("up", "scroll(-1)", _("Up"), show=False),
        Binding("pagedown", "scroll(10)", _("Down"), show=False),
        Binding("pageup", "scroll(-10)", _("Up"), show=False),
    ]
    SCROLLED: ClassVar[str] = ".box"  # what moves where there are more lines than room

    def action_scroll(self, by: int) -> None:
        """Move by so many lines; the keys stay where they are."""
        self.query_one(self.SCROLLED).scroll_relative(y=by, animate=False)

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Go, once and alone: a second key may follow before this is gone, or another lie over it.

        Textual would take the screen on top away, whichever that is.
        """
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()


class ErrorDialog(Dialog[None]):
    """Title, detail and hint of a FarenseError; nothing behind it has changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,space,q", "dismiss", _("Close")),
    ]

    def __init__(self, error: FarenseError) -> None:
        """Show `error`."""
        super().__init__(classes="dialog -error")
        self.error = error

    def compose(self) -> ComposeResult:
        """The three parts, as far as there are any, and the way out."""
        with VerticalGroup(classes="box"):
            yield Static(f"✗ {self.error.title}", classes="title", markup=False)
            if self.error.detail:
                yield Static(self.error.detail, classes="detail", markup=False)
            if self.error.hint:
                yield Static(self.error.hint, classes="hint", markup=False)
            yield Static(keys("enter", _("close")), classes="keys")


class AskDialog(Dialog[str]):
    """A question; gives the key of the answer, or "" for staying where one was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", _("Stay")),
        # the answers are few and all in sight: these are for the text
        Binding("pagedown", "scroll(5)", _("Down"), show=False, priority=True),
        Binding("pageup", "scroll(-5)", _("Up"), show=False, priority=True),
    ]

    def __init__(self, title: str, text: str, answers: list[Answer]) -> None:
        """Ask. Enter alone stays: an answer is given by its key, or by going to it."""
        super().__init__(classes="dialog")
        self._title = title
        self._text = text
        self._answers = answers

    def compose(self) -> ComposeResult:
        with VerticalGroup(classes="box"):
            yield Static(self._title, classes="title", markup=False)
            yield Static(self._text, classes="text", markup=False)
            options = [Option(answer(a.key, a.label), id=a.key) for a in self._answers]
            stay = Option(answer("esc", _("stay")))
            yield OptionList(*options, stay, classes="answers", compact=True)

    def on_mount(self) -> None:
        """Begin at the answer that does nothing."""
        self.query_one(OptionList).highlighted = len(self._answers)

    def on_key(self, event: Key) -> None:
        """Take the answer's own key."""
        if event.character in {answer.key for answer in self._answers}:
            event.stop()
            self.dismiss(event.character)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Take what was chosen with enter or the mouse."""
        message.stop()
        self.dismiss(message.option.id or "")


class NameDialog(Dialog[str]):
    """Asks for a name and says while it is typed what is wrong with it; gives "" for none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", _("Cancel"))]

    def __init__(self, title: str, text: str, name: str, check: Callable[[str], str]) -> None:
        """Ask; `check` gives what is wrong with a name, "" if nothing is."""
        super().__init__(classes="dialog")
        self._title = title
        self._text = text
        self._name_before = name
        self._check = check

    def compose(self) -> ComposeResult:
        """The question, the field and what is wrong."""
        with VerticalGroup(classes="box"):
            yield Static(self._title, classes="title", markup=False)
            yield Static(self._text, classes="text", markup=False)
            yield Input(self._name_before, compact=True)
            yield Static(classes="fault", markup=False)
            yield Static(
                Content("   ").join([keys("enter", _("save")), keys("esc", _("stay"))]),
                classes="keys",
            )

    def on_input_changed(self, message: Input.Changed) -> None:
        self.query_one(".fault", Static).update(self._check(message.value))

    def on_input_submitted(self, message: Input.Submitted) -> None:
        if not self._check(message.value):
            self.dismiss(message.value)


class NoteDialog(Dialog[str | None]):
    """Asks for a line of text; gives None for leaving it as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", _("Cancel"))]

    def __init__(self, title: str, text: str) -> None:
        super().__init__(classes="dialog")
        self._title = title
        self._text_before = text

    def compose(self) -> ComposeResult:
        with VerticalGroup(classes="box"):
            yield Static(self._title, classes="title", markup=False)
            yield Input(self._text_before, compact=True, select_on_focus=False)
            yield Static(
                Content("   ").join([keys("enter", _("save")), keys("esc", _("stay"))]),
                classes="keys",
            )

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Give the text, which may be empty."""
        self.dismiss(message.value)


def answer(key: str, label: str) -> Hanging:
    """A key and what it does, as a line of a list of answers."""
    return Hanging(Content.styled(f"{key:5}", "bold $accent"), Content(label))


def keys(key: str, label: str) -> Content:
    """A key and what it does, as the footer shows it."""
    return Content.assemble((key, "bold $accent"), f"  {label}")
