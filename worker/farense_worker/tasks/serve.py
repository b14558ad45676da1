"""The task `serve`: models behind an OpenAI-compatible address. See protocol/messages/serving.py.

Requests are answered by mlx_lm's own server, which puts several through the model at once and
keeps what conversations leave behind; serve/ says what it is given and what it is not.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import msgspec

from farense_worker.loop import memory
from farense_worker.model import compat
from farense_worker.model import model as network
from farense_worker.process.native_errors import explain
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.serving import (
    Ended,
    Figures,
    Handled,
    Listening,
    Said,
    Setup,
    Stop,
)
from farense_worker.serve import server
from farense_worker.serve.door import Door
from farense_worker.serve.models import Models
from farense_worker.serve.server import Server

_TICK = 0.1
_EVERY = 1.0  # seconds between figures
_OVER = 10.0  # seconds that rates are of
_GRACE = 5.0  # seconds for the answers that are being given
_MOST_CACHE = 1 << 30
_UNTOLD = 1000  # requests that nobody has heard of yet


def serve(setup: Setup, say: Callable[[Said], None]) -> None:
    """Answer requests until it is asked to stop."""
    asked_to_stop = _listen_for_stop()
    if not network.on_gpu():
        mx.disable_compile()  # it would call a C++ compiler for every sampler
    limit = memory.memory_limit(mx)
    cache = min(_MOST_CACHE, limit // 16)
    mx.set_cache_limit(cache)
    with server.take(setup.host, setup.ports) as taken:
        models = Models(setup, cache)
        _Serving(setup, taken, models, limit, say).go_on(asked_to_stop)


def _listen_for_stop() -> Callable[[], bool]:
    """Hear of SIGTERM, SIGINT, a Stop on stdin, or its end."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    signal.signal(signal.SIGHUP, lambda *_: told.set())

    def listen() -> None:
        for line in sys.stdin.buffer:
            msgspec.json.decode(line, type=Stop)
            break
        told.set()

    threading.Thread(target=listen, daemon=True).start()
    return told.is_set


class _Serving:
    def __init__(
        self,
        setup: Setup,
        taken: Server,
        models: Models,
        limit: int,
        say: Callable[[Said], None],
    ) -> None:
        from farense_worker.serve.handler import Handler  # mlx_lm's server takes seconds to import

        self._handler = Handler
        self._server = taken
        self._models = models
        self._limit = limit
        self._say = say
        self._began = time.monotonic()
        self._untold: deque[Handled] = deque(maxlen=_UNTOLD)
        self._recent: deque[tuple[float, int, int]] = deque()
        self._requests = self._refused = self._tokens = self._running = 0
        self._counting = threading.Lock()
        theirs = compat.serving()
        arguments = models.cli_args
        cached = theirs.LRUPromptCache(arguments.prompt_cache_size, arguments.prompt_cache_bytes)
        self._last = _LastError()
        logging.getLogger().addHandler(self._last)
        self._generator = theirs.ResponseGenerator(models, cached)
        host = str(taken.server_address[0])
        self._door = Door(loopback=server.is_loopback(host), key=setup.key, origins=setup.origins)
        self._host, self._port = host, int(taken.server_address[1])

    def go_on(self, asked_to_stop: Callable[[], bool]) -> None:
        """Load, answer, tell, until it is enough. Raises FarenseError if the models give up."""
        try:
            while not self._models.loaded.wait(_TICK):
                self._check()
                if asked_to_stop():
                    self._say(Ended(requests=0, broken_off=0))
                    return
            self._server.answer_with(self._answer)
            self._say(
                Listening(
                    host=self._host,
                    port=self._port,
                    models=self._models.names,
                    context=self._models.context,
                    takes_system=self._models.takes_system,
                )
            )
            told = 0.0
            while not asked_to_stop():
                self._check()
                self._tell()
                if time.monotonic() - told >= _EVERY:
                    told = time.monotonic()
                    self._say(self._figures())
                time.sleep(_TICK)
            self._server.shutdown()
            self._server.server_close()
            until = time.monotonic() + _GRACE
            while self._running and time.monotonic() < until:
                time.sleep(_TICK)
            self._tell()
            self._say(Ended(requests=self._requests, broken_off=self._running))
        finally:
            self._generator.stop_and_join()

    def _answer(self, *args: Any) -> Any:
        """Answer one connection."""
        with self._counting:
            self._running += 1
        try:
            return self._handler(self._models, self._door, self._note, self._generator, *args)
        finally:
            with self._counting:
                self._running -= 1

    def _note(self, done: Handled) -> None:
        """Count a request; from its thread. It is told of by the main one."""
        with self._counting:
            self._requests += 1
            self._refused += done.status >= 400
            self._tokens += done.tokens
            self._recent.append((time.monotonic(), 1, done.tokens))
            self._untold.append(done)

    def _tell(self) -> None:
        while self._untold:
            self._say(self._untold.popleft())

    def _check(self) -> None:
        """Raise what the thread that answers ended by."""
        if self._generator.is_healthy:
            return
        error = self._last.error
        if isinstance(error, FarenseError):
            raise error
        told = explain(error) if error else None
        if told is None or told.kind == "unexpected":
            raise FarenseError(_("the models answer no more"), repr(error), kind="serve")
        raise told

    def _figures(self) -> Figures:
        now = time.monotonic()
        with self._counting:
            while self._recent and self._recent[0][0] < now - _OVER:
                self._recent.popleft()
            recent = list(self._recent)
        over = min(_OVER, max(_EVERY, now - self._began))
        return Figures(
            up=now - self._began,
            requests=self._requests,
            refused=self._refused,
            running=self._running,
            tokens=self._tokens,
            requests_per_second=sum(each[1] for each in recent) / over,
            tokens_per_second=sum(each[2] for each in recent) / over,
            memory=memory.footprint(),
            active_memory=mx.get_active_memory(),
            cache_memory=mx.get_cache_memory(),
            peak_memory=mx.get_peak_memory(),
            limit=self._limit,
        )


class _LastError(logging.Handler):
    """Keeps the error that mlx_lm's thread logs when it dies of it."""

    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.error = record.exc_info[1]
