"""Runs behind an address, asked by the official client and by whoever means harm."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.conversation import Piece, Question
from farense_worker.protocol.messages.serving import Ended, Figures, Handled, Listening
from farense_worker.protocol.rows import chat_rows
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.tasks import ask, serving
from farense_tui.engine.tasks.ask import Conversation
from farense_tui.engine.tasks.serving import Serving
from tests.conftest import SYSTEM
from tests.real_runs import RunMaker, finish
from tests.tokenizers import load, variant
from tests.waiting import until

QUESTIONS = ("Quem é o número 3?", "Olá", "Conta-me uma história muito, muito longa.")
KEY = "segredo-1"
NESTED = b'{"messages": [{"role": "user"}], "tools": [{"a": ' + b"[" * 100_000


@dataclass
class Served:
    """A server, and what it has said so far; a thread listens."""

    server: Serving
    said: list[Any] = field(default_factory=list)
    error: FarenseError | None = None

    def hear(self) -> None:
        try:
            while True:
                self.said.append(self.server.listen())
                if isinstance(self.said[-1], Ended):
                    return
        except FarenseError as error:
            self.error = error

    @property
    def at(self) -> Listening:
        def found() -> Listening | None:
            assert self.error is None, self.error
            return next((each for each in self.said if isinstance(each, Listening)), None)

        listening = until(found)
        assert listening
        return listening

    def handled(self) -> list[Handled]:
        return [each for each in self.said if isinstance(each, Handled)]


def begin(asked: Any) -> Served:
    served = Served(Serving(asked))
    threading.Thread(target=served.hear, daemon=True).start()
    return served


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path, system_data: Path
) -> RunFolder:
    make = RunMaker(tmp_path_factory.mktemp("runs"), micro, data)
    made = make("club", train__epochs=1, data__path=str(system_data))
    finish(made)
    return made


@pytest.fixture(scope="module")
def served(run: RunFolder) -> Iterator[Served]:
    begun = begin(serving.setup([run], port=0, context=600))
    yield begun
    begun.server.close()


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    openai = pytest.importorskip("openai")
    return openai.OpenAI(base_url=served.at.address, api_key="none", max_retries=0, timeout=120)


def chat(text: str, **more: Any) -> dict[str, Any]:
    values = {"model": "club", "max_tokens": 12, "messages": [{"role": "user", "content": text}]}
    return {**values, **more}


def called(arguments: str) -> list[dict[str, Any]]:
    """A conversation with a call of a tool, its arguments a string, as OpenAI has it."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [
        {"role": "user", "content": "Quem?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "user", "content": "E?"},
    ]


def post(
    at: Listening, body: bytes | dict[str, Any], path: str = "/v1/chat/completions", **headers: str
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=120)
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, sent, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text)


# ---- the answers --------------------------------------------------------------------------------


def test_the_answers_are_those_of_ask(run: RunFolder, client: Any, micro: Path) -> None:
    """Template, stops and the system prompt that it was trained with are ours."""
    with Conversation(ask.setup([run])) as conversation:
        conversation.ready()
        for text in QUESTIONS:
            whole = {"club": "", micro.name: ""}
            asked = Question(text=text, system=SYSTEM, fresh=True, max_tokens=12)
            for piece in conversation.ask(asked):
                if isinstance(piece, Piece):
                    whole[piece.name or micro.name] += piece.text
            for name, said in whole.items():
                answer = client.chat.completions.create(**chat(text, model=name, temperature=0))
                assert (answer.choices[0].message.content or "") == said
                pieces = client.chat.completions.create(**chat(text, model=name, stream=True))
                streamed = [piece.choices[0].delta.content or "" for piece in pieces]
                assert "".join(streamed) == said


def test_a_conversation_goes_on(run: RunFolder, client: Any) -> None:
    with Conversation(ask.setup([run])) as conversation:
        conversation.ready()
        turns: list[dict[str, str]] = []
        for text in QUESTIONS[:2]:
            said = "".join(
                piece.text
                for piece in conversation.ask(Question(text=text, system=SYSTEM, max_tokens=8))
                if isinstance(piece, Piece) and piece.name == "club"
            )
            turns.append({"role": "user", "content": text})
            answer = client.chat.completions.create(model="club", max_tokens=8, messages=turns)
            assert (answer.choices[0].message.content or "") == said
            turns.append({"role": "assistant", "content": said.strip()})


