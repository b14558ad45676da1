"""What is left out: each row with its rule, in a file of the new folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from farense_worker.protocol.language import gettext as _
from numpy.typing import NDArray

from farense_tui.dataset import duplicates
from farense_tui.dataset.pool import Pool


class LeftOut:
    """The rows that are left out, each with its rule, in a file of the new folder."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path, self._names = path, names
        self._file = path.open("wb")
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.first = ""

    def add(self, source: int, number: int, rule: str, what: str) -> None:
        name = self._names[source]
        line = {"source": name, "row": number, "rule": rule, "what": what}
        self._file.write(msgspec.json.encode(line) + b"\n")
        self.counts[rule] += 1
        self.first = self.first or f"{name}:{number}: {what}"
        self.examples.setdefault(rule, f"{name}:{number}: {what}")

    def place(self, source: int, number: int) -> str:
        """Tell where a row stands."""
        return f"{self._names[source]}:{number}"

    def close(self) -> None:
        """End it; a file in which nothing stands goes."""
        self._file.close()
        if not self.counts:
            self._path.unlink()


def repeated(
    pool: Pool, pairs: duplicates.Pairs, left: LeftOut, *, near: bool
) -> NDArray[np.bool_]:
    """Leave out what is there more than once, and give which rows stay; (n,).

    Of equal rows that one stays which is tested or validated on, else the first. pairs: what is
    nearly the same, left out only where `near`.
    """
    kept = np.ones(len(pool), bool)
    given = pool.numbers("split")
    rank = np.array([2, 1, 0, 2], np.uint8)[given]  # test before valid before train
    order = np.argsort(rank, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    earlier = duplicates.exact(pool.numbers("whole"), order)
    found = {
        int(row): (int(earlier[row]), _("the same as {place} but for white space and case"))
        for row in np.flatnonzero(earlier != np.arange(len(pool)))
    }
    kept[list(found)] = False
    if near:
        ranked = [sorted(pair, key=lambda row: place[row]) for pair in pairs.tolist()]
        for first, row in sorted(ranked, key=lambda pair: (place[pair[1]], place[pair[0]])):
            if kept[first] and kept[row]:
                kept[row] = False
                found[row] = (first, _("nearly the same as {place}"))
    for row in sorted(found):
        first, what = found[row]
        nearly = "near_" if earlier[row] == row else ""
        rule = "leak" if rank[row] != rank[first] else "duplicate"
        name = left.place(pool.source[first], pool.number[first])
        left.add(pool.source[row], pool.number[row], nearly + rule, what.format(place=name))
    return kept
