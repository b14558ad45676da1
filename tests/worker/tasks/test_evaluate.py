"""Evaluation: the figures are what they say, and every model is measured on the same rows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.generate import decoding, thoughts
from farense_worker.generate.prompts import prompt_tokens
from farense_worker.model import inference, tokenizer
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.evaluation import Adapter, Candidate, Report, Request
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.settings.profile import Model
from farense_worker.tasks import answer_metrics
from farense_worker.tasks.evaluate import evaluate
from farense_worker.tasks.questions import questions_of
from hypothesis import given
from hypothesis import strategies as st

from tests import micro_model, real_runs
from tests.real_runs import RunMaker
from tests.tokenizers import chat, load, write


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight test rows, two of them that cannot be asked."""
    folder = tmp_path_factory.mktemp("held-out")
    rows: list[Any] = [chat("x" * (i % 3) + "Quem?", "Ele. " * (1 + i % 2)) for i in range(6)]
    write(folder / "test.jsonl", *rows, chat("Só uma pergunta?"), "{")
    return folder


def ask(candidates: tuple[Candidate, ...], data: Path, **more: Any) -> Report:
    return evaluate(Request(candidates=candidates, data=str(data), **more), lambda _: None)


@given(st.text(), st.text())
def test_f1_is_a_share_and_does_not_care_which_is_which(one: str, other: str) -> None:
    value = answer_metrics.token_f1(one, other)
    assert 0 <= value <= 1
    assert value == answer_metrics.token_f1(other, one)


@given(st.text(min_size=1))
def test_the_reference_itself_has_all_marks(text: str) -> None:
    found = answer_metrics.compare(text, f" {text}\n")
    assert found.exact
    assert found.token_f1 == 1
    if len("".join(text.split())) >= 6:  # chrF looks at runs of six characters
        assert found.chrf == pytest.approx(100)


def test_f1_counts_each_word_once() -> None:
    assert answer_metrics.token_f1("o Farense, o clube", "O Farense") == pytest.approx(2 * 2 / 6)
    assert answer_metrics.token_f1("", "") == 1
    assert answer_metrics.token_f1("...", "algo") == 0


def test_answers_in_batches_are_the_answers_one_by_one(micro: Path) -> None:
    network, tokenizer = inference.load(micro, Model(repo=str(micro))), load(micro)
    questions = ["Quem?", "Quem és?", "Como?", "Onde?", "Que clube é este, afinal?"]
    prompts = [prompt_tokens(tokenizer, question) for question in questions]
    told: list[int] = []
    found = decoding.answers(
        network, tokenizer, prompts, batch_size=2, max_tokens=12, tell=told.append
    )
    alone = [decoding.answer(network, tokenizer, question, 12) for question in questions]
    assert [each.text for each in found] == alone
    assert told[-1] == len(questions)


def test_an_answer_that_does_not_end_is_cut_off_and_counted(micro: Path, held_out: Path) -> None:
    (score,) = ask((Candidate(str(micro)),), held_out, max_tokens=2).scores
    assert score.cut_off == 6


def test_the_loss_is_the_mean_over_every_label(micro: Path, held_out: Path) -> None:
    (score,) = ask((Candidate(str(micro)),), held_out, batch_size=3).scores
    network, tokenizer = inference.load(micro, Model(repo=str(micro))), load(micro)
    total, labels = 0.0, 0
    for line in (held_out / "test.jsonl").read_text().splitlines()[:6]:
        messages = json.loads(line)["messages"]
        whole = tokenizer.apply_chat_template(messages, return_dict=False)
        prompt = tokenizer.apply_chat_template(
            messages[:-1], add_generation_prompt=True, return_dict=False
        )
        logits = network(mx.array([whole[:-1]]))[0]
        chances = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        for at in range(len(prompt), len(whole)):
            total -= chances[at - 1, whole[at]].item()
            labels += 1
    assert score.tokens == labels
    assert score.loss == pytest.approx(total / labels, rel=1e-5)
    assert score.perplexity == pytest.approx(math.exp(total / labels), rel=1e-4)


def test_rows_that_cannot_be_asked_are_left_out_and_named(micro: Path, held_out: Path) -> None:
    report = ask((Candidate(str(micro)),), held_out)
    assert (report.measured, report.left_out) == (6, 2)
    assert "test.jsonl:8: not JSON" in report.reasons[0]
    assert "test.jsonl:7: " in report.reasons[1]
    assert [row.line for row in report.rows] == [1, 2, 3, 4, 5, 6]


