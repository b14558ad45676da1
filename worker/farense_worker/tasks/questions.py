"""What an evaluation asks: each answer of a row, after what came before it in the data.

The history is the reference's, not what the model said: every model is asked the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from farense_worker.data import row_text
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.settings.profile import Answers


@dataclass(frozen=True)
class Question:
    """The answer in message `at` (from 0) of a row; `turn` counts the row's answers from 1."""

    row: Row
    at: int
    turn: int

    @property
    def text(self) -> str:
        """What was asked last."""
        return str(self.row.conversation()[0][self.at - 1].get("content") or "")

    @property
    def reference(self) -> str:
        """The answer that stands in the data."""
        return str(self.row.conversation()[0][self.at].get("content") or "")

    @property
    def said(self) -> str:
        """The same without the thoughts that may stand in it."""
        return row_text.answer_of({"content": self.reference})


def questions_of(row: Row, answers: Answers) -> list[Question]:
    """Give what a row asks for; nothing of a row whose answers are calls of tools alone."""
    if row.kind == "text":
        return []
    messages, _tools = row.conversation()
    found = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    skipped = row.unweighted  # neither trained on nor asked for
    asked = [Question(row, at, turn) for turn, at in enumerate(found, 1) if at]
    asked = [each for each in asked if each.at not in skipped]
    if answers == "last":
        asked = [each for each in asked if each.at == len(messages) - 1]
    return [each for each in asked if each.reference.strip()]
