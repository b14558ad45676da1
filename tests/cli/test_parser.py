"""The command line as it is declared: each command there is, explained, with examples that hold."""

from __future__ import annotations

import argparse
import itertools
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from farense_tui import compat
from farense_tui.cli import own_data
from farense_tui.cli.parser import build
from farense_tui.cli.parser.program import Command
from farense_tui.engine.profiles import catalogue


def commands(
    parser: argparse.ArgumentParser | None = None, name: str = ""
) -> Iterator[tuple[str, Command]]:
    """Every command with its full name."""
    for action in compat.arguments(parser or build()):
        for listed, below in compat.commands(action):
            yield f"{name}{listed.dest}", below
            yield from commands(below, f"{name}{listed.dest} ")


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
        for action in compat.arguments(ALL[name])
        if not compat.commands(action) and not action.help
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


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "data" / "README.md"])


def typed(path: Path, program: str) -> Iterator[list[str]]:
    """The words after `program` of each command on a page: in its blocks, and within its lines.

    A summary of what a command takes (with brackets or dots) is no command.
    """
    text = re.sub(r"\\\n +", "", path.read_text(encoding="utf-8"))
    fenced = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    indented = "\n".join(re.findall(r"^    (.*)$", text, re.MULTILINE))
    block = re.findall(rf"^(?:\$ )?{program} (.*)$", f"{fenced}\n{indented}", re.MULTILINE)
    within = re.findall(rf"`{program} ([^`\n]*)`", text)
    for command in [*block, *within]:
        if not re.search(r"\.\.\.|[\[\]{{}}]|\||  +\S", command.split(" # ")[0].strip()):
            yield [*itertools.takewhile(">".__ne__, shlex.split(command, comments=True))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_in_the_docs_are_taken(path: Path) -> None:
    program = build()
    for words in typed(path, "farense-tui"):
        if " ".join(words) not in ALL:  # the name of a command, without what it wants
            program.parse_args(own_data(words, program.commands.choices)[1])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_the_docs_ask_of_make_and_mlx_lm_is_there(path: Path) -> None:
    from mlx_lm.generate import setup_arg_parser  # imports transformers

    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in typed(path, "make"):
        assert {word for word in words if "=" not in word} <= targets, words
    for words in typed(path, r"mlx_lm\.generate"):
        setup_arg_parser().parse_args(words)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_scripts_and_modules_that_the_docs_start_are_there(path: Path) -> None:
    for words in typed(path, "python"):
        if "-m" in words[:-1]:
            assert find_spec(words[words.index("-m") + 1]), words
        elif not words[0].startswith(("-", "llama.cpp/")):
            assert (ROOT / words[0]).exists(), words


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_the_docs_ask_of_the_hub_s_client_is_taken(path: Path) -> None:
    from huggingface_hub.cli.hf import app

    for words in typed(path, "hf"):
        command: Any = app
        context = None
        while hasattr(command, "resolve_command"):
            context = command.make_context("hf", [], parent=context, resilient_parsing=True)
            _, command, words = command.resolve_command(context, words)
        command.make_context("hf", words, parent=context)


def test_commands_are_found() -> None:
    found = [words[0] for words in typed(ROOT / "README.md", "farense-tui") if words]
    assert {"~/my-data", "data", "train", "ask", "evaluate", "serve", "export"} <= set(found)
    (words,) = typed(ROOT / "README.md", r"mlx_lm\.generate")
    assert words[-1] == "A question?"


def test_the_commands_of_the_workflow_are_taken() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    lines = [
        line.strip()
        for job in jobs.values()
        for step in job["steps"]
        for line in step.get("run", "").splitlines()
    ]
    ours = [line for line in lines if line.startswith("farense-tui ") and "--version" not in line]
    assert len(ours) >= 10
    for line in ours:
        words = shlex.split(line)[1:]
        build().parse_args([*itertools.takewhile(lambda word: word not in "|>", words)])
    scripts = [word for line in lines for word in line.split() if word.startswith("scripts/")]
    assert scripts
    assert [script for script in scripts if not (ROOT / script).exists()] == []


@pytest.mark.parametrize(
    ("words", "left", "is_data"),
    [
        ([], [], False),
        (["."], [], True),
        (["--ascii", "data"], ["--ascii"], True),
        (["./data", "--runs-dir", "r", "--ascii"], ["--runs-dir", "r", "--ascii"], True),
        (["--runs-dir", "runs", "."], ["--runs-dir", "runs"], True),  # a folder of that name
        ([".", "runs"], [".", "runs"], False),  # the parser says that it is none
        (["./absent"], [], True),  # told to be absent, not to be no command
        (["runs"], ["runs"], False),
        (["runz"], ["runz"], False),
        (["data", "check", "."], ["data", "check", "."], False),
        (["--runs-dir", "."], ["--runs-dir", "."], False),
    ],
)
def test_a_folder_is_what_the_app_opens_on(
    words: list[str],
    left: list[str],
    is_data: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    known = {"runs", "data"} if words[:1] != ["--ascii"] else {"runs"}
    path, rest = own_data(words, known)
    assert rest == left
    assert path.startswith(str(tmp_path)) == is_data


def test_a_folder_beside_a_command_is_not_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()
    for words in (["./rows", "train"], ["rows", "train"]):
        with pytest.raises(SystemExit) as ended:
            build().parse_args(own_data(words, build().commands.choices)[1])
        assert ended.value.code == 2
        assert f"{words[0]} is a folder, no command" in capsys.readouterr().err
