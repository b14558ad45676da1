"""Signs in a text that something went wrong before it came here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext

# What the bytes 80 to BF of UTF-8 look like when they are read as Latin-1 or Windows-1252.
_CP1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_NEXT = f"[\x80-\xbf{_CP1252}]"
# Two bytes for what Latin languages use, three for punctuation and the byte order mark, four for
# pictures; more would take rare but right text for wrong.
_MOJIBAKE = re.compile(f"[ÂÃÄÅ]{_NEXT}|â[€‚]{_NEXT}|ï»¿|ðŸ{_NEXT}{_NEXT}")
# These may well follow a capital letter at the end of a word: IRMÃ”, CORAÇÃO…
_CLOSING = set("”’…–—»")
# Cc but for tab and the ends of lines, and what cannot be seen and turns or joins the text.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
# Characters as HTML and JSON write them where only their own programs read them.
_CODES = re.compile(
    r"&(?:amp|lt|gt|quot|nbsp|hellip|[lr][ds]quo|[A-Za-z](?:acute|grave|circ|tilde|uml|cedil)"
    r"|#\d{2,6}|#x[0-9A-Fa-f]{2,5});|\\u[0-9a-fA-F]{4}"
)
# Places for a name, as LLaMA-Factory's and others' samples have them: {{name}}, <YOUR NAME>.
_GAPS = re.compile(r"\{\{ ?[A-Za-z_]{1,30} ?\}\}|[<\[](?:YOUR|INSERT)[ _A-Z]{2,30}[>\]]")
_ENDS = re.compile(r"(?<!\\)\\n")
_APART = re.compile("[A-Za-z][\u0300-\u0308\u0327]")


def written_ends(strings: Iterable[str]) -> str:
    """Name the ends of lines that are written as codes in a text that has no others."""
    for text in strings:
        if "\n" not in text and len(_ENDS.findall(text)) > 1:
            return r"\n"
    return ""


def find(text: str) -> list[tuple[str, str]]:
    """Give what is found as (code, what), each kind once."""
    found: list[tuple[str, str]] = []
    if codes := dict.fromkeys(_CODES.findall(text)):
        found.append(("escaped", " ".join([*codes][:5])))
    if gaps := dict.fromkeys(_GAPS.findall(text)):
        found.append(("gap", " ".join([*gaps][:5])))
    if text.isascii() and text.isprintable():
        return found
    if apart := _APART.search(text):
        what = _('"{text}" is {n} characters: a letter and its accent')
        found.append(("apart", what.format(text=apart[0], n=len(apart[0]))))
    wrong = _mojibake(text)
    if wrong:
        found.append(
            (
                "mojibake",
                _('"{wrong}" stands for "{right}": decoded in a wrong way').format(
                    wrong=wrong, right=_repair(wrong)
                ),
            )
        )
    count = text.count("�")
    if count:
        what = ngettext(
            "U+FFFD, where a character was lost",
            "U+FFFD {n} times, where a character was lost",
            count,
        )
        found.append(("replacement", what.format(n=count)))
    controls = _CONTROL.findall(text) if not wrong else []
    if controls:
        names = ", ".join(sorted({f"U+{ord(char):04X}" for char in controls}))
        what = names if len(controls) == 1 else _("{names} {n} times")
        found.append(("control", what.format(names=names, n=len(controls))))
    return found


def _mojibake(text: str) -> str:
    """Give the first piece of text that was UTF-8 and decoded as something else, or nothing."""
    for match in _MOJIBAKE.finditer(text):
        before = text[match.start() - 1 : match.start()]
        natural = len(match[0]) == 2 and match[0][1] in _CLOSING and before.isupper()
        if not natural and _repair(match[0]):
            return match[0]
    return ""


def _repair(wrong: str) -> str:
    raw = b"".join(
        char.encode("cp1252") if char in _CP1252 else char.encode("latin-1") for char in wrong
    )
    return raw.decode("utf-8", "ignore")
