"""One request: what is asked, and mlx_lm's answer to it."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec

from farense_worker.model import compat
from farense_worker.protocol.errors import in_words
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.serving import Handled
from farense_worker.serve import requests
from farense_worker.serve.answer import Answer, chat_chances, text_chances
from farense_worker.serve.door import Door
from farense_worker.serve.models import Models
from farense_worker.serve.requests import Chat, Refusal, Text

_PATIENCE = 30.0  # seconds for a client to send or to take something
_WHOLE = 60.0  # seconds in which a request arrives: byte by byte it would hold its place


_Theirs: Any = compat.serving().APIHandler


class Handler(_Theirs):
    """mlx_lm's handler, which asks `models`, lets in whom `door` does, tells of each request."""

    response_generator: Any
    object_type: str
    path: str
    rfile: Any
    timeout = _PATIENCE
    whole = _WHOLE
    server_version, sys_version = "farense-tui", ""

    def __init__(
        self, models: Models, door: Door, tell: Callable[[Handled], None], *theirs: Any
    ) -> None:
        """theirs: a ResponseGenerator, and what a server gives. The request is answered here."""
        self._models, self._door, self._tell = models, door, tell
        super().__init__(*theirs, system_fingerprint="farense-tui")

    def handle_one_request(self) -> None:
        """Take a request and answer it, or end where it does not arrive in time."""
        self._arriving = threading.Timer(self.whole, self._hear_no_more)
        self._arriving.daemon = True
        self._arriving.start()
        try:
            super().handle_one_request()
        finally:
            self._arriving.cancel()

    def _hear_no_more(self) -> None:
        with contextlib.suppress(OSError):  # it has gone by itself
            self.connection.shutdown(socket.SHUT_RD)

    def do_GET(self) -> None:
        self._handled(self._get)

    def do_POST(self) -> None:
        self._handled(self._post)

    def do_OPTIONS(self) -> None:
        self._handled(super().do_OPTIONS)

    def _handled(self, answer: Callable[[], None]) -> None:
        """Answer or refuse, and tell of it whatever becomes of it."""
        began, self._status, self._model, self._fault = time.time(), 0, "", ""
        self._asked: Chat | Text | None = None
        self._answer, self._likely, self._called = Answer(self.response_generator), 0, False
        self.path = self.path.partition("?")[0]
        try:
            answer()
        except Refusal as refusal:
            self._fault = refusal.message
            self._json(refusal.status, refusal.body())
        except (ConnectionError, TimeoutError):
            self._fault = _("whoever asked has gone away")
            self.close_connection = True
        except Exception as error:  # of a model, in the middle of its answer
            logging.exception("an answer ended by an error")  # not translated: for the log
            self._fault = in_words(error)
            with contextlib.suppress(OSError):
                self._break_off(Refusal(500, "server_error", self._fault))
        finally:
            self._tell(
                Handled(
                    time=began,
                    path=self.path[:200],
                    status=self._status,
                    seconds=time.time() - began,
                    model=self._model,
                    prompt_tokens=self._answer.prompt_tokens,
                    tokens=self._answer.tokens,
                    fault=self._fault or self._answer.fault,
                    ignored=self._asked.ignored if self._asked else (),
                )
            )

    def _get(self) -> None:
        if self.path == "/health":
            healthy = self.response_generator.is_healthy
            return self._json(200 if healthy else 503, b'{"status": "%s"}' % _HEALTH[healthy])
        self._door.check(self.headers)
        listed = [_listed(name) for name in self._models.names]
        if self.path == "/v1/models":
            return self._json(200, msgspec.json.encode({"object": "list", "data": listed}))
        if self.path.startswith("/v1/models/"):
            found = self._models.named(unquote(self.path.removeprefix("/v1/models/")) or "?")
            return self._json(200, msgspec.json.encode(_listed(found)))
        raise Refusal(404, "not_found", _("there is nothing at {path}").format(path=self.path))

    def _post(self) -> None:
        self._door.check(self.headers)
        kind = requests.KINDS.get(self.path)
        if kind is None:
            said = _("there is nothing at {path}").format(path=self.path[:200])
            raise Refusal(404, "not_found", said)
        self._asked = asked = requests.read(self._body(), kind)
        self._answer.stops = asked.stops
        self._model = self._models.named(asked.model)
        body = requests.handed_on(asked, self._models.vocabulary)
        messages = self._models.messages(asked) if isinstance(asked, Chat) else []
        body["max_tokens"] = self._models.answer_length(asked, messages)
        body |= {"messages": messages} if isinstance(asked, Chat) else {"prompt": asked.prompt}
        body["model"] = self._model
        sent = msgspec.json.encode(body)
        self.headers.replace_header("Content-Length", str(len(sent)))
        own, self.rfile = self.rfile, io.BytesIO(sent)
        self.response_generator = self._answer
        try:
            super().do_POST()
        finally:
            self.rfile = own

    def _body(self) -> bytes:
        text = self.headers.get("Content-Length") or ""
        if not (text.isascii() and text.isdigit()):
            raise Refusal(411, "length_required", _("the request does not tell its length"))
        text = text.lstrip("0")[:20] or "0"  # int() takes no more than 4300 digits
        if (length := int(text)) > requests.LONGEST:
            said = _("the request has {n} bytes; {most} are the most")
            self.close_connection = True
            raise Refusal(413, "too_large", said.format(n=text, most=requests.LONGEST))
        body: bytes = self.rfile.read(length)
        self._arriving.cancel()
        if len(body) < length:
            raise ConnectionError
        return body

    def handle_chat_completions(self) -> Any:
        """Put a conversation to a model without a template as `ask` does: its last turn."""
        asked = super().handle_chat_completions()
        if not self._models.has_template:
            asked.request_type, asked.prompt = "text", asked.messages[-1]["content"]
        return asked

    def generate_response(
        self, text: str, finish_reason: str | None, *counts: Any, **more: Any
    ) -> dict[str, Any]:
        """Give mlx_lm's answer, or a piece of it, with what it leaves out or mixes up.

        Its log probabilities go by the likeliest token where another was said, and not with pieces.
        """
        calls, unread = more.get("tool_calls"), self._answer.unread()
        self._called |= bool(calls)
        if finish_reason == "tool_calls" and not self._called:
            finish_reason = "stop"
        if counts:
            counts = (counts[0], self._answer.tokens, *counts[2:])
        more |= {"token_logprobs": None, "top_tokens": None}
        text += "".join(map(self._models.as_called, unread))
        made: dict[str, Any] = super().generate_response(text, finish_reason, *counts, **more)
        if self._asked and self._asked.wants_chances:
            found = self._answer.likely[self._likely :]
            self._likely += len(found)
            tell = chat_chances if isinstance(self._asked, Chat) else text_chances
            made["choices"][0]["logprobs"] = tell(found, self._models.text_of)
        return made

    def completion_usage_response(self, prompt: int, _count: int, cached: int) -> dict[str, Any]:
        made: dict[str, Any] = super().completion_usage_response(
            prompt, self._answer.tokens, cached
        )
        return made | {"object": self.object_type}

    def _set_cors_headers(self) -> None:
        """Allow a key as well: browsers do not take it to be among all headers."""
        super()._set_cors_headers()
        names = "Authorization, Content-Type"  # not translated: HTTP's
        self.send_header("Access-Control-Allow-Headers", names)

    def _break_off(self, refusal: Refusal) -> None:
        """Refuse an answer that has begun: with the error in its place, or as its last piece."""
        self.close_connection = True
        if self._status and not getattr(self, "_headers_buffer", None):
            self.wfile.write(b"data: %s\n\n" % refusal.body())
            self._status = refusal.status
        else:
            self._headers_buffer: list[bytes] = []
            self._json(refusal.status, refusal.body())

    def _json(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in self._door.allowance(self.headers):
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_response(self, code: int, message: str | None = None) -> None:
        self._status = int(code)
        super().send_response(code, message)

    def log_message(self, *_words: object) -> None:
        """Say nothing on stderr: each request is told of."""


_HEALTH = {True: b"ok", False: b"unavailable"}


def _listed(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "farense-tui"}