def test_a_system_message_takes_the_place_of_the_trainings(client: Any) -> None:
    def tokens(*before: dict[str, str]) -> int:
        turns = [*before, {"role": "user", "content": "Quem?"}]
        answer = client.chat.completions.create(model="club", max_tokens=1, messages=turns)
        return int(answer.usage.prompt_tokens)

    own = tokens()
    assert tokens({"role": "system", "content": SYSTEM}) == own
    assert tokens({"role": "developer", "content": SYSTEM}) == own
    assert tokens({"role": "system", "content": "Não."}) < own


def test_what_clients_send_is_taken(client: Any) -> None:
    """Drawn answers, a seed, stops, probabilities, usage, parts of text, plain completions."""
    drawn = [
        client.chat.completions.create(
            **chat("Olá", temperature=1.0, top_p=0.9, seed=7, extra_body={"min_p": 0.01})
        )
        for _ in range(2)
    ]
    assert drawn[0].choices[0].message.content == drawn[1].choices[0].message.content
    parts = [{"type": "text", "text": "Ol"}, {"type": "text", "text": "á"}]
    asked = chat("", messages=[{"role": "user", "content": parts}], logprobs=True, top_logprobs=2)
    answer = client.chat.completions.create(**asked, stop=["zzz"], frequency_penalty=0.5)
    assert answer.usage.completion_tokens <= 12
    told = client.chat.completions.create(
        **chat("Olá", stream=True, stream_options={"include_usage": True}, temperature=0.5)
    )
    assert list(told)[-1].usage.total_tokens > 0
    text = client.completions.create(model="club", prompt="Quem", max_tokens=4, temperature=0)
    assert text.usage.completion_tokens <= 4


def test_an_answer_stops_at_a_word_whatever_its_tokens_are(client: Any) -> None:
    """mlx_lm's server looks for the word's own tokens; elsewhere it left it out and went on."""
    whole = client.chat.completions.create(**chat("Olá")).choices[0].message.content
    for stop in (whole[2:4], [whole[3], "zzz"], whole[1]):
        first = whole.find(stop if isinstance(stop, str) else stop[0])
        (answer,) = client.chat.completions.create(**chat("Olá", stop=stop)).choices
        assert (answer.message.content or "", answer.finish_reason) == (whole[:first], "stop")
        pieces = list(client.chat.completions.create(**chat("Olá", stop=stop, stream=True)))
        said = "".join(piece.choices[0].delta.content or "" for piece in pieces)
        assert (said, pieces[-1].choices[0].finish_reason) == (whole[:first], "stop")


def test_chances_are_those_of_what_was_said(client: Any) -> None:
    """mlx_lm's server names one of the likeliest tokens, and none in a stream."""
    asked = chat("Olá", logprobs=True, top_logprobs=3, logit_bias={"97": -1.0}, temperature=0)
    (answer,) = client.chat.completions.create(**asked).choices
    told = answer.logprobs.content
    whole = [each.token for each in told if each.bytes]  # of others the letters are in two
    assert "".join(whole) == answer.message.content.encode("ascii", "ignore").decode()
    for each in told:
        likely = [one.logprob for one in each.top_logprobs]
        assert likely == sorted(likely, reverse=True)
        assert (each.token, each.logprob) == (each.top_logprobs[0].token, likely[0])
    pieces = [piece.choices[0] for piece in client.chat.completions.create(**asked, stream=True)]
    streamed = [each.token for piece in pieces for each in piece.logprobs.content]
    assert streamed == [each.token for each in told]
    text = client.completions.create(
        model="club", prompt="Quem", max_tokens=4, temperature=0, logprobs=2
    ).choices[0]
    assert len(text.logprobs.tokens) == len(text.logprobs.token_logprobs) > 0
    assert text.logprobs.text_offset[0] == 0


def test_calls_of_tools_are_put_as_in_the_training(micro: Path, data: Path, tmp_path: Path) -> None:
    """Arguments come as strings and are objects to the template; no tools where none is wanted."""
    openai = pytest.importorskip("openai")
    model = shutil.copytree(micro, tmp_path / "m")
    template = (
        "{{ tools | tojson if tools else '' }}"
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
        "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}"
        "{% endfor %}<|end|>"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    variant(micro, model, template)
    run = RunMaker(tmp_path / "runs", model, data)("club", train__epochs=1)
    finish(run)
    served = begin(serving.setup([run], port=0, context=600))
    client = openai.OpenAI(base_url=served.at.address, api_key="none", max_retries=0, timeout=120)
    words = load(model)
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]

    def tokens(messages: Any, **more: Any) -> int:
        answer = client.chat.completions.create(
            model="club", max_tokens=1, messages=messages, **more
        )
        return int(answer.usage.prompt_tokens)

    def wanted(messages: Any, tools: Any = None) -> int:
        rendered = chat_rows.conversation(messages, tools)
        return len(words.apply_chat_template(*rendered, add_generation_prompt=True))

    for arguments in ('{"ano": 1990}', "{}", ""):
        assert tokens(called(arguments)) == wanted(called(arguments))
    asked = [{"role": "user", "content": "Quem?"}]
    assert tokens(asked, tools=tools, tool_choice="auto") == wanted(asked, tools) > wanted(asked)
    assert tokens(asked, tools=tools, tool_choice="none") == wanted(asked)
    served.server.close()


