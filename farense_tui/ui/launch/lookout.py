"""What is known of the profile that is edited: model, data and forecast, each looked up in time."""

from __future__ import annotations

from pathlib import Path

from farense_worker.protocol.settings.profile import Profile
from textual.screen import Screen
from textual.timer import Timer

from farense_tui.engine.machine.hardware import Machine
from farense_tui.engine.preflight import model_and_data
from farense_tui.engine.preflight.model_and_data import Inspection
from farense_tui.engine.profiles.draft import Draft
from farense_tui.ui.launch.data.reader import Look, Looker
from farense_tui.ui.launch.forecaster import Forecast, Forecaster
from farense_tui.ui.launch.plan.known import Known
from farense_tui.ui.messages import Inspected

_DEBOUNCE = 0.3


class Lookout:
    """Works for one screen, which hands back what is posted to it."""

    def __init__(self, screen: Screen[None], machine: Machine, runs_dir: Path) -> None:
        self._screen, self._machine = screen, machine
        self._inspections: dict[tuple[object, ...], Inspection] = {}
        self._debounce: Timer | None = None
        self._looker = Looker(screen)
        self._forecaster = Forecaster(screen, runs_dir)

    def want(self, draft: Draft) -> Known:
        """Give what is known of a draft. More is posted soon."""
        profile = draft.profile
        found = self._inspections.get(model_and_data.key(profile))
        if found is None:
            if self._debounce:
                self._debounce.stop()
            self._debounce = self._screen.set_timer(_DEBOUNCE, lambda: self._inspect(profile))
        look, forecast = self._looker.want(profile), self._forecaster.want(profile)
        return Known(self._machine, draft, found, look, forecast)

    def look(self, profile: Profile) -> Look:
        """Give what is known of its data; the rest is looked for at once."""
        return self._looker.want(profile, now=True)

    def take(self, message: Inspected | Look | Forecast) -> None:
        """Keep what was posted."""
        if isinstance(message, Inspected):
            self._inspections[message.key] = message.found
        elif isinstance(message, Look):
            self._looker.take(message)
        else:
            self._forecaster.take(message)

    def forget(self) -> None:
        """Look for everything again: files may have changed."""
        self._inspections.clear()
        self._looker.forget()
        self._forecaster.forget()

    def cancel(self) -> None:
        """End what is under way."""
        self._looker.cancel()
        self._forecaster.cancel()

    def _inspect(self, profile: Profile) -> None:
        def work() -> None:
            found = model_and_data.inspect(profile)
            self._screen.post_message(Inspected(model_and_data.key(profile), found))

        self._screen.run_worker(work, thread=True, exclusive=True, group="inspect")
