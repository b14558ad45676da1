"""The language of what is said to the user: gettext, with the English that stands in the code.

`FARENSE_LANG` decides; without it the locale does (LANGUAGE, LC_ALL, LC_MESSAGES, LANG). It is read
once, before anything is said: many strings are looked up while their module is imported. The
worker inherits it from who starts it.

Figures are written alike in all languages (0.1234), as MLX and the files of a run write them.
"""

from __future__ import annotations

import gettext as _gettext
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

DOMAIN = "farense-tui"
FOLDER = Path(__file__).parent / "locale"
ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "pt": "português europeu"}  # not translated: each by its own name
_VARIABLE = "FARENSE_LANG"


def choose(arguments: Sequence[str]) -> None:
    """Take the value of `--lang`, wherever it stands; the command line checks it later."""
    for at, argument in enumerate(arguments):
        name, sign, value = argument.partition("=")
        if name.startswith("--l") and "--lang".startswith(name):  # argparse takes --la as well
            os.environ[_VARIABLE] = value if sign else "".join(arguments[at + 1 : at + 2])


def known(language: str) -> str | None:
    """Find the one of LANGUAGES that `pt`, `pt_PT.UTF-8` or `pt-BR` means, if there is one."""
    code = language.replace("-", "_").partition("_")[0].partition(".")[0].lower()
    code = ENGLISH if code in ("c", "posix") else code
    return code if code in LANGUAGES else None


def spoken() -> str:
    """The one of LANGUAGES that was chosen; English if what was chosen is none of them."""
    if given := os.environ.get(_VARIABLE):
        return known(given) or ENGLISH
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if given := os.environ.get(variable):
            return next(filter(None, map(known, given.split(":"))), ENGLISH)
    return ENGLISH


@cache
def translations() -> _gettext.NullTranslations:
    """Load the strings of the language that is spoken."""
    if spoken() == ENGLISH:
        return _gettext.NullTranslations()
    return _gettext.translation(DOMAIN, FOLDER, [spoken()], fallback=True)


def gettext(message: str) -> str:
    """Say `message` in the user's language."""
    return translations().gettext(message) if message else ""


def ngettext(one: str, many: str, count: float) -> str:
    """Say `one` or `many`, whichever `count` asks for in that language."""
    return translations().ngettext(one, many, count)  # type: ignore[arg-type]


def pgettext(context: str, message: str) -> str:
    """Say `message` as it is meant in `context`; for words that mean two things."""
    return translations().pgettext(context, message)


def mark(message: str) -> str:
    """Have `message` translated, but not here: whoever shows it calls `gettext`."""
    return message


def either(words: Sequence[str]) -> str:
    """Join alternatives, one at least, as a sentence has them: `a, b or c`."""
    *first, last = words
    joiner = gettext("or")
    return f"{', '.join(first)} {joiner} {last}" if first else last