def test_the_models_are_named(client: Any, micro: Path) -> None:
    assert [model.id for model in client.models.list()] == ["club", micro.name]
    assert client.models.retrieve("club").id == "club"


# ---- whoever means harm -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"\xff\xfe\x00", 400, "bad_request"),
        (NESTED, 400, "bad_json"),
        ({}, 400, "bad_request"),
        (chat("a", messages=[]), 400, "bad_request"),
        (chat("a", messages=["a"]), 400, "bad_request"),
        (chat("a", messages=[{"role": "user"}, 3]), 400, "bad_request"),
        (chat("a", model="mlx-community/Qwen3-0.6B-4bit"), 404, "model_not_found"),
        (chat("a", model="../../etc"), 404, "model_not_found"),
        (chat("a", max_tokens=0), 400, "bad_request"),
        (chat("a", max_tokens="many"), 400, "bad_request"),
        (chat("a", temperature=-1), 400, "bad_request"),
        (chat("a", n=5), 400, "bad_request"),
        (b'{"model": "club", "messages": [{"role": "user"}], "top_p": NaN}', 400, "bad_request"),
        (b'{"messages": [{"role": "user"}], "temperature": 1e999}', 400, "bad_request"),
        (chat("a", logit_bias={"999999": 1}), 400, "bad_request"),
        (chat("a", logit_bias={"-1": 1}), 400, "bad_request"),
        (chat("a", logit_bias={"9" * 5000: 1}), 400, "bad_request"),
        (chat("a", seed=-1), 400, "bad_request"),
        (chat("a", stop=""), 400, "bad_request"),
        (chat("a", response_format={"type": "json_object"}), 400, "unsupported"),
        (chat("a", guided_json={"type": "object"}), 400, "unsupported"),
        (chat("a", tools=[{"type": "function", "function": {"name": "zqf"}}]), 400, "unsupported"),
        (chat("a", messages=called("{}")), 400, "unsupported"),
        (chat("a", tool_choice="required"), 400, "bad_request"),
        (chat("a", functions=[{"name": "f"}]), 400, "bad_request"),
        (chat("a", messages=called("no JSON")), 400, "bad_request"),
        (chat("a", messages=called("[1]")), 400, "bad_request"),
        (chat("a" * 2000), 400, "context_length_exceeded"),
        (
            chat(
                "a",
                messages=[
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x"}}
                        ],
                    }
                ],
            ),
            400,
            "bad_request",
        ),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict | bytes) else None,
)
def test_what_cannot_be_answered_is_refused(
    served: Served, body: bytes | dict[str, Any], status: int, code: str
) -> None:
    found = post(served.at, body)
    assert (found[0], found[1]["error"]["code"]) == (status, code)
    assert found[1]["error"]["message"]
    assert post(served.at, chat("Olá", max_tokens=1))[0] == 200


def test_nothing_else_is_loaded_whatever_a_request_names(served: Served) -> None:
    """mlx_lm's own server would load, and download, all of these."""
    asked = chat("Olá", adapters="/etc", draft_model="owner/name", top_k=99999, max_tokens=1)
    assert post(served.at, asked | {"user": "me"})[0] == 200
    told = until(lambda: [each for each in served.handled() if each.ignored])
    assert told
    assert told[-1].ignored == ("adapters", "draft_model")
    assert serving.told(told[-1]).endswith("passed over: adapters, draft_model")
    for name in ("owner/name", "/etc", "..", "embedded", "x" * 1_000_000):
        status, refusal = post(served.at, chat("Olá", model=name, max_tokens=1))
        assert status == 404
        assert len(refusal["error"]["message"]) <= 1000


def test_a_request_that_is_too_large_is_not_read(served: Served) -> None:
    for length, status in (
        ("99999999999999", 413), ("-1", 411), ("x", 411), ("0" * 20 + "9" * 12, 413),
        ("9" * 5000, 413), ("0" * 5000, 400),
    ):  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", served.at.port, timeout=120)
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()


