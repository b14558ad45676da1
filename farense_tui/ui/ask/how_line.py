"""The line below the question: what the models do, and how they are asked."""

from __future__ import annotations

from collections.abc import Sequence

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from textual.content import Content
from textual.widgets import Static

from farense_tui.ui.ask.sampling_choice import SamplingChoice


class HowLine(Static):
    """What is so, each with the key that changes it; what there is no room for is left out."""

    def __init__(self) -> None:
        super().__init__(id="how", markup=False)
        self._parts: Sequence[Content] = ()

    def show(self, doing: str, sampling: SamplingChoice, system: str, questions: int) -> None:
        """Show it anew. system: what is said of the system prompt. questions: of the test set."""
        test = ngettext("{n} test question", "{n} test questions", questions).format(n=questions)
        told = (
            ("", doing),
            *sampling.words(),
            ("^s", system),
            ("^t", test if questions else ""),
        )
        self._parts = [
            Content.assemble((f"{key} " if key else "", "$accent"), words)
            for key, words in told
            if words
        ]
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self.update(_as_many_as_fit(self._parts, self.content_size.width))


def doing(*, busy: bool, asked: bool, waiting: bool, stopping: bool) -> str:
    """Say what the models do; nothing where they wait for a question.

    asked: whether there was a question. waiting: whether one waits until they are loaded.
    """
    if stopping:
        return _("breaking off …")
    if busy and asked:
        return _("answering … esc breaks it off")
    if waiting:
        return _("loading the models … then your question")
    if busy:
        return _("loading the models …")
    return ""


def _as_many_as_fit(parts: Sequence[Content], width: int) -> Content:
    """Join what there is room for; the last of it gives way."""
    between = Content(" · ")
    while len(parts) > 1 and between.join(parts).cell_length > width:
        parts = parts[:-1]
    return between.join(parts)
