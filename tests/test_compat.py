"""What the app uses of other packages' insides is still what it was; a failure says what is not."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path

import pytest
from textual import work
from textual.app import App, ComposeResult
from textual.content import Content
from textual.drivers.linux_driver import LinuxDriver
from textual.widgets import Footer
from textual.worker import WorkerFailed
from textual_hires_canvas import Canvas

from farense_tui import compat
from farense_tui.cli.parser import build
from tests.ui.waiting import until

ROOT = Path(__file__).parents[1]
PYTHON = f"argparse of Python {sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize("package", compat.CHECKED)
def test_the_versions_are_those_that_were_looked_at(package: str) -> None:
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M))
    assert compat.CHECKED[package] == pins[package], (
        f"constraints.txt has {package} {pins[package]}: look whether the insides that compat.py "
        f"uses are as in {compat.CHECKED[package]}, then write {pins[package]} into its CHECKED"
    )


def test_the_python_is_one_that_was_looked_at() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert version in compat.PYTHONS, f"look at {PYTHON}, then write it into compat.PYTHONS"


def test_argparse_takes_its_words_where_it_is_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    source = inspect.getsource(argparse)
    imported = re.search(r"^from gettext import (.*)$", source, re.M)
    assert imported, f"{PYTHON} does not import its words from gettext"
    assert imported[1] == "gettext as _, ngettext", f"{PYTHON} names them {imported[1]}"


def test_argparse_keeps_commands_and_arguments_where_they_were() -> None:
    program = build()
    arguments = compat.arguments(program)
    assert any(each.dest == "version" for each in arguments), f"{PYTHON}: no _actions"
    (commands,) = filter(None, map(compat.commands, arguments))
    listed, parser = commands[0]
    assert listed.help, f"{PYTHON}: _choices_actions do not tell what a command is for"
    assert parser.prog == f"farense-tui {listed.dest}"
    assert compat.usage(program).format_help().startswith("usage: farense-tui")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("so long: 4 h 30 min in all", ["so long:", "4 h 30 min", "in all"]),
        ("of all the 12 rows there", ["of all the", "12 rows", "there"]),
        ("up to 5 of 10 GiB: fits", ["up to", "5 of 10 GiB:", "fits"]),
        ("1 2 3 4 5 6 7 8", ["1 2 3 4 5 6", "7 8"]),
    ],
)
def test_no_line_ends_between_a_number_and_what_it_counts(text: str, lines: list[str]) -> None:
    import farense_tui.ui  # noqa: F401 - which sees to it

    assert [line.plain for line in Content(text).wrap(12)] == lines, (
        "Textual breaks lines otherwise"
    )


async def test_textual_asks_one_method_whether_an_error_ends_the_app() -> None:
    told: list[Exception] = []

    class Failing(App[None]):
        @work(thread=True)
        def fail(self) -> None:
            raise PermissionError("x")

    app = Failing()

    def spared(error: Exception) -> bool:
        told.append(error)
        return True

    compat.spare(app, spared)
    async with app.run_test() as pilot:
        app.fail()
        await until(pilot, lambda: told)
        assert app.is_running, "Textual does not ask App._handle_exception what ends the app"
    assert isinstance(told[0], WorkerFailed)
    assert isinstance(told[0].error, PermissionError)


async def test_textual_hands_a_message_over_by_one_method() -> None:
    class Failing(App[None]):
        calls = 0

        def on_key(self) -> None:
            self.calls += 1
            raise ValueError("x")

    told: list[Exception] = []
    app = Failing()

    def spared(error: Exception) -> bool:
        told.append(error)
        return True

    compat.spare(app, spared)
    async with app.run_test() as pilot:
        await pilot.press("a", "b")
        assert app.calls == 2, "Textual does not call MessagePump._dispatch_message"
    assert [str(error) for error in told] == ["x", "x"]


def test_argparse_fills_paragraphs_by_one_method() -> None:
    assert hasattr(argparse.HelpFormatter, "_fill_text"), f"{PYTHON} has no _fill_text"
    said = f"{PYTHON} does not wrap by _fill_text: examples run into one line"
    assert compat.Layout("x")._fill_text("a b\n  c", 80, "") == "a b\n  c", said


def test_a_canvas_is_written_into() -> None:
    canvas = Canvas(4, 2)
    size, characters, styles = compat.cells(canvas)
    assert size == (4, 2), "textual-hires-canvas keeps its size elsewhere"
    characters[1][3], styles[1][3] = "x", "red"
    assert canvas.get_pixel(3, 1) == ("x", "red"), "textual-hires-canvas draws from elsewhere"


def test_a_canvas_is_not_painted_while_it_is_told_so() -> None:
    canvas = Canvas(4, 2)
    painted: list[None] = []
    canvas._set_dirty = lambda *_: painted.append(None)  # type: ignore[method-assign]
    with compat.unpainted(canvas):
        canvas.set_pixel(0, 0)
    assert not painted, "textual-hires-canvas counts what waits to be painted elsewhere"


async def test_a_footer_has_its_keys() -> None:
    class Small(App[None]):
        BINDINGS = [("f", "bell", "Ring")]  # noqa: RUF012

        def compose(self) -> ComposeResult:
            yield Footer(show_command_palette=False)

    async with Small().run_test() as pilot:
        await until(pilot, lambda: any(each.size.width for each in pilot.app.query("Footer *")))
        keys = compat.footer_keys(pilot.app.query("*"))
        assert [key.description for key in keys] == ["Ring"], "Footer is not of FooterKey any more"
        width = compat.footer_key_width(keys[0])
        assert keys[0].size.width == width, "FooterKey has another padding"


def test_textual_stops_and_goes_on_by_what_is_replaced() -> None:
    source = inspect.getsource(LinuxDriver)
    for part in (
        "signal.signal(signal.SIGTSTP, self._sigtstp_application)",
        "signal.signal(signal.SIGCONT, self._sigcont_application)",
        "if self._auto_restart:\n            self.suspend_application_mode()",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "self._key_thread = Thread(",
        "if self._must_signal_resume:\n            self._must_signal_resume = False",
    ):
        assert part in source, f"Textual's driver has not: {part}"
