"""Write docs/commands.md and docs/farense-tui.1 from the command line's parser.

    python scripts/make_commands.py           writes them
    python scripts/make_commands.py --check   exit code 1 if they are not what the code says

The manual page travels in the wheel (pyproject.toml, shared-data): `man farense-tui` finds it
wherever pipx and packagers put it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from farense_worker.protocol import language
from farense_worker.protocol.errors import ExitCode
from man_page import Entry, page

from farense_tui.cli.parser import build
from farense_tui.cli.parser.program import Command, Program
from farense_tui.compat import arguments
from farense_tui.compat import commands as commands_of

ROOT = Path(__file__).resolve().parent.parent
MARKDOWN = ROOT / "docs" / "commands.md"
MAN = ROOT / "docs" / "farense-tui.1"

EXIT_CODES = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "it failed while it ran, or its worker was killed",
    ExitCode.USAGE: "the command line cannot be understood",
    ExitCode.REFUSED: "refused before the start: bad data, a wrong profile, a run that is taken; "
    "of `doctor`: a run could not start",
    ExitCode.STOPPED: "stopped by the user, with what was done saved",
}

ENVIRONMENT = {
    "FARENSE_RUNS": "where runs are kept, if --runs-dir does not say; default: ./checkpoints",
    "FARENSE_MODELS": "a folder with models to list, besides ./models and Hugging Face's cache",
    "FARENSE_CACHE": "where tokens, checks and first validations are kept for the next run, or "
    "`off`; default: ~/Library/Caches/farense-tui on a Mac, else farense-tui in $XDG_CACHE_HOME or "
    "~/.cache",
    "FARENSE_LANG": "language of the app and of the command line, `en` or `pt`, as --lang sets it; "
    "default: the locale's",
    "FARENSE_ASCII": "`1` draws with ASCII alone, `0` never does; default: where the locale or the "
    "console knows no braille",
    "FARENSE_BLAS": "a BLAS library for MLX's CPU build on Linux, or `off`; default: an OpenBLAS "
    "or MKL that is found",
    "OPENBLAS_NUM_THREADS": "threads of OpenBLAS, if it is used",
    "NO_COLOR": "shows greys, and begins with the theme of high contrast",
    "HF_HOME": "Hugging Face's folder; models lie in its `hub`; default: ~/.cache/huggingface",
    "HF_HUB_CACHE": "the models' folder itself; default: $HF_HOME/hub",
    "HF_ENDPOINT": "another hub to download from",
    "HF_TOKEN": "the token for gated repositories",
    "HF_HUB_OFFLINE": "`1`: nothing is asked of the hub",
    "XDG_CONFIG_HOME": "the app's preferences are kept in its `farense-tui`; default: ~/.config",
}

FILES = {
    "./checkpoints/RUN": "a run: its configuration, record, checkpoints, adapter and report",
    "./profiles/*.toml": "your own profiles; one hides a built-in one of the same name",
    "./models/*": "models of your own",
    "~/.config/farense-tui/preferences.toml": "theme, notifications and the like",
}


def main() -> int:
    """Write or check; the exit code."""
    if language.spoken() != language.ENGLISH:
        sys.exit("the docs are in English: FARENSE_LANG=en python scripts/make_commands.py")
    os.environ["COLUMNS"] = "80"
    program = build()
    made = {MARKDOWN: markdown(program), MAN: man(program)}
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" not in sys.argv:
        for path in stale:
            path.write_text(made[path], encoding="utf-8")
            print(f"{path.relative_to(ROOT)} is written")
        return 0
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not up to date: python scripts/make_commands.py")
    return int(bool(stale))


# ---- what there is to tell -------------------------------------------------------------------


def chapters(program: Program) -> list[tuple[str, list[Entry]]]:
    """Give each group's title with its commands, the ones below a command after it."""
    subcommands = program.commands.choices
    return [
        (group.title, [e for action in group.commands for e in entries(subcommands, action.dest)])
        for group in program.groups
    ]


def entries(commands: Mapping[str, Command], name: str, above: str = "") -> Iterable[Entry]:
    """Give a command, and those below it."""
    command = commands[name]
    below = [each for each in arguments(command) if commands_of(each)]
    if not any(each.required for each in below):  # else it is none by itself
        yield entry(f"{above}{name}", command)
    for each in below:
        parsers = {listed.dest: parser for listed, parser in commands_of(each)}
        for word in parsers:
            yield from entries(parsers, word, f"{above}{name} ")


