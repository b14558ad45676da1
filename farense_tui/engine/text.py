"""Text from data, logs and models, made safe to show."""

from __future__ import annotations

import unicodedata

_MARK = "�"
# Cc: control characters, the ones that begin an escape code among them. Cf: what cannot be seen,
# such as marks that turn the direction of reading. Cs: half of a pair, which UTF-8 cannot carry.
_UNSAFE = {"Cc": _MARK, "Cf": "", "Cs": _MARK, "Zl": " ", "Zp": " "}


def clean(text: str) -> str:
    """Give the text as one line without anything that a terminal could take for a command."""
    text = " ".join(text.split())
    if text.isascii() and text.isprintable():
        return text
    return "".join(_UNSAFE.get(unicodedata.category(char), char) for char in text)


def clean_lines(text: str) -> list[str]:
    """Clean line by line."""
    return [clean(line) for line in text.splitlines()]
