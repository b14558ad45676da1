"""Conversations with models, held with a real `python -m farense_worker.tasks ask`."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from farense_worker.generate import decoding
from farense_worker.model import inference
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages.conversation import Answered, Piece, Question, Setup
from farense_worker.protocol.messages.evaluation import Adapter
from farense_worker.protocol.settings.profile import Model

from farense_tui.engine.tasks import ask
from farense_tui.engine.tasks.ask import Conversation
from tests import real_runs
from tests.real_runs import RunMaker
from tests.tokenizers import load, variant


def answers(conversation: Conversation, text: str, **more: object) -> dict[str, str]:
    """Ask, and give each model's whole answer."""
    found: dict[str, str] = {}
    values: dict[str, object] = {"max_tokens": 5, **more}
    for said in conversation.ask(Question(text=text, **values)):  # type: ignore[arg-type]
        found.setdefault(said.name, "")
        if isinstance(said, Piece):
            found[said.name] += said.text
    return found


def test_an_answer_comes_in_pieces_and_has_an_end(micro: Path) -> None:
    with Conversation(Setup(str(micro))) as conversation:
        conversation.ready()
        said = list(conversation.ask(Question(text="Quem?", max_tokens=3)))
    *pieces, end = said
    assert isinstance(end, Answered)
    assert (end.tokens, end.cut_off) == (3, True)
    assert all(isinstance(piece, Piece) for piece in pieces)


def test_what_was_said_before_counts_until_it_is_fresh(micro: Path) -> None:
    with Conversation(Setup(str(micro))) as conversation:
        conversation.ready()
        first = answers(conversation, "Quem?")
        second = answers(conversation, "Quem?")
        again = answers(conversation, "Quem?", fresh=True)
    assert first == again
    assert first != second


def test_a_system_prompt_stands_before_all_that_is_said(micro: Path) -> None:
    network = inference.load(micro, Model(repo=str(micro)))
    words = load(micro)
    said: list[dict[str, str]] = []
    with Conversation(Setup(str(micro))) as conversation:
        assert conversation.ready().takes_system
        for text in ("Quem?", "E tu?"):
            said.append({"role": "user", "content": text})
            messages = [{"role": "system", "content": "Ser."}, *said]
            prompt = words.apply_chat_template(messages, add_generation_prompt=True)
            tokens = itertools.islice(decoding.tokens(network, prompt, 5), 5)
            expected = words.decode(list(tokens))
            found = answers(conversation, text, system="Ser.")[""]
            assert found == expected
            said.append({"role": "assistant", "content": found.strip()})
        without = answers(conversation, "Quem?", fresh=True)
        empty = answers(conversation, "Quem?", fresh=True, system="")
    assert len({said[1]["content"], without[""].strip(), empty[""].strip()}) == 3


REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}?"
LEAVES_OUT = "{% for m in messages if m['role'] != 'system' %}{{ m['content'] }}{% endfor %}"


@pytest.mark.parametrize("template", [REFUSES, LEAVES_OUT, ""])
def test_a_model_that_takes_no_system_prompt_says_so(
    micro: Path, tmp_path: Path, template: str
) -> None:
    variant(micro, tmp_path, template)
    (tmp_path / "model.safetensors").symlink_to(micro / "model.safetensors")
    with Conversation(Setup(str(tmp_path))) as conversation:
        assert not conversation.ready().takes_system
        assert answers(conversation, "Quem?")
        with pytest.raises(FarenseError, match="takes no system prompt") as caught:
            answers(conversation, "Quem?", system="Ser.")
    assert caught.value.exit_code == ExitCode.REFUSED


