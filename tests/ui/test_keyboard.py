"""What comes from the keyboard, however it is cut into reads."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual._xterm_parser import XTermParser
from textual.events import Key, Paste

from farense_tui.ui.keyboard import LONGEST, Decoder

PASTED = b"\x1b[200~q\x1b[2J s\x07\x1b]0;o\x07 caf\xe9\x9bq\r\nb\x1b[201~"
CLEAN = "q[2J s]0;o caf\xe9\ufffdq\r\nb"


def heard(data: bytes, *cuts: int) -> list[object]:
    """What Textual makes of it: texts that were pasted, and keys."""
    decoder, parser = Decoder(), XTermParser()
    ends = [0, *sorted(cuts), len(data)]
    events = []
    for begin, end in pairwise(ends):
        if text := decoder.decode(data[begin:end]):
            events += list(parser.feed(text))
    return [each.text if isinstance(each, Paste) else each.key for each in events
            if isinstance(each, Key | Paste)]  # fmt: skip


@given(st.lists(st.integers(0, len(PASTED) + 2), max_size=4))
def test_what_is_pasted_is_text_and_never_keys(cuts: list[int]) -> None:
    assert heard(b"a" + PASTED + b"b", *cuts) == ["a", CLEAN, "b"]


@pytest.mark.parametrize("cut", range(13))
def test_two_pastes_and_what_looks_like_a_mark(cut: int) -> None:
    twice = b"\x1b[200~\x1b[20\x1b[201~x\x1b[200~\x1b[201~y"
    assert heard(twice, cut, cut + 9) == ["[20", "x", "", "y"]


def test_other_bytes_are_as_they_were() -> None:
    decoder = Decoder()
    assert decoder.decode(b"\x1b[A\x1b") == "\x1b[A\x1b"  # the escape key waits for nothing
    assert decoder.decode(b"[B\xe9") == "[B"
    assert decoder.decode(b"\xe1") + decoder.decode(b"a") == "\xe9\xe1a"


def test_a_paste_is_taken_as_far_as_it_goes_quickly() -> None:
    told: list[str] = []
    decoder = Decoder(lambda: told.append("cut"))
    text = decoder.decode(b"\x1b[200~")
    for _ in range(5):
        text += decoder.decode(b"a" * (LONGEST // 4))
    text += decoder.decode(b"\x1b[201~bcd")
    assert text == "\x1b[200~" + "a" * LONGEST + "\x1b[201~bcd"
    assert told == ["cut"]
    whole = "e" * LONGEST  # the next one begins anew
    assert decoder.decode(f"\x1b[200~{whole}\x1b[201~".encode()) == f"\x1b[200~{whole}\x1b[201~"
    assert told == ["cut"]
