"""The forecast of a run in a line, told while its worker starts."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from pathlib import Path

import psutil
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Profile

from farense_tui.cli.output import say
from farense_tui.engine.tasks.task import Stop

_PATIENCE = 10.0  # seconds; at the lowest priority even an end may take its time


class Ahead(threading.Thread):
    """Asks for the forecast in a thread, at the lowest priority: the training does not wait."""

    def __init__(self, profile: Profile, runs_dir: Path) -> None:
        """Prepare; `start` begins, `finish` ends it, told or not."""
        super().__init__(name="forecast", daemon=True)
        self._profile, self._runs_dir = profile, runs_dir
        self._stop_asking = _Humble()

    def run(self) -> None:
        """Ask the worker what is needed, and say what comes of it."""
        from farense_tui.engine.forecast import gather
        from farense_tui.engine.forecast.summary import line

        try:
            known = gather.facts(self._profile, self._stop_asking)
            said = line(gather.estimate(self._profile, known, disk=self._runs_dir))
        except FarenseError as error:
            said = _("forecast: none, {why}").format(why=error.title)
        if not self._stop_asking.asked:
            say(said)

    def finish(self) -> None:
        """End it, and wait for that: the run has come to its end."""
        self._stop_asking.ask()
        if self.is_alive():
            self.join(_PATIENCE)


class _Humble(Stop):
    """Lets the process give way to the training."""

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        super().watch(process)
        with contextlib.suppress(psutil.Error):  # it has ended already
            psutil.Process(process.pid).nice(19)