def test_a_temperature_draws_and_a_seed_draws_the_same(micro: Path) -> None:
    with Conversation(Setup(str(micro))) as conversation:
        conversation.ready()
        drawn = [
            answers(conversation, "Quem?", fresh=True, temperature=1.5, seed=seed, max_tokens=20)
            for seed in (1, 1, 2)
        ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_adapters_are_asked_beside_the_base_model(make_run: RunMaker) -> None:
    one, two = make_run("one"), make_run("two", train__seed=1)
    for run in (one, two):
        real_runs.finish(run)
    with Conversation(ask.setup([one, two])) as conversation:
        conversation.ready()
        together = answers(conversation, "Quem é o número 3?", max_tokens=12)
    assert list(together) == ["", "one", "two"]
    with Conversation(ask.setup([two])) as conversation:
        conversation.ready()
        alone = answers(conversation, "Quem é o número 3?", max_tokens=12)
    assert alone == {name: together[name] for name in ("", "two")}
    assert together[""] != together["one"]


def test_an_answer_is_broken_off_and_another_can_be_asked(micro: Path) -> None:
    with Conversation(Setup(str(micro))) as conversation:
        conversation.ready()
        stream = conversation.ask(Question(text="Quem?", max_tokens=4000, temperature=3.0))
        next(stream)
        conversation.stop()
        *_, end = stream
        assert isinstance(end, Answered)
        assert end.cut_off
        assert end.tokens < 4000
        assert answers(conversation, "Quem?")


def test_a_stop_counts_before_the_question_is_read_but_not_for_the_next_one(micro: Path) -> None:
    with Conversation(Setup(str(micro))) as conversation:
        conversation.ready()
        conversation.stop()  # there is nothing to break off
        first = answers(conversation, "Quem?", max_tokens=20, fresh=True)
        os.kill(conversation._process.pid, signal.SIGSTOP)
        stream = conversation.ask(Question(text="Quem?", max_tokens=4000, temperature=3.0))
        conversation.stop()
        os.kill(conversation._process.pid, signal.SIGCONT)
        *_, end = stream
        assert isinstance(end, Answered)
        assert end.cut_off
        assert end.tokens < 4000
        assert answers(conversation, "Quem?", max_tokens=20, fresh=True) == first


def test_what_libraries_say_meanwhile_does_not_block_the_answer(
    micro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More on stderr than a pipe holds, which is 64 KiB."""
    monkeypatch.setenv("PYTHONVERBOSE", "1")
    with Conversation(Setup(str(micro))) as conversation:
        conversation.ready()
        assert answers(conversation, "Quem?", max_tokens=1)


def test_an_adapter_that_cannot_be_loaded_is_told(micro: Path, tmp_path: Path) -> None:
    asked = Setup(str(micro), (Adapter("one", str(tmp_path)),))
    with (
        Conversation(asked) as conversation,
        pytest.raises(FarenseError, match="the adapter of one cannot be loaded") as caught,
    ):
        conversation.ready()
    assert (caught.value.kind, caught.value.exit_code) == ("adapter", ExitCode.REFUSED)


def test_half_of_a_pair_in_a_configuration_keeps_nothing_from_being_told(
    micro: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(micro, tmp_path / "model")
    (model / "config.json").write_text('{"model_type": "a\\ud800"}')
    with Conversation(Setup(str(model))) as conversation, pytest.raises(FarenseError) as caught:
        conversation.ready()
    assert caught.value.exit_code == ExitCode.REFUSED
    assert "a?" in caught.value.detail


def test_a_model_that_is_gone_is_told(tmp_path: Path) -> None:
    with (
        Conversation(Setup(str(tmp_path / "gone"))) as conversation,
        pytest.raises(FarenseError, match="there is no model"),
    ):
        conversation.ready()


def test_a_conversation_that_is_closed_meanwhile_ends(micro: Path) -> None:
    conversation = Conversation(Setup(str(micro)))
    conversation.ready()
    stream = conversation.ask(Question(text="Quem?", max_tokens=4000, temperature=3.0))
    next(stream)
    thread = threading.Thread(target=conversation.close)
    thread.start()
    with pytest.raises(FarenseError, match="without a result: ask"):
        list(stream)
    thread.join()


def test_runs_with_different_models_are_not_asked_together(
    make_run: RunMaker, micro_4bit: Path
) -> None:
    found = [make_run("one"), make_run("two", model__repo=str(micro_4bit))]
    for run in found:
        run.adapters.mkdir()
        (run.adapters / "adapters.safetensors").touch()
    with pytest.raises(FarenseError, match="different base models"):
        ask.setup(found)


def test_what_the_model_has_no_room_for_is_told(micro: Path, tmp_path: Path) -> None:
    """It answered what lies beyond its positions with anything, and nobody was told."""
    shutil.copytree(micro, tmp_path / "m")
    config = json.loads((micro / "config.json").read_text()) | {"max_position_embeddings": 24}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with Conversation(Setup(str(tmp_path / "m"))) as conversation:
        conversation.ready()
        *_pieces, end = conversation.ask(Question(text="a" * 18, max_tokens=9))
        assert isinstance(end, Answered)
        assert end.tokens <= 3  # 21 with what stands around them
        with pytest.raises(FarenseError, match="no room for an answer") as caught:
            answers(conversation, "E?")
    assert caught.value.hint == "Begin a new conversation."
    with Conversation(Setup(str(tmp_path / "m"))) as conversation:
        conversation.ready()
        with pytest.raises(FarenseError, match="no room for an answer") as caught:
            answers(conversation, "a" * 21)
    assert "24 tokens; the model was made for 24" in caught.value.detail
