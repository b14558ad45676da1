"""Draw rarely: what is costly to draw waits until it is worth it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from textual.timer import Timer
from textual.widget import Widget

_SHARE = 0.05


class Throttle:
    """Calls `draw` at once, then at most every `least` seconds, and for 5 % of the time at most.

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
        began = perf_counter()
        self._draw()
        cost = perf_counter() - began
        self._timer = self._widget.set_timer(max(self._least, cost / _SHARE), self._over)

    def _over(self) -> None:
        self._timer = None
        if self._again:
            self._run()
