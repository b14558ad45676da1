"""Draw rarely: what is costly to draw waits until it is worth it."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time

from textual.timer import Timer
from textual.widget import Widget

_SHARE = 0.05
_LATEST = 2.0  # seconds: what is seen is never older, however slow the machine


class Throttle:
    """Calls `draw` at once, then rarely: for 5 % of the time at most, but within two seconds.

    So a drawing that grows costly with the run is made less often, and training does not feel it.
    """

    def __init__(self, widget: Widget, draw: Callable[[], None], least: float = 0.5) -> None:
        """Draw `widget` by `draw`."""
        self._widget = widget
        self._draw = draw
        self._least = least
        self._timer: Timer | None = None
        self._again = False

    @property
    def waiting(self) -> bool:
        """Whether something that was asked for is not drawn yet."""
        return self._again

    def request(self) -> None:
        """Draw now, or when the wait is over."""
        if self._timer is None:
            self._run()
        else:
            self._again = True

    def _run(self) -> None:
        self._again = False
        began = thread_time()  # not the clock: a busy machine makes no drawing costlier
        self._draw()
        cost = thread_time() - began
        wait = min(max(self._least, cost / _SHARE), _LATEST)
        self._timer = self._widget.set_timer(wait, self._over)

    def _over(self) -> None:
        self._timer = None
        if self._again:
            self._run()
