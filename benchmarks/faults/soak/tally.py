"""What was tried, and what did not hold."""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

_HANGS = 1.0  # seconds of processor time for one input
_SHOWN = 5


class Tally:
    """Counts by kind; keeps the first failures to be looked at."""

    def __init__(self, part: str) -> None:
        self._part, self._began = part, time.monotonic()
        self.counts: Counter[str] = Counter()
        self.failed = 0
        self._slowest = 0.0

    def count(self, kind: str, number: int = 1) -> None:
        self.counts[kind] += number

    def fail(self, kind: str, what: str, keep: bytes | None = None) -> None:
        """Note what did not hold; `keep` is what it was tried with."""
        self.failed += 1
        if self.failed > _SHOWN:
            return
        print(f"{self._part}: {kind}: {what}", flush=True)
        if keep is not None:
            place = Path(f"soak-{self._part}-{self.failed}.bin")
            place.write_bytes(keep)
            print(f"  kept in {place}", flush=True)

    def try_(
        self, kind: str, what: bytes, do: Callable[[], object], allowed: tuple[type[Exception], ...]
    ) -> None:
        """Do it: what it raises but for `allowed`, and a second of processor, are failures."""
        self.count(kind)
        began = time.process_time()
        try:
            do()
        except allowed:
            pass
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            last = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {str(error)[:120]} at {last.filename}:{last.lineno}"
            self.fail(kind, said, what)
        took = time.process_time() - began
        self._slowest = max(self._slowest, took)
        if took > _HANGS:
            self.fail(kind, f"took {took:.1f} s", what)

    def tell(self) -> None:
        """Print the counts."""
        tried = ", ".join(f"{number:,} {kind}" for kind, number in self.counts.most_common())
        unit = 1 if sys.platform == "darwin" else 1024
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        took = time.monotonic() - self._began
        print(
            f"{self._part}: {self.failed} failed; {tried}; {took:.0f} s, the slowest "
            f"{self._slowest:.2f} s of processor, {most >> 20} MiB at most",
            flush=True,
        )
