"""What a signal raises reaches whoever waits for it, also where C code has swallowed it."""

from __future__ import annotations

import signal
import time
from typing import Annotated

import msgspec
import pytest

from farense_tui.cli.interrupts import interruptible

POSITIVE = Annotated[int, msgspec.Meta(gt=0)]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", SIGNALS)
def test_it_is_raised(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(number)
    assert signal.getsignal(number) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_swallowed_is_raised_again(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(POSITIVE)
    hashed = kind.__hash__
    came: list[object] = []

    def interrupted(self: object) -> int:
        if not came:
            came.append(number)
            signal.raise_signal(number)
        return hashed(self)

    monkeypatch.setattr(kind, "__hash__", interrupted)
    with pytest.raises(KeyboardInterrupt), interruptible():
        swallowed_and_asleep(came)
    assert came == [number, "went on"]  # or nothing was swallowed, and this shows nothing


def swallowed_and_asleep(came: list[object]) -> None:
    assert msgspec.convert(1, POSITIVE) == 1
    came.append("went on")
    time.sleep(60)


def test_what_cleans_up_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farense_tui.cli.interrupts._AGAIN", 0.01)
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        cleaning_up(done)
    assert done == ["cleaned"]


def cleaning_up(done: list[str]) -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        try:
            raise FileNotFoundError
        except FileNotFoundError:
            time.sleep(0.2)
        time.sleep(0.2)
        done.append("cleaned")
