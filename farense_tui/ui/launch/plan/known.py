"""All that is known of a start that is planned."""

from __future__ import annotations

from dataclasses import dataclass, field

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine.machine.hardware import Machine
from farense_tui.engine.preflight.model_and_data import Inspection
from farense_tui.engine.profiles.draft import Draft
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.ui.launch.data.reader import Look
from farense_tui.ui.launch.forecaster import Forecasting


@dataclass(frozen=True)
class Known:
    """found is None while model and data are being looked for; look and forecast come later.

    fault: why there is no draft, the profile's file cannot be read. run: one that goes on, or that
    `r` would resume.
    """

    machine: Machine
    draft: Draft | None = None
    found: Inspection | None = None
    look: Look | None = None
    forecast: Forecasting = field(default_factory=Forecasting)
    fault: FarenseError | None = None
    run: RunSummary | None = None

    @property
    def profile(self) -> Profile:
        """Of the draft; only where there is one."""
        assert self.draft is not None
        return self.draft.profile

    @property
    def complete(self) -> bool:
        """Whether nothing is being looked up any more."""
        looked = self.found is not None and self.look is not None and self.look.over
        looked = looked and self.forecast.made is not None and not self.forecast.old
        return self.fault is not None or looked
