"""The questions of a test set, to be asked by hand."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from farense_worker.protocol import dataset
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.rows.row_faults import Fault
from farense_worker.protocol.settings.profile import Data

_MOST = 1000


class Asked(NamedTuple):
    """A question, and the answer that stands beside it in the data; system: its system message."""

    question: str
    reference: str
    system: str | None = None

    @property
    def line(self) -> str:
        """The question as it fits into a field of one line."""
        return clean(self.question)


def read(data: Data) -> list[Asked]:
    """Give the questions in the first thousand rows of test.jsonl, else of valid.jsonl.

    Left out are rows of plain text, and conversations of more than one question. Empty where there
    is no such file.
    """
    for split in ("test", "valid"):
        try:
            rows = list(islice(dataset.scan(Path(data.path) / f"{split}.jsonl", data), _MOST))
        except OSError:
            continue
        if found := [asked for row in rows if (asked := _asked(row))]:
            return found
    return []


def _asked(row: Row | Fault) -> Asked | None:
    if isinstance(row, Fault) or row.kind == "text":
        return None
    messages, _ = row.conversation()
    if [each["role"] for each in messages if each["role"] != "system"] != ["user", "assistant"]:
        return None
    question, answer = (str(each.get("content") or "") for each in messages[-2:])
    return Asked(question, answer, row.system) if question.strip() else None
