"""Which split a name says, of a file, a folder, or in a column of the rows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

COLUMN = "split"
_COLUMNS = (COLUMN, "partition", "conjunto", "particao")
_SPLITS = {
    "train": "train,training,treino,treinamento",
    "valid": "valid,val,validation,validacao,dev,eval,holdout,heldout",
    "test": "test,testing,tests,teste,testes",
}
_SPLIT_OF = {word: split for split, words in _SPLITS.items() for word in words.split(",")}


def split_of(name: str) -> str:
    """Give the split that a path's words name, the last of them; "" where none does."""
    words = re.split(r"[^a-z]+", _plain(name))
    found = [_SPLIT_OF[word] for word in words if word in _SPLIT_OF]
    return found[-1] if found else ""


def named(value: Any) -> str:
    """Give the split that a word is, and nothing but it; "" for all else."""
    return _SPLIT_OF.get(_plain(value).strip(), "") if isinstance(value, str) else ""


def column(rows: Iterable[dict[str, Any]]) -> str:
    """Give the column that names each row's split, in all of these rows; "" where none does."""
    listed = list(rows)
    for key in dict.fromkeys(key for row in listed for key in row):
        if _plain(key).strip() in _COLUMNS and all(named(row.get(key)) for row in listed):
            return key
    return ""


def _plain(text: str) -> str:
    """Write it without case and accents."""
    return "".join(
        char
        for char in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(char)
    )
