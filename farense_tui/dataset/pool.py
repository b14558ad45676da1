"""All rows, on the disk; of each a few numbers in memory: where it is from, what it equals."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from farense_worker.protocol.dataset import SPLITS, Row
from numpy.typing import NDArray

UNSPLIT = len(SPLITS)
KINDS = ("completion", "chat", "text")


class Pool:
    """Rows are appended to a file as they are mapped; 55 bytes of each stay in memory.

    Fingerprints are 64 bits, white space and case aside: of the whole row, of its question and of
    its answer (0 where it has none), of the columns by which rows are kept together or spread.
    """

    def __init__(self, path: Path) -> None:
        """Begin an empty one in a new file."""
        self._file = path.open("w+b")
        self._offsets = array("Q", [0])
        self.source = array("H")
        self.number = array("Q")
        self.split = array("B")  # of SPLITS, or UNSPLIT
        self.kind = array("B")  # of KINDS
        self.whole = array("Q")
        self.question = array("Q")
        self.answer = array("Q")
        self.together = array("Q")
        self.stratum = array("Q")

    def __len__(self) -> int:
        return len(self.number)

    def close(self) -> None:
        self._file.close()

    def add(self, source: int, number: int, row: Row, split: str, group: Any, stratum: Any) -> None:
        """Take a row. group, stratum: the values of those columns, None without one."""
        raw = msgspec.json.encode(row.values)
        self._file.write(raw)
        self._offsets.append(self._offsets[-1] + len(raw))
        self.source.append(source)
        self.number.append(number)
        self.split.append(SPLITS.index(split) if split else UNSPLIT)
        self.kind.append(KINDS.index(row.kind))
        self.whole.append(row.fingerprint(normalised=True))
        question, answer = asked_and_answered(row)
        self.question.append(_hash(question))
        self.answer.append(_hash(answer))
        self.together.append(0 if group is None else _hash(str(group)))
        self.stratum.append(0 if stratum is None else _hash(str(stratum)))

    def raw(self, at: int) -> bytes:
        """Give a row as JSON."""
        self._file.seek(self._offsets[at])
        return self._file.read(self._offsets[at + 1] - self._offsets[at])

    def raws(self) -> Iterator[bytes]:
        """Give all rows as JSON, in order."""
        self._file.seek(0)
        for at in range(len(self)):
            yield self._file.read(self._offsets[at + 1] - self._offsets[at])

    def numbers(self, name: str) -> NDArray[Any]:
        """Give one of the columns as an array; (n,)."""
        values: array[int] = getattr(self, name)
        return np.array(values, dtype=values.typecode)


def asked_and_answered(row: Row) -> tuple[str, str]:
    """Give what is asked before the last answer, and that answer; ("", "") for text."""
    if row.kind == "text":
        return "", ""
    messages, _tools = row.conversation()
    ends = [at for at, each in enumerate(messages) if each["role"] == "assistant"]
    if not ends:
        return "", ""
    before = [str(each["content"]) for each in messages[: ends[-1]] if each["role"] != "system"]
    return "\n".join(before), str(messages[ends[-1]]["content"])


def _hash(text: str) -> int:
    """64 bits of a text, white space and case aside; 0 for an empty one."""
    folded = " ".join(text.split()).casefold()
    if not folded:
        return 0
    digest = hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
