"""All that the app takes of other packages' insides: here it is looked for when they change.

CHECKED has the versions whose insides were looked at, PYTHONS those of Python for argparse.
tests/test_compat.py says which of the things below is no more what it was; with another version in
constraints.txt it asks for a look at all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import re
import signal
import termios
import textwrap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from textual.app import App
    from textual.driver import Driver
    from textual.geometry import Size
    from textual.widget import Widget
    from textual.widgets._footer import FooterKey as FooterKey  # others name the type too
    from textual_hires_canvas import Canvas

CHECKED = {"textual": "8.2.8", "textual-hires-canvas": "0.14.0"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

# ---- argparse, which has no words, no groups of commands and no list of its arguments for others

Subparsers: TypeAlias = "argparse._SubParsersAction[Any]"
Container: TypeAlias = argparse._ActionsContainer  # a parser or a group of one


def speak(gettext: Callable[[str], str], ngettext: Callable[[str, str, int], str]) -> None:
    """Let argparse take its words from these: it would ask for the locale's language."""
    argparse._ = gettext  # type: ignore[attr-defined]
    argparse.ngettext = ngettext  # type: ignore[attr-defined]


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """All arguments of a parser, in their order."""
    return parser._actions


def listed(commands: Subparsers) -> list[argparse.Action]:
    """What stands in a parser's help for each of its commands; `dest` is the command's name."""
    return commands._choices_actions


def commands(argument: argparse.Action) -> list[tuple[argparse.Action, Any]]:
    """The commands below: what stands in the help, and the parser. Other arguments have none."""
    if not isinstance(argument, argparse._SubParsersAction):
        return []
    return [(each, argument.choices[each.dest]) for each in listed(argument)]


def usage(parser: argparse.ArgumentParser) -> argparse.HelpFormatter:
    """Begin a parser's help with its usage, as its own `format_help` does."""
    formatter = parser._get_formatter()
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    return formatter


class Commands(argparse.ArgumentParser):
    """Lets a parser say itself that there is no such command: `unknown` gives the sentence."""

    def unknown(self, word: str, commands: Iterable[str]) -> str:
        raise NotImplementedError

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            raise argparse.ArgumentError(None, self.unknown(value, action.choices))
        super()._check_value(action, value)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # Of `--to=--` Python 3.11 takes the -- away and hands on an empty list for a text.
        if action.option_strings and action.nargs is None and arg_strings == ["--"]:
            said = argparse._("expected one argument")  # type: ignore[attr-defined]  # not translated: here
            raise argparse.ArgumentError(action, said)
        return super()._get_values(action, arg_strings)


class Layout(argparse.HelpFormatter):
    """Wraps paragraphs, but leaves those that have lines of their own as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.split("\n\n")
        return "\n\n".join(
            textwrap.indent(part, indent)
            if "\n" in part
            else textwrap.fill(part, width, initial_indent=indent, subsequent_indent=indent)
            for part in parts
        )


# ---- Textual, whose footer has its keys in a class that is not exported


def footer_keys(composed: Iterable[Widget]) -> list[FooterKey]:
    """The keys among what a footer is composed of."""
    from textual.widgets._footer import FooterKey

    return [each for each in composed if isinstance(each, FooterKey)]


def write(app: App[Any], sequence: str) -> None:
    """Write an escape sequence between two of the app's own frames, as its clipboard does."""
    if app._driver is not None:
        app._driver.write(sequence)


def footer_key_width(key: FooterKey) -> int:
    """In cells, with the spaces that Textual puts around key and description."""
    from rich.cells import cell_len

    return cell_len(f" {key.key_display} {key.description} ")


def spare(app: App[Any], spared: Callable[[Exception], bool]) -> None:
    """Let the app go on where `spared` says so of an error; Textual ends it at any, a thread's too.

    Of an error in a thread it is told as textual.worker.WorkerFailed. One in the handler of a
    message would also end the handling of messages by that widget, so it is caught before.
    """
    from textual.message_pump import MessagePump

    end = app._handle_exception
    app._handle_exception = (  # type: ignore[method-assign]
        lambda error: None if spared(error) else end(error)
    )
    dispatch: Any = getattr(MessagePump._dispatch_message, "__wrapped__", None)
    dispatch = dispatch or MessagePump._dispatch_message

    @functools.wraps(dispatch)
    async def guarded(pump: MessagePump, message: object) -> None:
        try:
            await dispatch(pump, message)
        except Exception as error:
            if pump.app is not app or not spared(error):
                raise

    MessagePump._dispatch_message = guarded  # type: ignore[method-assign, assignment]


