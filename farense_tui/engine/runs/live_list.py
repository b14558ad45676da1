"""The list of runs kept up to date: each record is read once, then only what has been added."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import clock, describe
from farense_tui.engine.runs import folders as runs
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.engine.runs.watch import Watch


class Listing:
    """Follows all the runs of a folder. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self._folder = folder
        self._watches: dict[Path, Watch] = {}

    def folders(self) -> list[RunFolder]:
        """List the runs there are now, the one written to last first, and forget those gone."""
        found = runs.folders(self._folder)
        there = {folder.path for folder in found}
        self._watches = {path: w for path, w in self._watches.items() if path in there}
        return found

    def look(self, folder: RunFolder) -> RunSummary:
        """Read what has come to one run since the last look."""
        watch = self._watches.setdefault(folder.path, Watch(folder))
        snapshot = watch.look(clock.now())
        return RunSummary(
            folder,
            snapshot.state,
            snapshot.status,
            snapshot.config,
            folder.resume_step(),
            watch.fault,
        )

    def summaries(self) -> Iterator[RunSummary]:
        """Look at every run, the one written to last first."""
        for folder in self.folders():
            yield self.look(folder)


def going_on_or_resumable(folder: Path) -> RunSummary | None:
    """Find the run to go back to: one that is being trained, else the newest one to resume."""
    found = runs.folders(folder)
    alive = next((run for run in found if run.is_alive()), None)
    if alive:
        return describe.summarise(alive)
    summaries = (describe.summarise(run) for run in found)
    return next((summary for summary in summaries if summary.resumable), None)
