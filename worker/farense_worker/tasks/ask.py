"""The task `ask`: a conversation with a base model and with adapters on it.

See protocol/messages/conversation.py for what is read and printed. The models share the weights of
the base, so each adapter only takes its own.
"""

from __future__ import annotations

import functools
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from farense_worker.data.labels import template_errors
from farense_worker.generate import decoding, prompts
from farense_worker.generate.sampling import Sampling
from farense_worker.model import inference, tokenizer
from farense_worker.model.as_trained import positions
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.conversation import (
    Answered,
    Piece,
    Question,
    Ready,
    Said,
    Setup,
    Stop,
)
from farense_worker.protocol.settings.profile import Model


def ask(setup: Setup, say: Callable[[Said], None]) -> None:
    """Answer until there are no more questions."""
    models, takes_system = load(setup, say)
    say(Ready(takes_system))
    for asked, stopped in Listener():
        if asked.system is not None and not takes_system:
            raise _no_system()
        for model in models:
            model.answer(asked, stopped)
        say(Ready(takes_system))


class Listener:
    """Reads stdin in a thread of its own, so that a Stop is heard while an answer is given."""

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
        self._heard = self._stopped = 0  # how many questions, and how many of them are broken off
        threading.Thread(target=self._listen, daemon=True).start()

    def __iter__(self) -> Iterator[tuple[Question, Callable[[], bool]]]:
        """Give each question, and what tells whether its answers are to be broken off."""
        number = 0
        while question := self._questions.get():
            number += 1
            yield question, functools.partial(self._is_stopped, number)

    def _is_stopped(self, number: int) -> bool:
        return number <= self._stopped

    def _listen(self) -> None:
        try:
            for line in sys.stdin.buffer:
                said = msgspec.json.decode(line, type=Question | Stop)
                if isinstance(said, Stop):
                    self._stopped = self._heard
                else:
                    self._heard += 1
                    self._questions.put(said)
        finally:
            self._questions.put(None)


class Speaker:
    """One model in the conversation, with what it has said."""

    def __init__(
        self,
        name: str,
        network: Any,
        tokenizer: Any,
        say: Callable[[Said], None],
        room: int = 0,
    ) -> None:
        """room: tokens that the model was made for; 0 where nobody knows."""
        self._name = name
        self._room = room
        self._say = say
        self._network = network
        self._tokenizer = tokenizer
        self._turns: list[Any] = []

    def answer(self, asked: Question, stopped: Callable[[], bool]) -> None:
        """Stream the answer to a question, and remember both."""
        if asked.fresh:
            self._turns = [prompts.turn(*turn) for turn in asked.before.get(self._name, ())]
        self._turns.append(prompts.turn("user", asked.text))
        began, count, whole, ended = time.perf_counter(), 0, "", False
        detokenizer = self._tokenizer.detokenizer
        detokenizer.reset()
        try:
            prompt = prompts.prompt_tokens(self._tokenizer, self._turns, asked.system)
        except template_errors() as error:
            said = _("the chat template refuses the conversation: {error}").format(error=error)
            raise refused(said, kind="model") from error
        if 0 < self._room <= len(prompt):
            raise _too_long(len(prompt), self._room, len(self._turns))
        for token in decoding.tokens(
            self._network,
            prompt,
            min(asked.max_tokens, self._room - len(prompt)) if self._room else asked.max_tokens,
            sampling=Sampling(
                temperature=asked.temperature,
                top_p=asked.top_p,
                min_p=asked.min_p,
                repetition=asked.repetition,
                seed=asked.seed,
            ),
        ):
            if token in self._tokenizer.eos_token_ids:
                ended = True
                break
            count += 1
            detokenizer.add_token(token)
            whole += self._tell(detokenizer.last_segment)
            if stopped():
                break
        detokenizer.finalize()
        whole += self._tell(detokenizer.last_segment)
        self._turns.append(prompts.turn("assistant", whole.strip()))
        self._say(Answered(self._name, count, time.perf_counter() - began, not ended))

    def _tell(self, piece: str) -> str:
        if piece:
            self._say(Piece(self._name, piece))
        return piece


def load(setup: Setup, say: Callable[[Said], None]) -> tuple[list[Speaker], bool]:
    """Load the base once, and each adapter on a model of its own that shares its weights.

    Gives them, and whether they take a system message.
    """
    settings = Model(
        repo=setup.repo,
        revision=setup.revision,
        dtype=setup.dtype,
        trust_remote_code=setup.trust_remote_code,
    )
    folder = inference.find(settings)
    words = tokenizer.load(folder, settings)
    base = inference.load(folder, settings)
    room = positions.longest(folder)
    speakers = [Speaker("", base, words, say, room)]
    for adapter in setup.adapters:
        shared = inference.load(folder, settings, adapter.name, adapter.folder, shares=base)
        speakers.append(Speaker(adapter.name, shared, words, say, room))
    return speakers, prompts.takes_system(words)


def _too_long(tokens: int, room: int, turns: int) -> FarenseError:
    return refused(
        _("there is no room for an answer"),
        _(
            "question and what was said before have {n} tokens; the model was made for {most}"
        ).format(n=tokens, most=room),
        _("Begin a new conversation.") if turns > 1 else _("Ask something shorter."),
        kind="context",
    )


def _no_system() -> FarenseError:
    return refused(
        _("the model takes no system prompt"),
        _("Its chat template has no place for one: nothing was trained with one on it."),
        _("Ask without one, or write it into the question."),
        kind="system",
    )
