"""A hand on a draft that is being made in another thread: it waits, goes on, or ends."""

from __future__ import annotations

import threading

from farense_worker.protocol.errors import FarenseError

from farense_tui.dataset.documents.models import Model


class Stopped(Exception):
    """Somebody ended it: the passage that was asked about is not written."""


class Pace:
    """Goes on until somebody says otherwise. From any thread."""

    def __init__(self) -> None:
        self._going = threading.Event()
        self._going.set()
        self._model: Model | None = None
        self.ended = False

    @property
    def paused(self) -> bool:
        return not self._going.is_set()

    def pause(self) -> None:
        """Ask nothing more until `go_on`; the answer that is being written is kept."""
        self._going.clear()

    def go_on(self) -> None:
        self._going.set()

    def end(self) -> None:
        """Break off, for good."""
        self.ended = True
        self._going.set()
        if self._model:
            self._model.end()

    def of(self, model: Model) -> Model:
        """Give a model that keeps this pace; its `ask` raises Stopped once this has ended."""
        self._model = model
        return _Paced(self, model)

    def step(self) -> None:
        """Wait while it is paused. Raises Stopped."""
        self._going.wait()
        if self.ended:
            raise Stopped


class _Paced:
    def __init__(self, pace: Pace, model: Model) -> None:
        self._pace, self._model = pace, model

    def ask(self, text: str, max_tokens: int) -> str:
        self._pace.step()
        try:
            said = self._model.ask(text, max_tokens)
        except FarenseError:
            if self._pace.ended:
                raise Stopped from None  # it was broken off
            raise
        if self._pace.ended:
            raise Stopped  # half an answer is none
        return said

    def end(self) -> None:
        self._model.end()
