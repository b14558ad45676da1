"""A small app around the monitor, and how to wait for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from functools import partialmethod
from typing import Any

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder
from textual.app import App
from textual.pilot import Pilot

from farense_tui.engine.runs.supervisor import Worker
from farense_tui.ui.monitor.screen import MonitorScreen
from tests.ui.waiting import until


class Host(App[None]):
    """Has what the monitor asks of the app, and writes down what was asked.

    Its themes are Textual's own, so that a change of ours does not change these pictures.
    """

    def __init__(
        self, folder: RunFolder, worker: Worker | None = None, theme: str = "textual-dark"
    ) -> None:
        super().__init__()
        self.theme = theme
        self.monitor = MonitorScreen(folder, worker)
        self.calls: list[str] = []
        self.errors: list[FarenseError] = []

    def on_mount(self) -> None:
        self.push_screen(self.monitor)

    def _called(self, what: str, *said: object, **more: object) -> Any:
        self.calls.append(what)

    open_launch = partialmethod(_called, "launch")
    open_run = partialmethod(_called, "run")
    run_moved = partialmethod(_called, "moved")
    open_tour = partialmethod(_called, "tour")
    open_runs = partialmethod(_called, "runs")
    open_comparison = partialmethod(_called, "comparison")
    open_ask = partialmethod(_called, "ask")
    open_export = partialmethod(_called, "export")
    open_draft = partialmethod(_called, "draft")
    open_serve = partialmethod(_called, "serve")
    open_evaluation = partialmethod(_called, "evaluation")
    start_run = partialmethod(_called, "start")
    resume_run = partialmethod(_called, "resume")
    choose_theme = partialmethod(_called, "theme")
    request_quit = partialmethod(_called, "quit")

    def show_error(self, error: FarenseError) -> None:
        self.errors.append(error)


async def settled(pilot: Pilot[None]) -> MonitorScreen:
    """Wait until the monitor has read the record and drawn it."""
    monitor = pilot.app.monitor  # type: ignore[attr-defined]
    await until(pilot, lambda: monitor.snapshot is not None and monitor.snapshot.read == 1)
    await pilot.pause()
    await pilot.pause()
    return monitor


@contextlib.asynccontextmanager
async def opened(
    folder: RunFolder, worker: Worker | None = None, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Pilot[None], MonitorScreen]]:
    """The monitor on a run, read and drawn."""
    async with Host(folder, worker).run_test(size=size) as pilot:
        yield pilot, await settled(pilot)


@contextlib.contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Hold the lock, as a living worker does."""
    lock = folder.acquire()
    try:
        yield
    finally:
        os.close(lock)
