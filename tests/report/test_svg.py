"""Curves as SVG: well-formed, inside their frame, and nothing in them is markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from math import inf, nan

from hypothesis import example, given
from hypothesis import strategies as st

from farense_tui.report.svg import Curve, Mark, chart, ticks

finite = st.floats(-1e12, 1e12)


def draw(points: list[tuple[float, float]], **more: object) -> str:
    curve = Curve(points, "train")
    return chart([curve], title="t", x_label="x", show=lambda v: f"{v:g}", **more)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.floats(0, 1e9), finite), min_size=1, max_size=40))
def test_every_point_lies_in_the_frame(points: list[tuple[float, float]]) -> None:
    root = ET.fromstring(draw(sorted(points)))
    path = next(each for each in root.iter() if each.tag == "path").attrib["d"]
    places = [tuple(map(float, pair.split())) for pair in re.split("[ML]", path)[1:]]
    assert len(places) == len(points)
    assert all(0 <= x <= 920 and 0 <= y <= 300 for x, y in places)


@given(finite, finite, st.integers(2, 12))
@example(-1e12, -999999999999.9999, 3)
def test_ticks_are_few_round_and_inside(one: float, other: float, most: int) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high, most)
    assert len(found) <= most + 1
    slack = (high - low) * 1e-6
    assert all(low - slack <= each <= high + slack for each in found) or low == high


def test_nothing_finite_is_no_picture() -> None:
    assert draw([]) == ""
    assert draw([(1, nan), (2, inf)]) == ""


def test_a_gap_is_left_out() -> None:
    assert draw([(1, 1.0), (2, nan), (3, 1.0)]).count("L") == 1


def test_words_are_escaped() -> None:
    evil = '"><script>alert(1)</script>'
    marks = [Mark(1, None, evil), Mark(1, 1.0, evil)]
    drawn = draw([(0, 0.0), (2, 2.0)], marks=marks)
    assert "<script" not in drawn
    ET.fromstring(drawn)


def test_a_limit_is_shown_where_the_values_come_near_it() -> None:
    assert "limit 10" in draw([(0, 1.0), (1, 8.0)], limit=10.0, from_zero=True)
    assert "limit" not in draw([(0, 1.0), (1, 2.0)], limit=10.0, from_zero=True)
