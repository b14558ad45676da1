"""Draw rarely: what is costly to draw waits until it is worth it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, thread_time

from textual.timer import Timer
from textual.widget import Widget

_SHARE = 0.003
_LEAST = 0.9  # seconds between two drawings; what comes once a second is drawn as it comes
_LATEST = 2.0  # seconds: what is seen is never older, however slow the machine
_SLACK = 0.6  # seconds in which the next request is waited for, to be in one frame with the rest


class Throttle:
    """Calls `draw` at once, then rarely: for 0.3% of the time at most, but within two seconds.

    So a drawing that grows costly with the run is made less often, and training does not feel it.
    """

    def __init__(self, widget: Widget, draw: Callable[[], None]) -> None:
        """Draw `widget` by `draw`."""
        self._widget = widget
        self._draw = draw
        self._due = 0.0
        self._timer: Timer | None = None

    @property
    def waiting(self) -> bool:
        """Whether something that was asked for is not drawn yet."""
        return self._timer is not None

    def request(self) -> None:
        """Draw now, or when the wait is over."""
        left = self._due - monotonic()
        if left <= 0:
            self._run()
        elif self._timer is None:
            wait = min(left + _SLACK, _LATEST)
            self._timer = self._widget.set_timer(wait, self._run)

    def _run(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        began = thread_time()  # not the clock: a busy machine makes no drawing costlier
        self._draw()
        cost = thread_time() - began
        self._due = monotonic() + min(max(_LEAST, cost / _SHARE), _LATEST)
