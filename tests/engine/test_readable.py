"""Numbers as people read them: always short, never wrong by more than what is not shown."""

from __future__ import annotations

import datetime
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from farense_tui.engine import readable as f

bytes_ = st.integers(0, 1 << 43)  # 8 TiB
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "M": 1 << 20, "G": 1 << 30}


def test_a_name_is_cut_in_its_middle() -> None:
    assert f.middle_cut("farense-1", 9) == "farense-1"
    assert f.middle_cut("m1-16gb-higher-rate-12", 11) == "m1-16…te-12"
    assert len(f.middle_cut("x" * 40, 12)) == 12


@given(bytes_)
def test_a_size_is_right_to_its_last_digit(count: int) -> None:
    number, unit = f.size(count).split()
    last = 0.1 if "." in number else 1
    assert abs(float(number) * UNITS[unit] - count) <= 0.5001 * last * UNITS[unit]
    # the unit is the one in which the number is short
    assert float(number) <= 1024 or unit == "GiB"


@given(bytes_)
def test_a_short_size_is_short_and_right(count: int) -> None:
    text = f.short_size(count)
    assert len(text) <= 5
    number, unit = text[:-1], text[-1]
    last = 0.1 if "." in number else 1
    assert abs(float(number) * UNITS[unit] - count) <= 0.5001 * last * UNITS[unit]


@given(st.floats(0, 1e7))
def test_a_duration_is_right_to_the_second(seconds: float) -> None:
    text = f.duration(seconds).removesuffix(" s")
    parts = [int(part) for part in text.split(":")]
    assert all(part < 60 for part in parts[1:])
    assert all(len(part) == 2 for part in text.split(":")[1:])
    back = sum(part * 60**power for power, part in enumerate(reversed(parts)))
    assert abs(back - seconds) <= 0.5001


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1:00"),
        (187, "3:07"),
        (3599.6, "1:00:00"),
        (7387, "2:03:07"),
        (-5, "0 s"),
        (None, "—"),
        (math.nan, "—"),
        (math.inf, "—"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert f.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-10, "now"),
        (0, "now"),
        (59, "now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (47.9 * 3600, "47 h ago"),
        (48 * 3600, "2 days ago"),
        (30 * 86400, "30 days ago"),
    ],
)
def test_how_long_ago(seconds: float, text: str) -> None:
    assert f.ago(1e9, 1e9 + seconds) == text


def test_long_ago_is_a_date() -> None:
    date = datetime.date.fromtimestamp(1e9).isoformat()  # in whatever zone this is
    assert f.ago(1_000_000_000.0, 1_100_000_000.0) == date


@given(st.floats(0.001, 1e12))
def test_a_count_is_right_to_its_last_digit(value: float) -> None:
    number, _, unit = f.count(value).partition(" ")
    scale = {"": 1, "k": 1e3, "M": 1e6, "B": 1e9}[unit]
    last = 0.1 if "." in number else 1
    assert abs(float(number) * scale - value) <= 0.5001 * last * scale
    assert len(number) <= 5


@given(st.floats(allow_nan=True, allow_infinity=True) | st.none())
def test_no_number_raises_and_none_is_a_dash(value: float | None) -> None:
    for show in (f.duration, f.loss, f.rate, f.speed, f.count):
        assert show(value)
    for show_none in (f.duration, f.loss, f.rate, f.speed, f.count, f.size, f.short_size):
        assert show_none(None) == "—"


@given(st.floats(-99.9, 99.9))
def test_a_loss_has_four_decimals(value: float) -> None:
    assume(value == 0 or abs(value) >= 5e-5)
    text = f.loss(value)
    assert abs(float(text) - value) <= 5.001e-5
    assert len(text.partition(".")[2]) == 4


@given(st.floats(1e-300, 1e300))
def test_a_loss_is_never_nothing_and_fits_its_column(value: float) -> None:
    text = f.loss(value)
    assert float(text) == pytest.approx(value, rel=1.0)
    assert len(text) <= 8


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"),
        (1e-9, "1.0e-09"),
        (4.99e-5, "5.0e-05"),
        (5e-5, "0.0001"),
        (2.62249, "2.6225"),
        (99.99994, "99.9999"),
        (99.99996, "100.0"),
        (123.456, "123.5"),
        (99_999.96, "1.0e+05"),
        (1e6, "1.0e+06"),
    ],
)
def test_losses(value: float, text: str) -> None:
    assert f.loss(value) == text


def test_a_loss_that_is_not_finite_says_so() -> None:
    assert f.loss(math.nan) == f.loss(math.inf) == "not finite"


@given(st.floats(1e-12, 1))
def test_a_rate_keeps_three_digits(value: float) -> None:
    assume(value > 0)
    assert float(f.rate(value)) == pytest.approx(value, rel=5.1e-3)
    assert len(f.rate(value)) <= 8


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0"), (0.004, "0.004"), (0.4, "0.4"), (9.96, "10"), (12043.4, "12043")],
)
def test_speeds(value: float, text: str) -> None:
    assert f.speed(value) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 0, "0%"),
        (0.004, 0, "<1%"),
        (0.42, 0, "42%"),
        (0.996, 0, ">99%"),
        (1.0, 0, "100%"),
        (1.3, 0, "130%"),
        (1 / 5000, 1, "<0.1%"),
        (2999 / 3000, 1, ">99.9%"),
        (0.99996, 2, ">99.99%"),
        (1.0, 1, "100.0%"),
    ],
)
def test_nothing_and_all_are_said_of_nothing_and_all(value: float, digits: int, text: str) -> None:
    assert f.share(value, digits) == text


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [(0, 400, "0%"), (399, 400, "99%"), (400, 400, "100%"), (29, 100, "29%"), (0, 0, "—")],
)
def test_all_is_done_at_the_end_alone(done: int, total: int, text: str) -> None:
    assert f.progress(done, total) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.00"), (0.29, "0.29"), (1999 / 500, "3.99"), (4.0, "4.00")]
)
def test_an_epoch_is_over_at_its_end_alone(value: float, text: str) -> None:
    assert f.epochs(value) == text


def test_perplexities() -> None:
    told = [f.perplexity(value) for value in (1.0968, 16.16, 125_312.0, math.nan, None)]
    assert told == ["1.097", "16.16", "1.253e+05", "not finite", "—"]


def test_one_is_not_many() -> None:
    assert (f.steps(1), f.steps(0), f.steps(2)) == ("1 step", "0 steps", "2 steps")
    assert (f.rows(1), f.examples(1), f.examples(648)) == ("1 row", "1 example", "648 examples")
    assert (f.tokens(1), f.tokens(23127)) == ("1 token", "23127 tokens")
    assert f.tokens(23127, short=True) == "23.1 k tokens"
