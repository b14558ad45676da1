"""The system prompt that a data set trains a model with, so that it can be asked with it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from farense_worker.protocol import dataset
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.settings.profile import Data

LOOKED_AT = 1000  # rows; a long file is not read to its end


def of_training(data: Data) -> str | None:
    """Give the system message that the rows of train.jsonl have in common, an empty one too.

    The first thousand rows tell. None where one of them has another or none, where they are plain
    text, and where there is no such file.
    """
    found: set[str | None] = set()
    try:
        for row in islice(dataset.scan(Path(data.path) / "train.jsonl", data), LOOKED_AT):
            if isinstance(row, Row):
                found.add(row.system)
            if len(found) > 1:
                return None
    except OSError:
        return None
    return found.pop() if found else None


def shared(sets: Iterable[Data]) -> tuple[str | None, bool]:
    """Give the system prompt of several data sets, and whether they agree; None if they do not."""
    found = {of_training(data) for data in set(sets)}
    return (found.pop(), True) if len(found) == 1 else (None, False)
