"""Holds a worker at a certain event until it is asked for something (tests/holding.py).

Or has it fail there with FAIL_WITH, as often as FAIL_TIMES says of a worker that starts again.

Python imports this by itself in every process that has this folder in its PYTHONPATH.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from types import FrameType
from typing import Any

_after = os.environ.get("HOLD_AFTER", "").encode()
_write = os.write
_clock = time.perf_counter
_LONGEST = 120.0  # seconds; whoever held it may be gone


def _write_and_hold(descriptor: int, data: bytes) -> int:
    if not re.search(_after, data):
        return _write(descriptor, data)
    os.write = _write  # once
    asked = []

    def release(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        before[number](number, frame)

    before: dict[int, Any] = {
        each: handler
        for each in (signal.SIGTERM, signal.SIGTSTP, signal.SIGCONT)
        if callable(handler := signal.getsignal(each))
    }
    for each in before:  # first: it may be asked as soon as the event is there
        signal.signal(each, release)
    try:
        written = _write(descriptor, data)
        limit = time.monotonic() + _LONGEST
        while not asked:
            time.sleep(0.01)
            if time.monotonic() > limit:
                os._exit(1)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    return written


def _write_and_fail(descriptor: int, data: bytes) -> int:
    if re.search(_after, data):
        os.write = _write  # once

        def fail() -> float:
            time.perf_counter = _clock
            if asked := int(os.environ["FAIL_ASKED"]):
                signal.raise_signal(asked)
            raise RuntimeError(os.environ["FAIL_WITH"])

        time.perf_counter = fail  # which the next step, validation or checkpoint begins with
    return _write(descriptor, data)


_tells = {"farense_worker", "farense_worker.ranks.rank", "farense_worker.simulated"} & set(
    sys.orig_argv
)
if _after and _tells and os.environ.get("FARENSE_RANK", "0") == "0":
    if "FAIL_WITH" not in os.environ:
        os.write = _write_and_hold  # type: ignore[assignment]
    elif int(os.environ.get("FARENSE_GPU_RESTARTS", "0")) < int(os.environ["FAIL_TIMES"]):
        os.write = _write_and_fail  # type: ignore[assignment]
    elif asked := int(os.environ["FAIL_ASKED_ANEW"]):
        signal.raise_signal(asked)