def entry(name: str, command: Command) -> Entry:
    """Read a command off its parser."""
    shared = {each.dest for each in command_options()} | {"help"}
    own = [each for each in arguments(command) if each.dest not in shared and not commands_of(each)]
    positional = [each for each in own if not each.option_strings]
    options = [each for each in own if each.option_strings]
    required = [spelt(each) for each in options if each.required]
    words = [f"farense-tui {name}", "[OPTIONS]", *required, *map(placed, positional)]
    return Entry(
        name,
        " ".join(words),
        command.description or "",
        [(spelt(each), meaning(each)) for each in [*positional, *options]],
        [
            " and ".join(each.option_strings[0] for each in group._group_actions)
            for group in command._mutually_exclusive_groups
        ],
        command.examples,
    )


def command_options() -> list[argparse.Action]:
    return [each for each in arguments(build().common[0]) if each.option_strings]


def spelt(action: argparse.Action) -> str:
    """`--rows N`, `--json`, `RUN`."""
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    value = str(action.metavar or choices or action.dest.upper())
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def placed(action: argparse.Action) -> str:
    """`RUN`, `[SHELL]`, `RUN [RUN ...]`, as a usage line has it."""
    word = spelt(action)
    if action.nargs == "?":
        return f"[{word}]"
    return f"{word} [{word} ...]" if action.nargs == "+" and "[" not in word else word


def meaning(action: argparse.Action) -> str:
    return (action.help or "") % {"prog": "farense-tui"}


# What so many commands take, in the same words, is explained once.
_SHARED = 3


# ---- docs/commands.md ------------------------------------------------------------------------


def markdown(program: Program) -> str:
    """Write the reference as a page of the docs."""
    parts = [
        "# Commands",
        "Made from the parser by `scripts/make_commands.py`; `man farense-tui` tells the same.",
        program.description or "",
        "    farense-tui [OPTIONS] [COMMAND ...]",
        "Every command takes these options, before or after its name:",
        table((spelt(each), meaning(each)) for each in command_options()),
        "Where a command takes these and says nothing else, they mean:",
    ]
    found = chapters(program)
    counted = Counter(row for _, each in found for entry in each for row in entry.arguments)
    shared = [row for row, n in counted.items() if n >= _SHARED and row[0].startswith("--")]
    parts.append(table(shared))
    for title, commands in found:
        parts.append(f"## {title[0].upper()}{title[1:]}")
        for each in commands:
            parts += section(each, shared)
    exits = ((str(int(code)), said) for code, said in EXIT_CODES.items())
    parts += ["## Exit codes", table(exits, "code", code=False)]
    parts += ["## Environment", table(ENVIRONMENT.items(), "variable")]
    parts += ["## Files", table(FILES.items(), "path")]
    return "\n\n".join(parts) + "\n"


def section(each: Entry, shared: list[tuple[str, str]]) -> list[str]:
    """Write what a command is, what it alone takes, and the names of what others take too."""
    parts = [f"### {each.name}", each.about, f"    {each.usage}"]
    own = [row for row in each.arguments if row not in shared]
    if own:
        parts.append(table(own))
    if also := [f"`{name}`" for name, said in each.arguments if (name, said) in shared]:
        parts.append(f"{'Also' if own else 'It takes'} {', '.join(also)}.")
    parts += [f"Of {group} at most one is taken." for group in each.alone]
    if each.name == "demo":
        parts.append("The scenarios are listed in [monitor.md](monitor.md#trying-it-out).")
    return [*parts, "\n".join(["```sh", *each.examples, "```"])]


def table(rows: Iterable[tuple[str, str]], head: str = "argument", *, code: bool = True) -> str:
    """Write a table of two columns."""
    lines = [f"| {head} | meaning |", "| --- | --- |"]
    for name, said in rows:
        name, said = name.replace("|", "\\|"), said.replace("|", "\\|")
        lines.append(f"| {f'`{name}`' if code else name} | {said} |")
    return "\n".join(lines)


# ---- docs/farense-tui.1 ----------------------------------------------------------------------


def man(program: Program) -> str:
    """Write the reference as a manual page."""
    return page(
        about=program.description or "",
        options=[
            (spelt(each), meaning(each)) for each in arguments(program) if each.option_strings
        ],
        chapters=chapters(program),
        exits=[(str(int(code)), said) for code, said in EXIT_CODES.items()],
        environment=list(ENVIRONMENT.items()),
        files=list(FILES.items()),
    )


if __name__ == "__main__":
    sys.exit(main())
