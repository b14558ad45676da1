"""How a screen leads to another and says what went wrong, without knowing the app or that screen.

The app does all this (app.py says so to mypy); a screen asks for it with `navigator(self)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile
from textual.message_pump import MessagePump

if TYPE_CHECKING:
    from textual.worker import Worker as Task

    from farense_tui.engine.health.finding import Action
    from farense_tui.engine.runs.supervisor import Worker


@runtime_checkable
class Navigator(Protocol):
    """Where one can go from a screen. `show_error` may be called from any thread."""

    def open_launch(self) -> None:
        """Go to the launch screen."""

    def open_run(
        self, folder: RunFolder, worker: Worker | None = None, remedy: Action | None = None
    ) -> None:
        """Go to the monitor of a run; do `remedy` with the run as soon as it is shown."""

    def run_moved(self, old: RunFolder, new: RunFolder) -> None:
        """Take notice that a run was renamed."""

    def open_tour(self) -> Task[None]:
        """Play a run, with cards that explain it."""

    def open_runs(self) -> None:
        """Lay the list of runs over the main screen."""

    def open_comparison(self, folders: list[RunFolder]) -> None:
        """Lay a comparison of runs over the list."""

    def open_ask(self, folders: list[RunFolder]) -> Task[None]:
        """Ask the adapters of runs."""

    def open_serve(self, folders: list[RunFolder]) -> Task[None]:
        """Put runs behind an address."""

    def open_evaluation(self, folder: RunFolder) -> Task[None]:
        """Measure a run on its test rows."""

    def open_export(self, folder: RunFolder) -> Task[None]:
        """Take a run elsewhere."""

    def open_draft(self, profile: Profile, made: Callable[[str | None], None]) -> None:
        """Have a profile's model draft rows from documents; `made` gets their folder, or ""."""

    def start_run(self, profile: Profile, *, name: str, profile_name: str) -> Task[None]:
        """Prepare and start a run, then go to its monitor."""

    def resume_run(self, folder: RunFolder) -> Task[None]:
        """Go on with a run, then go to its monitor."""

    def show_error(self, error: FarenseError) -> None:
        """Say what went wrong; the screen behind stays as it is."""

    def choose_theme(self, name: str) -> None:
        """Take a theme, and remember it."""

    def request_quit(self) -> None:
        """Leave, or ask first what is to become of the runs that go on."""


def navigator(node: MessagePump) -> Navigator:
    """Find whom a screen or a widget asks to go elsewhere."""
    app = node.app
    assert isinstance(app, Navigator), app
    return app
