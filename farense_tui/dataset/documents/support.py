"""Whether a passage supports an answer, by its words and numbers."""

from __future__ import annotations

import re
import unicodedata

from farense_worker.protocol.language import gettext as _

_ENOUGH = 0.6  # of an answer's words
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]{4,}")
_STEM = 5  # characters by which forms of a word are taken for the same
_POINTS = re.compile(
    # not translated: words of both languages
    r"\b(passage|text above|the text|o texto|passagem|excerto|texto acima)\b",
    re.IGNORECASE,
)


def missing(question: str, answer: str, passage: str) -> str:
    """Say what of an answer the passage does not have, "" where it has all that counts.

    Every number of the answer stands in the passage or in the question; of its words of four
    letters and more, most do, by their beginnings.
    """
    if _POINTS.search(question):
        return _("the question speaks of the passage, which nobody will see")
    there = {_plain(each) for each in _NUMBER.findall(f"{passage} {question}")}
    numbers = [each for each in _NUMBER.findall(answer) if _plain(each) not in there]
    if numbers:
        return _("not in the passage: {what}").format(what=", ".join(dict.fromkeys(numbers)))
    stems = {word[:_STEM] for word in _words(f"{passage} {question}")}
    words = _words(answer)
    lost = [word for word in words if word[:_STEM] not in stems]
    if words and len(words) - len(lost) < _ENOUGH * len(words):
        return _("not in the passage: {what}").format(what=", ".join(dict.fromkeys(lost[:5])))
    if not words and not _NUMBER.search(answer) and _folded(answer) not in _folded(passage):
        return _("not in the passage: {what}").format(what=answer[:40])
    return ""


def _plain(number: str) -> str:
    return number.replace(".", "").replace(",", "")


def _words(text: str) -> list[str]:
    return _WORD.findall(_folded(text))


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))
