"""How a test of a screen waits; the app goes on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot

from farense_tui.ui.monitor.stop import StopDialog


async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait for what threads and timers do; fails if it does not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        await pilot.pause(0.05)
    await pilot.pause()


async def stop(pilot: Pilot[Any]) -> None:
    """Stop a run as a user does, who reads the question."""
    await pilot.press("s")
    await until(pilot, lambda: isinstance(pilot.app.screen, StopDialog))
    await pilot.press("y")
