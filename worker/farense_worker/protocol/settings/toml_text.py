"""TOML that may be from anybody: read only where that takes no longer than a moment.

tomllib takes seconds for a megabyte, and for a key of thousands of parts (a.a.a...) minutes.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from farense_worker.protocol.language import gettext as _

MOST = 1 << 18  # characters; a profile with every setting has some 5,000
_PARTS = 32  # of a key
_NO_KEY = re.compile(
    r'#[^\n]*|"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL
)
_DEEP = re.compile(rf"(?<![\w-])(?:[\w-]+[ \t]*\.[ \t]*){{{_PARTS}}}")


def loads(text: str) -> dict[str, Any]:
    """Read it; ValueError for what is no TOML or too much of it."""
    if len(text) > MOST:
        raise ValueError(_("it has more than {n} characters").format(n=MOST))
    if _DEEP.search(_NO_KEY.sub("text", text)):
        raise ValueError(_("a key has more than {n} parts").format(n=_PARTS))
    try:
        return tomllib.loads(text)
    except (RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error
