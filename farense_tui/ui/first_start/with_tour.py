"""The screen of the very first start, and the tour: a run is played, explained, thrown away."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.processes.programs import temporary_folder
from farense_worker.protocol.run_folder import RunFolder
from textual import work

from farense_tui.engine.runs import played, supervisor
from farense_tui.engine.runs.supervisor import Worker
from farense_tui.ui import preferences
from farense_tui.ui.with_models import WithModels

if TYPE_CHECKING:
    from farense_tui.engine.health import Action

_SPEED = 8.0  # the tour's first card names it
_GONE = 10.0  # seconds until a killed worker is given up


class WithTour(WithModels):
    """Opens them. `_started` are the workers of this session."""

    _started: dict[Path, Worker]

    def open_launch(self) -> None:
        """Go to the launch screen."""
        raise NotImplementedError

    def open_run(
        self, folder: RunFolder, worker: Worker | None = None, remedy: Action | None = None
    ) -> None:
        """Go to the monitor of a run."""
        raise NotImplementedError

    def welcome(self) -> None:
        """Say what this is, the very first time. Never again."""
        from farense_tui.ui.first_start.welcome import Welcome

        def begin(tour: bool | None) -> None:
            preferences.keep_welcomed()
            if tour:
                self.open_tour()

        self.push_screen(Welcome(self.runs_dir, preferences.path(), preferences.webhook()), begin)

    def tell_of_preferences(self) -> None:
        """Say what in the preferences is passed over."""
        if wrong := preferences.faults():
            said = "\n".join(map(clean, [str(preferences.path()), *wrong]))
            self.notify(said, title=_("Preferences"), severity="warning", timeout=15, markup=False)

    def action_help_quit(self) -> None:
        """Say how one leaves, to whom presses ctrl+c with nothing to copy."""
        self.notify(_("q leaves the app; it asks first where a run goes on"), markup=False)

    @work(thread=True, exclusive=True, group="start")
    def open_tour(self) -> None:
        """Play a run in a folder of its own, and explain it with cards."""
        folder = None
        try:
            folder = temporary_folder()
            run = played.prepare_scenario("overfit", _SPEED, folder, os.getpid())
            worker = supervisor.launch(run)
        except FarenseError as error:
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
            self.show_error(error)
        else:
            self.call_later(self._show_tour, worker)

    def _show_tour(self, worker: Worker) -> None:
        from farense_tui.ui.first_start.tour import Tour
        from farense_tui.ui.monitor.screen import MonitorScreen

        self.open_run(worker.folder, worker)
        if isinstance(self.screen, MonitorScreen):
            self.push_screen(Tour(self.screen), lambda _nothing: self._end_tour(worker))

    def _end_tour(self, worker: Worker) -> None:
        self._started.pop(worker.folder.path, None)
        self.open_launch()
        self._throw_away(worker.folder)

    @work(thread=True, group="tour")
    def _throw_away(self, run: RunFolder) -> None:
        if supervisor.kill(run):
            supervisor.wait_until_gone(run, _GONE)
        shutil.rmtree(run.path.parent, ignore_errors=True)