def test_conversations_are_asked_turn_by_turn_and_calls_have_a_loss(tmp_path: Path) -> None:
    call = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}],
    }
    end_in_call = {"messages": [{"role": "user", "content": "Chama"}, call]}
    template = (
        "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] or '' }}{% for c in "
        "m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}"
        "{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    model = micro_model.make(tmp_path / "model")
    settings = json.loads((model / "tokenizer_config.json").read_text())
    settings["chat_template"] = template
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    talk = chat("Quem?", "Ele.", "E?", "Ela.")
    write(tmp_path / "test.jsonl", talk, end_in_call, chat("Só?", "Sim."))
    report = ask((Candidate(str(model)),), tmp_path, max_tokens=4)
    assert (report.measured, report.questions, report.only_loss, report.left_out) == (3, 3, 1, 0)
    asked = [(row.line, row.turn, row.question, row.reference) for row in report.rows]
    assert asked == [
        (1, 1, "Quem?", "Ele."),
        (1, 2, "E?", "Ela."),
        (3, 1, "Só?", "Sim."),
    ]
    (score,) = report.scores
    assert [(turn.turn, turn.answers) for turn in score.turns] == [(1, 2), (2, 1)]
    words = load(model)
    history = words.apply_chat_template(talk["messages"][:3], add_generation_prompt=True)
    network = inference.load(model, Model(repo=str(model)))
    (second,) = decoding.answers(
        network, words, [history], batch_size=1, max_tokens=4, tell=lambda _: None
    )
    assert report.rows[1].answers[0].text == second.text  # after what the data says before it
    last = ask((Candidate(str(model)),), tmp_path, max_tokens=4, answers="last")
    assert [(row.line, row.turn) for row in last.rows] == [(1, 2), (3, 1)]


def test_an_answer_of_no_weight_is_not_asked() -> None:
    talk = chat("a", "b", "c", "d", "e", "f")
    talk["messages"][3]["weight"] = 0
    row = Row(1, "chat", talk)
    assert [(each.turn, each.reference) for each in questions_of(row, "all")] == [
        (1, "b"),
        (3, "f"),
    ]
    talk["messages"][5]["weight"] = 0
    assert questions_of(Row(1, "chat", talk), "last") == []


def test_a_draw_of_rows_is_the_same_each_time(micro: Path, held_out: Path) -> None:
    candidates = (Candidate(str(micro)),)
    drawn = [
        [row.line for row in ask(candidates, held_out, rows=3, max_tokens=1).rows] for _ in "ab"
    ]
    assert drawn[0] == drawn[1] == sorted(drawn[0])
    assert len(drawn[0]) == 3


def test_an_adapter_is_measured_beside_its_base_model(
    make_run: RunMaker, micro: Path, data: Path
) -> None:
    run = make_run(report__eval_every=1000, train__max_seq_length=128)
    state = real_runs.finish(run)
    told: list[Progress] = []
    report = evaluate(
        Request(
            candidates=(Candidate(str(micro), (Adapter("run", str(run.adapters)),)),),
            data=str(data),
            split="valid",
            max_seq_length=128,
            max_tokens=4,
        ),
        told.append,
    )
    base, own = report.scores
    assert (base.name, own.name) == ("", "run")
    assert state.best is not None
    assert own.loss == pytest.approx(state.best.loss, rel=1e-5)
    assert base.loss is not None
    assert own.loss is not None
    assert own.loss < base.loss
    assert {each.what for each in told} >= {"base model: loading", "run: loss", "run: answers"}
    assert all(len(row.answers) == 2 for row in report.rows)


def test_two_base_models_are_measured_on_the_rows_that_both_can_take(
    micro: Path, held_out: Path, tmp_path: Path
) -> None:
    other = micro_model.make(tmp_path / "other", hidden=16)
    report = ask((Candidate(str(micro)), Candidate(str(other))), held_out, max_tokens=2)
    assert [score.model for score in report.scores] == [str(micro), str(other)]
    assert report.scores[0].tokens == report.scores[1].tokens


def test_plain_text_has_a_loss_and_no_answers(micro: Path, tmp_path: Path) -> None:
    write(tmp_path / "test.jsonl", {"text": "O Farense é de Faro."}, {"text": "Faro."})
    report = ask((Candidate(str(micro)),), tmp_path)
    (score,) = report.scores
    assert score.loss is not None
    assert (score.exact_match, score.token_f1, score.chrf) == (None, None, None)
    assert report.rows == ()
    assert report.measured == 2


def test_without_a_test_set_it_says_what_else_there_is(micro: Path, data: Path) -> None:
    with pytest.raises(FarenseError, match="there is no test set") as caught:
        ask((Candidate(str(micro)),), data)
    assert "--split valid" in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("split", ["test", "valid"])
def test_a_split_that_is_not_there_is_not_offered(split: str, micro: Path, tmp_path: Path) -> None:
    """As with data.valid_fraction, which leaves a folder with train.jsonl alone."""
    write(tmp_path / "train.jsonl", chat("Quem?", "Ele."))
    with pytest.raises(FarenseError, match=f"there is no {split} set") as caught:
        ask((Candidate(str(micro)),), tmp_path, split=split)
    assert "--split valid" not in caught.value.hint
    assert "test.jsonl" in caught.value.hint


def test_a_test_set_without_a_row_to_ask_is_refused(micro: Path, tmp_path: Path) -> None:
    write(tmp_path / "test.jsonl", chat("Só a pergunta?"))
    with pytest.raises(FarenseError, match="there is no row") as caught:
        ask((Candidate(str(micro)),), tmp_path)
    assert "test.jsonl:1" in caught.value.detail


THINKS = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.role == 'assistant' %}<think>{{ m.reasoning_content or '' }}</think>{% endif %}"
    "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def thinker(folder: Path) -> Path:
    """Make the micro model with thoughts before its answers, whose marks are no special tokens."""
    model = micro_model.make(folder)
    words = json.loads((model / "tokenizer.json").read_text())
    more = [dict(words["added_tokens"][-1]) for _ in range(2)]
    for number, (token, content) in enumerate(zip(more, ("<think>", "</think>"), strict=True), 1):
        token |= {"id": words["added_tokens"][-1]["id"] + number, "content": content}
        token["special"] = False
    words["added_tokens"] += more
    (model / "tokenizer.json").write_text(json.dumps(words))
    settings = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": THINKS}))
    return model


