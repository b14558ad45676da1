"""The list of runs kept up to date: what has ended is read once, of the others what was added."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import clock, describe
from farense_tui.engine.runs import folders as runs
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.engine.runs.watch import Watch

Mark = tuple[tuple[int, int] | None, ...]


class Listing:
    """Follows all the runs of a folder. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watches: dict[Path, Watch] = {}
        self._at_rest: dict[Path, tuple[Mark, RunSummary]] = {}

    def folders(self) -> list[RunFolder]:
        """List the runs there are now, the one written to last first, and forget those gone."""
        found = runs.folders(self._folder)
        there = {folder.path for folder in found}
        for known in (self._watches, self._at_rest):
            for path in [path for path in known if path not in there]:
                del known[path]
        return found

    def look(self, folder: RunFolder) -> RunSummary:
        """Read what has come to one run since the last look.

        Gives the same object again if nothing has. A run without a worker costs two calls to the
        system: whoever goes on with it writes into its record first.
        """
        mark = _mark(folder)
        known = self._at_rest.get(folder.path)
        if known and known[0] == mark:
            return known[1]
        if known and known[0][0] != mark[0]:  # its settings are others
            self._watches.pop(folder.path, None)
        watch = self._watches.pop(folder.path, None) or Watch(folder)
        snapshot = watch.look(clock.now())
        step, unseen = describe.resume_step(folder)
        summary = RunSummary(
            folder,
            snapshot.state,
            snapshot.status,
            snapshot.config,
            step,
            watch.fault or watch.unreadable or unseen,
        )
        if snapshot.alive or unseen:
            self._at_rest.pop(folder.path, None)
            self._watches[folder.path] = watch
        else:  # its log and what else is there to go on reading is not kept: there may be hundreds
            self._at_rest[folder.path] = (mark, summary)
        return summary

    def summaries(self) -> Iterator[RunSummary]:
        """Look at every run, the one written to last first."""
        for folder in self.folders():
            yield self.look(folder)


def _mark(folder: RunFolder) -> Mark:
    """What changes with a run's settings and record: when they were written, and their sizes."""
    found: list[tuple[int, int] | None] = []
    for path in (f"{folder.path}/config.toml", f"{folder.path}/events.jsonl"):
        stat = None
        with contextlib.suppress(OSError):
            stat = os.stat(path)
        found.append((stat.st_mtime_ns, stat.st_size) if stat else None)
    return tuple(found)


def going_on_or_resumable(folder: Path) -> RunSummary | None:
    """Find the run to go back to: one that is being trained, else the newest one to resume."""
    found = runs.folders(folder)
    alive = next((run for run in found if run.is_alive()), None)
    if alive:
        return describe.summarise(alive)
    summaries = (describe.summarise(run) for run in found)
    return next((each for each in summaries if each.resumable and each.config), None)
