"""Writes a manual page: the man macros of roff, which both groff and mandoc read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from farense_tui import __version__

Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Entry:
    """A command as the reference tells it."""

    name: str
    usage: str
    about: str
    arguments: list[tuple[str, str]]
    alone: list[str]
    examples: tuple[str, ...]


def page(
    *,
    about: str,
    options: Rows,
    chapters: Sequence[tuple[str, Sequence[Entry]]],
    exits: Rows,
    environment: Rows,
    files: Rows,
) -> str:
    lines = [
        f'.TH FARENSE\\-TUI 1 "" "farense\\-tui {__version__}" "User Commands"',
        *section("NAME", "farense-tui - fine-tune language models with Apple's MLX in a terminal"),
        ".SH SYNOPSIS",
        ".B farense\\-tui",
        "[\\fIOPTIONS\\fR] [\\fICOMMAND\\fR ...]",
        *section("DESCRIPTION", about),
        ".SH OPTIONS",
        *items(options),
    ]
    for title, commands in chapters:
        lines.append(f".SH {title.upper()}")
        for each in commands:
            lines += entry(each)
    for title, rows in (("EXIT STATUS", exits), ("ENVIRONMENT", environment), ("FILES", files)):
        lines += [f".SH {title}", *items(rows)]
    return "\n".join(lines) + "\n"


def section(title: str, text: str) -> list[str]:
    """Write a section of one paragraph."""
    return [f".SH {title}", said(text)]


def entry(each: Entry) -> list[str]:
    lines = [f".SS {escaped(each.name)}", f".B {escaped(each.usage)}", ".PP", said(each.about)]
    lines += items(each.arguments)
    lines += [f".PP\n{said(f'Of {group} at most one is taken.')}" for group in each.alone]
    return [*lines, ".PP", ".EX", *(escaped(f"$ {example}") for example in each.examples), ".EE"]


def items(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Write a list of names with their meanings."""
    return [line for name, text in rows for line in (".TP", f".B {escaped(name)}", said(text))]


def said(text: str) -> str:
    """Write a paragraph; what stands between backticks is bold."""
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fR", escaped(text))


def escaped(text: str) -> str:
    """Keep what roff would act on: backslashes, and a dot or quote that begins a line."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return f"\\&{text}" if text.startswith((".", "'")) else text