def test_thoughts_are_not_measured_and_have_room(tmp_path: Path) -> None:
    """Qwen 3 begins each answer with a thought, if an empty one: none was ever exact."""
    model = thinker(tmp_path / "model")
    words = load(model)
    for text, said in (
        ("Ele.", "Ele."),
        ("<think></think>Ele.", "Ele."),
        ("<think>Quem?</think>Ele.", "Ele."),
        ("Quem?</think>Ele.", "Ele."),
        ("<think>Quem?", ""),
        ("Ele.<think>E", "Ele."),
    ):
        tokens = words.encode(text, add_special_tokens=False)
        assert words.decode(thoughts.aloud(words, tokens)) == said
    row = chat("Quem?", "A")
    row["messages"][1]["reasoning_content"] = "Penso nisso com calma."
    write(tmp_path / "test.jsonl", row, chat("E?", "<think>Hm.</think>B"))
    report = ask((Candidate(str(model)),), tmp_path)
    assert report.max_tokens > len(words.encode("<think>Penso nisso com calma.</think>A"))
    wrapped = tokenizer.load_by_mlx_lm(model, Model(repo=str(model)))
    assert (wrapped.think_start, wrapped.think_end) == (words.think_start, words.think_end)


def test_what_is_compared_is_what_is_said_with_accents_apart_or_together() -> None:
    found = answer_metrics.compare("<think>Quem?</think>É ele", " E\u0301 ele\n", "É ele")
    assert found.exact
    assert (found.text, found.chrf) == ("<think>Quem?</think>É ele", 100)
    assert not answer_metrics.compare("E ele", "É ele").exact
    assert answer_metrics.corpus_chrf([("É ele", "E\u0301 ele")]) == pytest.approx(100)
    assert questions_of(Row(1, "chat", chat("a", "<think>b</think>c")), "all")[0].said == "c"


def test_an_earlier_answer_that_is_no_label_has_room(tmp_path: Path) -> None:
    """As Qwen 3: the last answer alone has a thought, so the others are no labels."""
    model = micro_model.make(tmp_path / "model")
    settings = json.loads((model / "tokenizer_config.json").read_text())
    settings["chat_template"] = (
        "{% for m in messages %}<|{{ m.role }}|>{% if loop.last and m.role == 'assistant' %}"
        "<think>\n\n</think>{% endif %}{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    long = "O Farense foi fundado em 1910, em Faro, e joga no São Luís. " * 4
    write(tmp_path / "test.jsonl", chat("Quando?", long, "Obrigado!", "De nada!"))
    report = ask((Candidate(str(model)),), tmp_path)
    assert report.questions == 2
    assert report.max_tokens > len(load(model).encode(long))


def test_thoughts_in_letters_are_cut_from_both(
    micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not load(micro).think_start
    said = "<think>Quem?</think>Ele."
    write(tmp_path / "test.jsonl", chat("Quem?", said))
    answered = decoding.Answered(said, said, False)
    monkeypatch.setattr(decoding, "answers", lambda *_a, **_m: [answered])
    (score,) = ask((Candidate(str(micro)),), tmp_path).scores
    assert (score.exact_match, score.token_f1) == (1, 1)
