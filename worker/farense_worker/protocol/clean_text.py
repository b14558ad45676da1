"""Text from data, logs, models and file names, made safe to show."""

from __future__ import annotations

import unicodedata

_MARK = "\N{REPLACEMENT CHARACTER}"
# Cc: control characters, the ones that begin an escape code among them. Cf: what cannot be seen,
# such as marks that turn the direction of reading. Cs: half of a pair, which UTF-8 cannot carry.
_UNSAFE = {"Cc": _MARK, "Cf": "", "Cs": _MARK, "Zl": " ", "Zp": " "}


def printable(text: str) -> str:
    """Give the text, its lines as they are, without what a terminal could take for a command."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char == "\n" else _UNSAFE.get(unicodedata.category(char), char) for char in text
    )


def clean(text: str) -> str:
    """Give the text as one line without anything that a terminal could take for a command."""
    return printable(" ".join(text.split()))


def clean_lines(text: str) -> list[str]:
    """Clean line by line."""
    return [clean(line) for line in text.splitlines()]