# A space behind a number and before a word; between the parts of a duration, and of `5.0 of 10.7`.
_HELD = re.compile(r"(?<=\d) (?=[^\W\d_])|(?<=\d h) (?=\d+ min)|(?<=\d [^\W\d_]{2}) (?=\d)")


def keep_figures_whole() -> None:
    """Let no line end between a number and what it counts: `4 h 30 min` stays on one.

    Textual breaks lines at every space, a no-break space among them. So those that are to stay are
    shown as letters to what looks for the breaks, which gives only their places.
    """
    from textual import content

    divide: Callable[..., list[int]] = content.divide_line  # type: ignore[attr-defined]

    def divided(text: str, width: int, fold: bool = True) -> list[int]:
        return divide(_HELD.sub("_", text), width, fold)

    content.divide_line = divided  # type: ignore[attr-defined]


def in_turn(driver: type[Driver]) -> type[Driver]:
    """Let a driver for terminals take SIGTSTP and SIGCONT one after the other.

    Textual begins anew at each SIGCONT, within whatever it is at: a second thread reads the keys,
    and the terminal's raw settings are taken for those that it had.
    """
    if not hasattr(driver, "_sigcont_application"):
        return driver
    import asyncio

    base: Any = driver

    class InTurn(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._asked: deque[int] = deque()
            self._busy = self._drawing = False
            self._raw: list[Any] | None = None
            self._loop: Any = None
            super().__init__(*args, **kwargs)

        def start_application_mode(self) -> None:
            self._loop = asyncio.get_running_loop()
            with self._alone():
                before = self._key_thread
                super().start_application_mode()
                self._drawing = self._key_thread is not before  # not in the background
                self._raw = self._settings()

        def stop_application_mode(self) -> None:
            with self._alone():
                self._drawing = False
                super().stop_application_mode()

        def _sigtstp_application(self, *_: object) -> None:
            self._ask(signal.SIGTSTP)

        def _sigcont_application(self, *_: object) -> None:
            self._ask(signal.SIGCONT)

        def _ask(self, number: int) -> None:
            # In the loop: what a signal breaks into may hold the lock of what is written.
            self._asked.append(number)
            if self._loop is None:
                self._take()
            elif not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._take)

        def _take(self) -> None:
            if not self._busy:
                with self._alone():
                    pass

        @contextmanager
        def _alone(self) -> Iterator[None]:
            """Do something; what is asked for meanwhile is done after it."""
            outer, self._busy = self._busy, True
            try:
                yield
                while self._asked and not outer:
                    self._do(self._asked.popleft())
            finally:
                self._busy = outer

        def _do(self, number: int) -> None:
            if number == signal.SIGTSTP:
                if self._auto_restart and self._drawing:
                    self.suspend_application_mode()
                    self._must_signal_resume = True
                if signal.SIGCONT not in self._asked:
                    os.kill(os.getpid(), signal.SIGSTOP)
            elif self._auto_restart and self._must_signal_resume and not self._drawing:
                self.resume_application_mode()
            elif self._auto_restart and self._drawing and self._settings() != self._raw:
                self.suspend_application_mode()  # after a SIGSTOP, from which a shell sets it back
                self._must_signal_resume = True
                self.resume_application_mode()

        def _settings(self) -> list[Any] | None:
            with contextlib.suppress(termios.error):
                return termios.tcgetattr(self.fileno)
            return None

    return InTurn


# ---- textual-hires-canvas, which sets single dots and is slow at many


@contextmanager
def unpainted(canvas: Canvas) -> Iterator[None]:
    """Keep a canvas from being painted meanwhile; its `batch_refresh` paints all of it at last."""
    canvas._refreshes_pending += 1
    try:
        yield
    finally:
        canvas._refreshes_pending -= 1


def cells(canvas: Canvas) -> tuple[Size, list[list[str]], list[list[str]]]:
    """How large a canvas is, and its characters and styles by row, to be written into."""
    return canvas._canvas_size, canvas._buffer, canvas._styles
