"""The command line as it is declared: each command there is, explained, with examples that hold."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from farense_tui.cli.parser import build
from farense_tui.cli.parser.program import Command
from farense_tui.engine.profiles import catalogue


def commands(
    parser: argparse.ArgumentParser | None = None, name: str = ""
) -> Iterator[tuple[str, Command]]:
    """Every command with its full name."""
    for action in (parser or build())._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield f"{name}{word}", below
                yield from commands(below, f"{name}{word} ")


ALL = dict(commands())
PROFILES = [each.name for each in catalogue.find()]


@pytest.mark.parametrize("name", ALL)
def test_a_command_is_there(name: str) -> None:
    module, function = ALL[name].get_default("command").split(":")
    assert callable(getattr(import_module(f"farense_tui.cli.{module}"), function))


@pytest.mark.parametrize("name", ALL)
def test_every_argument_is_explained(name: str) -> None:
    unexplained = [
        action.dest
        for action in ALL[name]._actions
        if not isinstance(action, argparse._SubParsersAction) and not action.help
    ]
    assert unexplained == []


@pytest.mark.parametrize("name", ALL)
def test_the_examples_are_taken(name: str) -> None:
    assert ALL[name].examples
    for example in ALL[name].examples:
        program, *words = shlex.split(example)
        assert program == "farense-tui"
        assert " ".join(words).startswith(name)
        given = build().parse_args(words[: words.index(">")] if ">" in words else words)
        assert getattr(given, "profile", None) in (None, *PROFILES)


def test_every_command_is_in_the_help_under_a_title() -> None:
    program = build()
    listed = [action.dest for group in program.groups for action in group.commands]
    assert sorted(listed) == sorted(name for name in ALL if " " not in name)
    text = program.format_help()
    places = [text.index(f"\n{group.title}:") for group in program.groups]
    assert places == sorted(places)


def test_words_stand_before_and_after_options() -> None:
    given = build().parse_args(["ask", "one", "two", "--temperature", "0.7", "Who?", "--seed", "3"])
    assert (given.words, given.temperature, given.seed) == (["one", "two", "Who?"], 0.7, 3)
    given = build().parse_args(["evaluate", "one", "--rows", "5", "two", "--runs-dir", "x"])
    assert (given.runs, given.rows, given.runs_dir) == (["one", "two"], 5, "x")
    with pytest.raises(SystemExit):
        build().parse_args(["ask", "--seed", "3"])


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "path", [*ROOT.glob("docs/*.md"), ROOT / "README.md"], ids=lambda path: path.name
)
def test_the_commands_in_the_docs_are_taken(path: Path) -> None:
    """Those that are shown as typed, after a `$`."""
    for line in path.read_text(encoding="utf-8").splitlines():
        command = line.strip().removeprefix("$ ")
        if line.strip().startswith("$ farense-tui ") and "..." not in command:
            words = shlex.split(command, comments=True)[1:]
            build().parse_args(words[: words.index("|")] if "|" in words else words)
