"""A language in which every letter of a marked string is strange: what is still read is unmarked.

A plugin of pytest, because it has to be there before a module looks its strings up.
"""

from __future__ import annotations

import gettext
import re

from farense_worker.protocol import language

_FIELD = re.compile(r"(\{[^{}]*\})")
LETTER = "ж"


def estrange(message: str) -> str:
    """Replace the letters, but for the names of fields in braces; as wide as it was."""
    parts = _FIELD.split(message)
    return "".join(
        part if at % 2 else re.sub(r"[A-Za-z]", LETTER, part) for at, part in enumerate(parts)
    )


class Strange(gettext.NullTranslations):
    """Says everything in it."""

    def gettext(self, message: str) -> str:
        return estrange(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return estrange(msgid1 if n == 1 else msgid2)

    def pgettext(self, context: str, message: str) -> str:
        return estrange(message)


language.translations = Strange  # type: ignore[assignment]
