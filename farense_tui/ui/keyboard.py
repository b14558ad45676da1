"""What comes from the keyboard: any byte is taken, and what is pasted is text and never keys."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import partial

from textual.drivers import linux_driver

_BEGIN, _END = "\x1b[200~", "\x1b[201~"  # around what is pasted
LONGEST = 100_000  # characters of a paste: Textual's parser takes 7 s for a million
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def take_any_byte(on_cut: Callable[[], object]) -> None:
    """Have Textual's reader of the keyboard decode with `Decoder`.

    on_cut: called from the reader's thread when the end of a paste is left out.
    Its own is strict, and ends the app at the first byte that is no UTF-8.
    """
    codecs.register_error("latin-1", _as_latin_1)
    setattr(  # noqa: B010 - the name that its reader looks up, which mypy takes for no export
        linux_driver, "getincrementaldecoder", lambda _encoding: partial(Decoder, on_cut)
    )


class Decoder:
    """Bytes that are no UTF-8 are Latin-1, which they mostly are: pasted, or typed with meta.

    Controls are taken out of what is pasted: at an escape Textual would take the rest for keys, and
    some terminals let them through. Then a pasted `q` leaves, and a pasted `s` trains. Of a paste
    the first LONGEST characters are taken.
    """

    def __init__(self, on_cut: Callable[[], object] = lambda: None) -> None:
        codecs.register_error("latin-1", _as_latin_1)
        self._utf8 = codecs.getincrementaldecoder("utf-8")("latin-1")
        self._on_cut = on_cut
        self._pasting = False
        self._taken = 0  # of what is being pasted
        self._before = ""  # the end of what came before: where a mark may have begun

    def decode(self, data: bytes, final: bool = False) -> str:
        """Give the text of the next bytes; a mark that is not whole yet comes with the next."""
        text = self._utf8.decode(data, final)
        given = []
        while text:
            part, text = self._pasted(text, final) if self._pasting else self._typed(text)
            given.append(part)
        return "".join(given)

    def _typed(self, text: str) -> tuple[str, str]:
        """Up to the mark at which a paste begins, and the rest."""
        known = self._before + text
        head, mark, _rest = known.partition(_BEGIN)
        self._pasting, self._taken = bool(mark), 0
        end = len(head) + len(mark) - len(self._before)
        self._before = "" if mark else known[1 - len(_BEGIN) :]
        return text[:end], text[end:]

    def _pasted(self, text: str, final: bool) -> tuple[str, str]:
        """Up to the mark at which it ends, without controls, and the rest."""
        head, mark, rest = (self._before + text).partition(_END)
        self._pasting, self._before = not mark, ""
        if not mark and not final:
            held = next((n for n in range(len(_END) - 1, 0, -1) if head.endswith(_END[:n])), 0)
            head, self._before = head[: len(head) - held], head[len(head) - held :]
        return self._bounded(_CONTROLS.sub("", head)) + mark, rest

    def _bounded(self, text: str) -> str:
        """What there is room for; says once that the rest is left out."""
        room = max(0, LONGEST - self._taken)
        if self._taken <= LONGEST < self._taken + len(text):
            self._on_cut()
        self._taken += len(text)
        return text[:room]


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    text = error.object[error.start : error.end].decode("latin-1")
    # 0x80 to 0x9f are controls there, which would begin a sequence that never ends
    return "".join(char if char >= "\xa0" else "\ufffd" for char in text), error.end
