"""The forecast of what is being edited: kept up with the settings, made in threads.

The worker is asked once for each model and data set, in a process of its own; from then on a
forecast is arithmetic, some tens of milliseconds, made when the user has been still for a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.estimation import Facts
from farense_worker.protocol.settings.profile import Profile
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from farense_tui.engine.forecast.depends import key
from farense_tui.engine.tasks.task import Stop

if TYPE_CHECKING:
    from farense_tui.engine.forecast.gather import Estimate

_STILL = 1.0  # seconds without a change before the worker is asked
_BRIEF = 0.15  # and before the forecast is made anew
_MOST = 64  # forecasts kept


class Forecast(Message):
    """There is a forecast, or why there is none; or the facts for one have come."""

    def __init__(self, profile: Profile, facts: Facts | None, made: Estimate) -> None:
        super().__init__()
        self.profile = profile
        self.facts = facts
        self.made = made


@dataclass(frozen=True)
class Forecasting:
    """What is known now. old: it is of the settings before the last change."""

    made: Estimate | None = None
    old: bool = False


class Forecaster:
    """Makes one forecast at a time and posts it to its screen."""

    def __init__(self, screen: Screen[None], runs_dir: Path) -> None:
        """Work for `screen`; the disk that runs are kept on is the one looked at."""
        self._screen, self._runs_dir = screen, runs_dir
        self._facts: dict[object, Facts] = {}
        self._known: dict[Profile, Estimate] = {}
        self._wanted: Profile | None = None
        self._last: tuple[object, Estimate] | None = None
        self._timer: Timer | None = None
        self._stop = Stop()

    def want(self, profile: Profile) -> Forecasting:
        """Give what is known of a profile. More is posted soon."""
        asked = key(profile)
        if profile in self._known:
            self._wanted, self._last = profile, (asked, self._known[profile])
            return Forecasting(self._known[profile])
        if profile != self._wanted:
            self.cancel()
            self._wanted = profile
            wait = _BRIEF if asked in self._facts else _STILL
            self._timer = self._screen.set_timer(wait, partial(self._start, profile))
        if self._last and self._last[0] == asked:
            return Forecasting(self._last[1], old=True)
        return Forecasting()

    def take(self, said: Forecast) -> None:
        """Keep what was posted."""
        if said.facts:
            self._facts[key(said.profile)] = said.facts
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[said.profile] = said.made

    def forget(self) -> None:
        """Ask for everything again when it is wanted: files may have changed."""
        self.cancel()
        self._facts.clear()
        self._known.clear()

    def cancel(self) -> None:
        """End what is under way; nothing more is posted of it."""
        if self._timer:
            self._timer.stop()
        self._timer, self._wanted = None, None
        self._stop.ask()

    def _start(self, profile: Profile) -> None:
        self._timer, self._stop = None, Stop()
        known = self._facts.get(key(profile))
        work = partial(self._make, profile, known, self._stop)
        self._screen.run_worker(work, thread=True, group="forecast")

    def _make(self, profile: Profile, known: Facts | None, stop: Stop) -> None:
        """In a thread. What it takes is imported here, after the first paint."""
        from farense_tui.engine.forecast import gather

        try:
            known = known or gather.facts(profile, stop)
            made = gather.estimate(profile, known, disk=self._runs_dir)
        except FarenseError as error:
            made = gather.Estimate(profile, None, why=error.title)
        except OSError as error:  # a path that is too long or may not be read
            made = gather.Estimate(profile, None, why=error.strerror or str(error))
        if not stop.asked:
            self._screen.post_message(Forecast(profile, known, made))
