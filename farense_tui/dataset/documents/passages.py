"""Documents cut into passages: pieces of a length that a model can read with care."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from farense_tui.dataset import cut
from farense_tui.dataset.documents.text_of import Part

MOST = 1200  # characters, some 300 tokens
_LEAST = 80  # a heading alone, a page's number


class Passage(Struct, frozen=True):
    """What questions are asked about. document: its name; place: "page 3", or ""."""

    document: str
    place: str
    text: str


def of(path: Path, parts: Sequence[Part], most: int = MOST) -> list[Passage]:
    """Cut a document where its paragraphs end, a long one where sentences do; short ones together.

    What is shorter than a sentence is left out: headings alone, page numbers.
    """
    found: list[Passage] = []
    for part in parts:
        together = ""
        for piece in (p for each in part.text.split("\n\n") for p in cut.pieces(each, most)):
            if together and len(together) + len(piece) + 2 > most:
                found.append(Passage(path.name, part.place, together))
                together = ""
            together = f"{together}\n\n{piece}" if together else piece
        if together:
            found.append(Passage(path.name, part.place, together))
    return [each for each in found if len(each.text) >= _LEAST]
