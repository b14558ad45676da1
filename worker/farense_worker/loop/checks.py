"""Whether the faster ways give what the plain ones give: computed at the start, then known.

Each check takes a few tokens of two rows. What has held is kept, for the next run whose sums are
computed by the same programs, on the same machine, with the same model; what has not held is
computed again each time, because memory may have been short.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlx.nn as nn
import msgspec

from farense_worker.model import model, sums
from farense_worker.process import kept
from farense_worker.process.output import Output
from farense_worker.protocol.settings.profile import Config

_FORMAT = 1
_SOON = 2.0  # seconds after which a check is told


class Held(msgspec.Struct, frozen=True):
    """A check that has held. seconds: how long that took to see."""

    check: str
    seconds: float


@dataclass(frozen=True)
class Checks:
    """The checks of a run. decides: what all of them follow from; None: nothing is kept."""

    decides: Sequence[object] | None
    output: Output

    def hold(self, name: str, about: Sequence[object], check: Callable[[], bool]) -> bool:
        """Whether it holds. about: what else it follows from, besides the model."""
        place = None
        if self.decides is not None:
            place = kept.place("checks", Held, [_FORMAT, name, list(about), list(self.decides)])
        found = place.read() if place else None
        if found and found.check == name:
            return True
        began = time.perf_counter()
        with _told(self.output):
            held = check()
        if held and place:
            place.write(Held(name, time.perf_counter() - began))
        return held


def of(config: Config, path: Path, fingerprint: str, network: nn.Module, output: Output) -> Checks:
    """Make the checks of a run on this model. fingerprint: of its weights.

    Nothing is kept of a run that begins with somebody's adapter.
    """
    if config.model.adapter:
        return Checks(None, output)
    try:
        by = [sums.computed_by(path, fingerprint), sums.ours(), str(model.dtype_of(network))]
    except OSError:
        return Checks(None, output)
    return Checks(by, output)


@contextmanager
def _told(output: Output) -> Iterator[None]:
    """Say that something is checked, where that takes longer than a moment."""
    before = output.phase
    timer = threading.Timer(_SOON, output.enter, ["checking"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        output.enter(before)