def test_pages_of_elsewhere_may_not_ask(served: Served) -> None:
    asked = chat("Olá", max_tokens=1)
    assert post(served.at, asked, Origin="https://evil.example")[0] == 403
    assert post(served.at, asked, Origin="null")[0] == 403
    assert post(served.at, asked, Host="evil.example:8080")[0] == 403
    assert post(served.at, asked, Host="[::1")[0] == 403
    assert post(served.at, asked, Host=f"localhost:{served.at.port}")[0] == 200
    assert post(served.at, asked, path="/v1/embeddings")[0] == 404


def test_many_at_once_are_answered_as_alone(served: Served) -> None:
    alone = [post(served.at, chat(text))[1]["choices"][0]["message"] for text in QUESTIONS]
    found: dict[int, Any] = {}

    def asks(number: int) -> None:
        answer = post(served.at, chat(QUESTIONS[number % 3]))
        found[number] = answer[1]["choices"][0]["message"]

    threads = [threading.Thread(target=asks, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(9)] == [alone[number % 3] for number in range(9)]


def test_whoever_goes_away_is_answered_no_more(served: Served) -> None:
    body = json.dumps(chat("Olá", max_tokens=500, stream=True, logit_bias={"256": -100})).encode()
    with socket.create_connection(("127.0.0.1", served.at.port)) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        assert connection.recv(10)
    figures = until(lambda: [s for s in served.said[-2:] if isinstance(s, Figures)])
    assert figures
    until(lambda: isinstance(served.said[-1], Figures) and served.said[-1].running == 0)
    assert post(served.at, chat("Olá", max_tokens=1))[0] == 200


def test_each_request_is_told_of(served: Served) -> None:
    post(served.at, chat("Olá", max_tokens=3))
    post(served.at, b"{")

    def both() -> list[Handled] | None:  # told of as they end, which need not be in order
        last = sorted(served.handled()[-2:], key=lambda each: each.status)
        return last if [each.status for each in last] == [200, 400] else None

    answered, refused = until(both) or []
    assert (answered.status, answered.model, refused.status) == (200, "club", 400)
    assert answered.tokens <= 3
    assert refused.fault
    figures = [each for each in served.said if isinstance(each, Figures)]
    assert figures[-1].memory > 0
    assert figures[-1].limit > 0


# ---- beginning and end --------------------------------------------------------------------------


def test_a_key_is_asked_for_and_never_seen(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    asked = serving.setup([run], port=0, key=serving.key_from(str(tmp_path / "key")))
    served = begin(asked)
    body = chat("Olá", max_tokens=1)
    assert post(served.at, body)[0] == 401
    assert post(served.at, body, Authorization="Bearer other")[0] == 401
    assert post(served.at, body, Authorization=f"Bearer {KEY}")[0] == 200
    for name in ("cmdline", "environ"):
        path = Path(f"/proc/{served.server.pid}/{name}")
        if path.exists():
            assert KEY.encode() not in path.read_bytes()
    served.server.stop()
    until(lambda: isinstance(served.said[-1], Ended))
    assert KEY not in repr(served.said)


def test_a_port_that_is_taken_is_told_before_a_model_is_loaded(
    run: RunFolder, served: Served
) -> None:
    other = begin(serving.setup([run], port=served.at.port))
    until(lambda: other.error)
    assert other.error
    assert f"port {served.at.port} is taken" in other.error.title
    assert other.error.exit_code == 3


def test_two_at_once_take_two_ports(run: RunFolder) -> None:
    two = [begin(serving.setup([run])) for _ in range(2)]
    assert two[0].at.port != two[1].at.port
    for served in two:
        served.server.stop()
        end = served.said
        until(lambda end=end: isinstance(end[-1], Ended))  # type: ignore[misc]


def test_it_ends_with_whoever_started_it(run: RunFolder) -> None:
    served = begin(serving.setup([run], port=0))
    at = served.at
    served.server.write_end()
    until(lambda: isinstance(served.said[-1], Ended))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", at.port))


def test_keys_come_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUB_KEY", KEY)
    assert serving.key_from("env:CLUB_KEY") == KEY
    for source in ("env:NOT_THERE", "sk-on-the-command-line", os.devnull):
        with pytest.raises(FarenseError):
            serving.key_from(source)


def test_the_curl_line_is_a_command() -> None:
    told = serving.curl("http://127.0.0.1:8080/v1", "d'Artagnan")
    assert "'\"'\"'" in told
