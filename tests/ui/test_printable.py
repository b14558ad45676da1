"""What is drawn holds nothing that a terminal would act on, and is as wide as it was."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from farense_worker.protocol.clean_text import printable
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from farense_tui.ui.app import FarenseApp
from farense_tui.ui.printable import Printable


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_a_line_is_cleaned_and_as_wide_as_before(text: str) -> None:
    (made,) = Printable().apply([Segment(text)], Color(0, 0, 0))
    kinds = {unicodedata.category(char) for char in made.text if char != "\n"}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert sum(map(cell_len, made.text)) == sum(map(cell_len, text))


def test_a_flood_of_marks_on_one_letter_is_held_back() -> None:
    """A thousand accents draw over the lines around; eight are more than a script has."""
    text = "e" + "\u0300\u20dd" * 500 + "x"
    (made,) = Printable().apply([Segment(text)], Color(0, 0, 0))
    assert made.text == printable(text) == text[:9] + "x"


def test_the_app_looks_at_every_line(tmp_path: Path) -> None:
    filters = FarenseApp(tmp_path).get_line_filters()
    assert any(isinstance(each, Printable) for each in filters)
