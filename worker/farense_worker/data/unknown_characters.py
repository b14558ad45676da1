"""Characters that a tokenizer has no token for: they become <unk>, or nothing at all.

Those that cut texts into bytes know all of them.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from typing import Any

from farense_worker.model.light_tokenizer import NoTokens

_MOST_NAMED = 8
# Control and such as cannot be seen, marks that join another letter, spaces: what a tokenizer's
# normaliser may well take out or put together.
_NOT_LOOKED_AT = ("C", "M", "Z")


def find(tokenizer: Any, strings: Iterable[str]) -> str:
    """Name those in some texts, the first few; empty for none."""
    seen = set().union(*(string for string in strings if not string.isascii()))
    lost = [char for char in sorted(seen) if not char.isascii() and not _known(tokenizer, char)]
    return " ".join(lost[:_MOST_NAMED]) + (" ..." if len(lost) > _MOST_NAMED else "")


@functools.lru_cache(maxsize=1 << 16)
def _known(tokenizer: Any, char: str) -> bool:
    """Whether it comes back from its tokens, as it is or as a normaliser writes it."""
    if unicodedata.category(char)[0] in _NOT_LOOKED_AT:
        return True
    try:
        ids = list(tokenizer.encode(char, add_special_tokens=False))
        there = str(tokenizer.decode(ids, skip_special_tokens=True))  # <unk> has letters, too
    except NoTokens:  # which is told of the row
        return True
    return _plain(char) in _plain(there)


def _plain(text: str) -> str:
    """Write it without what normalisers make no difference of: form, accents, case."""
    apart = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in apart if not unicodedata.combining(char)).strip()
