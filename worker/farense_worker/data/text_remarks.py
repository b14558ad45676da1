"""What is told of a row's words, before any template: how they were decoded, foreign marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farense_worker.data import marks, text_faults
from farense_worker.data.conversation import Remark
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.language import gettext as _


def remarks(row: Row, tokenizer: Any) -> Iterator[Remark]:
    """Give them; without a tokenizer (None) nothing is known of marks."""
    for code, what in text_faults.find("\n".join(row.strings)):
        yield Remark(code, what)
    if ends := text_faults.written_ends(row.strings):
        yield Remark("escaped", ends)
    if tokenizer is not None and (written := marks.foreign(tokenizer, row)):
        what = _("the model's own template has others than {marks}")
        yield Remark("template_marks", what.format(marks=" ".join(written)))
