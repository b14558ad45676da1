"""Rows that ask the same and are answered otherwise, within a split and between splits."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator

import numpy as np

from farense_worker.protocol.dataset import Row

Place = tuple[int, int]  # a split's number, and a line


class Questions:
    """Remembers what is asked and what is answered, by 64-bit hashes, 24 bytes a row."""

    def __init__(self) -> None:
        self._asked = array("Q")
        self._said = array("Q")
        self._place = array("Q")  # split << 48 | line

    def add(self, split: int, row: Row) -> None:
        """Take a row; text asks nothing, and a row without an answer is told elsewhere."""
        if row.kind == "text":
            return
        messages, tools = row.conversation()
        if messages[-1]["role"] != "assistant":
            return
        *before, last = messages
        asked = [str(part) for each in before for part in (each["role"], each["content"])]
        self._asked.append(_hash(*asked, str(tools)))
        self._said.append(_hash(str(last["content"])))
        self._place.append(split << 48 | row.line)

    def find(self) -> Iterator[tuple[Place, Place]]:
        """Give each row that asks what an earlier one asks and is answered otherwise, and that."""
        if not self._place:
            return
        asked = np.frombuffer(self._asked, np.uint64)
        said = np.frombuffer(self._said, np.uint64)
        _, first, group = np.unique(asked, return_index=True, return_inverse=True)
        earlier = first[group]
        for at in np.flatnonzero((earlier != np.arange(len(asked))) & (said != said[earlier])):
            yield self._at(int(at)), self._at(int(earlier[at]))

    def _at(self, index: int) -> Place:
        place = self._place[index]
        return place >> 48, place & (1 << 48) - 1


def _hash(*texts: str) -> int:
    """64 bits of some texts, white space and case aside."""
    folded = "\0".join(" ".join(text.split()).casefold() for text in texts)
    raw = folded.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")
