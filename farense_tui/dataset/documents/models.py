"""Who is asked: a model on this machine, in a worker of its own, or one behind an address."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.conversation import Piece, Question, Setup

from farense_tui.dataset.documents import wanted
from farense_tui.engine.models import locate
from farense_tui.engine.post import NotTaken, post
from farense_tui.engine.tasks.ask import Conversation

KEY = "OPENAI_API_KEY"
_TRIES = 3
_PATIENCE = 600.0  # seconds for an answer


class Model(Protocol):
    """Somebody who answers, always the same to the same question."""

    def ask(self, text: str, max_tokens: int) -> str:
        """Give the answer to a question that stands alone."""

    def end(self) -> None:
        """Break off an answer that is being given, from another thread; nothing is asked then."""


@contextmanager
def local(repo: str, revision: str = "", trust_remote_code: bool = False) -> Iterator[Model]:
    """Load a model in a worker. Raises FarenseError where it is nowhere.

    The first question raises it where it cannot be loaded.
    """
    folder = locate.resolve(repo, revision)
    asked = Setup(folder, revision=revision, trust_remote_code=trust_remote_code)
    with Conversation(asked) as conversation:
        yield _Local(conversation)


class _Local:
    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._loaded = False

    def ask(self, text: str, max_tokens: int) -> str:
        if not self._loaded:
            self._conversation.ready()
            self._loaded = True
        question = Question(text=text, fresh=True, max_tokens=max_tokens)
        said = self._conversation.ask(question)
        return "".join(each.text for each in said if isinstance(each, Piece))

    def end(self) -> None:
        self._conversation.close()


class Address:
    """A server that speaks as OpenAI's does; the key comes from the environment."""

    def __init__(self, url: str, name: str) -> None:
        """url: as far as /v1. name: of the model, as the server calls it."""
        wanted.check(url, name)
        self._url = url.rstrip("/") + "/chat/completions"
        self._name = name

    def ask(self, text: str, max_tokens: int) -> str:
        """Ask, a few times where the server does not answer. Raises FarenseError after that."""
        body = {
            "model": self._name,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "seed": 0,
        }
        for left in reversed(range(_TRIES)):
            try:
                return self._said(body)
            except NotTaken as error:
                if (error.status < 500 and error.status != 429) or not left:
                    raise self._refused(str(error)) from error
            except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
                if not left:
                    why = getattr(error, "reason", error)  # of urllib's own: what the system says
                    why = getattr(why, "strerror", None) or str(why) or type(error).__name__
                    raise self._refused(why) from error
            time.sleep(1.0)
        raise AssertionError("the last try returns or raises")  # not translated: a fault of ours

    def end(self) -> None:
        """Let it finish: it is not on this machine."""

    def _said(self, body: dict[str, Any]) -> str:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        data = json.dumps(body).encode()
        told = json.loads(post(self._url, data, headers, _PATIENCE))
        said = told["choices"][0]["message"]["content"]
        if not isinstance(said, str | None):
            raise TypeError(_("its answer is no text"))
        return said or ""

    def _refused(self, why: str) -> FarenseError:
        return refused(
            _("{url} does not answer").format(url=self._url),
            why,
            _("What is done is kept: the same command goes on there."),
            kind="address",
        )
