"""Documents for tests: PDF by hand, DOCX by python-docx, and a model that says what it is told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

FOUNDED = (
    "O Sporting Clube Farense foi fundado em Faro no dia 1 de abril de 1910, ainda no tempo da "
    "monarquia, por um grupo de jovens à volta de João Gralho."
)
GROUND = (
    "O clube joga no Estádio de São Luís desde 1924. O terreno foi comprado em 1922 por Manuel "
    "Santo, um emigrante que tinha regressado dos Estados Unidos da América."
)


def pdf(path: Path, pages: Iterable[str], password: str = "") -> Path:
    """A PDF of pages of text, in Latin-1 as the standard fonts have it."""
    pypdf = pytest.importorskip("pypdf")
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
            NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(600, 800)
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        lines = [text[at : at + 70] for at in range(0, len(text), 70)]
        shown = " ".join(f"({line}) Tj T*" for line in lines)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 14 TL 50 750 Td {shown} ET".encode("cp1252"))
        page[NameObject("/Contents")] = stream
    if password:
        writer.encrypt(password)
    writer.write(path)
    return path


def docx(path: Path, *paragraphs: str) -> Path:
    made = pytest.importorskip("docx").Document()
    for text in paragraphs:
        made.add_paragraph(text)
    table = made.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Fundação", "1910"
    made.save(str(path))
    return path


class Scripted:
    """A model that answers from a list, or with one question for each passage."""

    def __init__(self, fails_after: int = -1) -> None:
        self.asked: list[str] = []
        self._left = fails_after

    def ask(self, text: str, max_tokens: int) -> str:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self.asked.append(text)
        if "yes or no" in text:
            return "Yes."
        passage = text.rpartition("Passage:\n")[2]
        first, last = passage.split()[1], passage.split()[-1]
        return (
            f"Q: O que se diz de {first}?\nA: {passage[:60]}\n\n"
            f"**Pergunta 2:** E de {last}\n**Resposta:** {passage[-50:]}\n"
            "Q: Quando foi isso?\nA: Em 1777.\n"
        )

    def end(self) -> None:
        self._left = 0
