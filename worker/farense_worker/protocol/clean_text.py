"""Text from data, logs, models and file names, made safe to show."""

from __future__ import annotations

import re
import unicodedata

_MARK = "\N{REPLACEMENT CHARACTER}"
# Cc: control characters, the ones that begin an escape code among them. Cf: what cannot be seen,
# such as marks that turn the direction of reading. Cs: half of a pair, which UTF-8 cannot carry.
_UNSAFE = {"Cc": _MARK, "Cf": "", "Cs": _MARK, "Zl": " ", "Zp": " "}

# Marks over and under a letter: no script has more than a few, and a thousand of them draw over
# the lines around.
_MARKS = "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u06d6-\u06dc"
_MARKS += "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0f71-\u0f84\u1ab0-\u1aff\u1dc0-\u1dff"
_MARKS += "\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef"
_FLOOD = re.compile(f"([{_MARKS}]{{8}})[{_MARKS}]+")


def dammed(text: str) -> str:
    """Give the text with eight marks at most on one letter."""
    return text if text.isascii() else _FLOOD.sub(r"\1", text)


def printable(text: str) -> str:
    """Give the text, its lines as they are, without what a terminal could take for a command."""
    if text.isascii() and text.isprintable():
        return text
    made = (c if c == "\n" else _UNSAFE.get(unicodedata.category(c), c) for c in text)
    return dammed("".join(made))


def clean(text: str) -> str:
    """Give the text as one line without anything that a terminal could take for a command."""
    return printable(" ".join(text.split()))


def written_lines(text: str) -> list[str]:
    """Clean line by line, spaces and tabs as they are: they belong to what was written, as code."""
    return ["\t".join(map(printable, line.split("\t"))) for line in text.splitlines()]


def clean_lines(text: str) -> list[str]:
    """Clean line by line."""
    return [clean(line) for line in text.splitlines()]
