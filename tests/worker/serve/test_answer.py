"""What becomes of mlx_lm's answers on their way out: stop words, calls that are none, errors."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from farense_worker.model import compat
from farense_worker.protocol.messages.serving import Handled
from farense_worker.serve import server
from farense_worker.serve.answer import Answer
from farense_worker.serve.door import Door
from farense_worker.serve.handler import Handler
from farense_worker.serve.models import Models
from farense_worker.serve.requests import Refusal
from farense_worker.serve.stop_words import StopWords
from hypothesis import given
from hypothesis import strategies as st

ARGUMENTS = '"arguments": {"b": 1}'
AS_TEXT = '"arguments": "{\\"b\\": 1}"'
TOOLS = {"normal": [("<tool>", "tool")], "tool": [("</tool>", "normal")]}


@given(st.text("ab\n"), st.lists(st.text("ab\n", min_size=1), max_size=3), st.data())
def test_a_stop_word_is_found_however_the_text_comes(
    text: str, words: list[str], data: st.DataObject
) -> None:
    found, said, left = StopWords(words), "", text
    stopped = False
    while left and not stopped:
        size = data.draw(st.integers(1, len(left)))
        piece, stopped = found.take(left[:size])
        said, left = said + piece, left[size:]
    places = [(text.index(word) + len(word), text.index(word)) for word in words if word in text]
    assert stopped == bool(places)
    _end, first = min(places, default=(0, len(text)))
    assert (said if stopped else said + found.rest()) == text[:first]


class _Generator:
    """mlx_lm's ResponseGenerator, that says what it is given."""

    is_healthy = True
    cli_args: Any = SimpleNamespace(
        allowed_origins=(),
        max_tokens=9,
        temp=0.0,
        top_p=1.0,
        top_k=0,
        min_p=0.0,
        num_draft_tokens=0,
    )

    def __init__(self, *pieces: str | Exception) -> None:
        self._pieces = pieces

    def generate(self, *_asked: Any, **_more: Any) -> tuple[Any, Iterator[Any]]:
        theirs = compat.serving()
        context = theirs.GenerationContext(
            True, False, json.loads, theirs.TextStateMachine(TOOLS), "normal", [1, 2]
        )
        context.tool_parser = lambda text, _tools: json.loads(text)
        return context, self._responses(theirs.Response)

    def _responses(self, response: Any) -> Iterator[Any]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield response(piece, 7, -0.5, None, ())
        yield response("", 0, -0.1, "stop", ())


def asked(*pieces: str | Exception, path: str = "/v1/chat/completions", **more: Any) -> Any:
    """Ask a server that says these pieces; the body of its answer, and what is told of it."""
    models: Any = SimpleNamespace(
        named=lambda _name: "club",
        vocabulary=9,
        messages=lambda chat: [message.plain() for message in chat.messages],
        answer_length=lambda *_asked: 9,
        has_template=True,
        as_called="<tool>{}</tool>".format,
        text_of=str,
    )
    body = json.dumps({"messages": [{"role": "user", "content": "?"}], "prompt": "?"} | more)
    told: list[Handled] = []
    door = Door(loopback=True, key="", origins=())
    with server.take("127.0.0.1", (0,)) as taken:
        taken.answer_with(partial(Handler, models, door, told.append, _Generator(*pieces)))
        address: Any = taken.server_address[:2]
        with socket.create_connection(address, timeout=120.0) as caller:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            caller.sendall(f"{head}{body}".encode())
            found = b"".join(iter(partial(caller.recv, 1 << 16), b""))
        taken.shutdown()
    return found.partition(b"\r\n\r\n")[2], told[0]


def choice(*pieces: str, **more: Any) -> dict[str, Any]:
    body, _told = asked(*pieces, **more)
    found: dict[str, Any] = json.loads(body)["choices"][0]
    return found


@pytest.mark.parametrize(
    ("pieces", "text", "calls", "reason"),
    [
        (("a ", "<"), "a <", [], "stop"),  # what may have been the beginning of a mark
        (('a<tool>{"name": "f", ', f"{ARGUMENTS}}}</tool>"), "a", ['{"b": 1}'], "tool_calls"),
        ((f'<tool>{{"name": "f", {AS_TEXT}}}</tool>',), None, ['{"b": 1}'], "tool_calls"),
        (('<tool>{"name": "f"}</tool>',), None, ["{}"], "tool_calls"),
        (("<tool>{name</tool> b",), " b<tool>{name</tool>", [], "stop"),
        (("<tool>3</tool>",), "<tool>3</tool>", [], "stop"),
    ],
)
def test_nothing_that_was_said_is_lost(
    pieces: tuple[str, ...], text: str | None, calls: list[str], reason: str
) -> None:
    found = choice(*pieces)
    told = found["message"].get("tool_calls") or []
    assert [call["function"]["arguments"] for call in told] == calls
    assert (found["message"]["content"], found["finish_reason"]) == (text, reason)


def test_a_plain_completion_is_all_that_was_said() -> None:
    found = choice("a<tool>", "b</tool>c", path="/v1/completions")
    assert (found["text"], found["finish_reason"]) == ("a<tool>b</tool>c", "stop")
    assert choice("a", "b", "c", path="/v1/completions", stop="bc")["text"] == "a"


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_in_an_answer_is_told(stream: bool) -> None:
    body, told = asked("a", ValueError("the model broke"), stream=stream)
    last = body.rstrip().rpartition(b"data: ")[2]
    assert "the model broke" in json.loads(last)["error"]["message"]
    assert (told.status, told.fault) == (500, "the model broke")


def test_usage_counts_what_was_said_once() -> None:
    body, told = asked("a", "b")
    assert json.loads(body)["usage"]["completion_tokens"] == told.tokens == 3  # and the end
    assert Answer(_Generator()).tokens == 0


def test_a_conversation_needs_a_template() -> None:
    """The last message alone would be answered."""
    models: Any = Models.__new__(Models)
    models.has_template = False
    turns: Any = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    with pytest.raises(Refusal, match="no chat template"):
        models._tokens(SimpleNamespace(), turns)


@pytest.mark.parametrize(("written", "said"), [("CALL f", True), ("Vou ver.", False)])
def test_of_a_message_with_calls_the_calls_are_to_be_there(written: str, said: bool) -> None:
    """As Llama 3.x writes the calls alone; a template that drops them is told of."""
    models: Any = Models.__new__(Models)
    models._words = SimpleNamespace(apply_chat_template=lambda *_a, **_m: written)
    call = {"function": {"name": "f", "arguments": {}}}
    turn = {"role": "assistant", "content": "Vou ver.", "tool_calls": [call]}
    with contextlib.nullcontext() if said else pytest.raises(Refusal, match="leaves out message 1"):
        models._check_all_is_said([turn], None)
