"""The command line as it is declared: each command there is, explained, with examples that hold."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from importlib import import_module

import pytest

from farense_tui.cli.parser import build
from farense_tui.cli.parser.program import Command
from farense_tui.engine import profiles


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
PROFILES = [each.name for each in profiles.find()]


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
