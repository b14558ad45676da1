"""Where answers end: the template's end stops everywhere, whatever the configuration names."""

from __future__ import annotations

import json
from pathlib import Path

import mlx.core as mx
from farense_worker.generate import decoding
from farense_worker.generate.prompts import prompt_tokens
from farense_worker.model import inference, stops
from farense_worker.protocol.messages.evaluation import Adapter, Candidate
from farense_worker.protocol.messages.evaluation import Request as Evaluation
from farense_worker.protocol.messages.export import Request as Export
from farense_worker.protocol.settings.profile import Model
from farense_worker.tasks.evaluate import evaluate
from farense_worker.tasks.export import export

from tests import micro_model
from tests.real_runs import RunMaker, finish, state_of
from tests.tokenizers import load, variant

NO_END = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
ASKS = "{% if add_generation_prompt %}<|assistant|>{% endif %}"


def chatml_base(folder: Path) -> Path:
    """A base model with ChatML: its configuration stops at another token than its template."""
    micro_model.make(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    other = config | {"eos_token": "<|system|>"}  # that no answer of the tests has in it
    (folder / "tokenizer_config.json").write_text(json.dumps(other))
    about = json.loads((folder / "config.json").read_text())
    about["eos_token_id"] = load(folder).backend.token_to_id("<|system|>")
    (folder / "config.json").write_text(json.dumps(about))
    return folder


def test_what_the_template_writes_after_an_answer(tmp_path: Path, micro: Path) -> None:
    plain, base = load(micro), load(chatml_base(tmp_path / "base"))
    end = plain.backend.token_to_id("<|end|>")
    assert stops.written(plain) == stops.written(base) == end
    assert plain.eos_token_ids == {end}
    assert base.eos_token_ids == {end, base.eos_token_id}
    assert stops.unnamed(micro, plain) is None
    assert stops.remark(micro, plain) == ""
    assert stops.unnamed(tmp_path / "base", base) == end
    assert "<|end|>" in stops.remark(tmp_path / "base", base)
    for name, template in (("none", NO_END + ASKS), ("refuses", "{{ raise_exception('no') }}")):
        assert stops.written(load(variant(micro, tmp_path / name, template))) is None
    assert stops.written(load(variant(micro, tmp_path / "plain", chat_template=None))) is None


def test_ends_that_are_no_tokens_are_none(tmp_path: Path) -> None:
    for said in ('"2"', "[[2]]", "-1", "2.0", "true", "[null]", "{}"):
        (tmp_path / "generation_config.json").write_text(f'{{"eos_token_id": {said}}}')
        assert stops.named(tmp_path) == set()
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [2, null, 3]}')
    assert stops.named(tmp_path) == {2, 3}


def test_a_model_s_own_list_and_the_tokenizer_s_eos_both_stop(tmp_path: Path) -> None:
    folder = micro_model.make(tmp_path / "m")
    (folder / "generation_config.json").write_text('{"eos_token_id": [1, 2], "top_k": 3}')
    found = load(folder)
    assert found.eos_token_ids == {1, 2, found.eos_token_id}
    stops.write(folder, {5, 4})
    written = json.loads((folder / "generation_config.json").read_text())
    assert written == {"eos_token_id": [4, 5], "top_k": 3}


def test_everything_stops_where_the_template_ends(tmp_path: Path, make_run: RunMaker) -> None:
    """Trained to say its end at once: ask, evaluate, mlx_lm and the Modelfile stop there."""
    from mlx_lm import load as mlx_lm_load
    from mlx_lm import stream_generate

    model = chatml_base(tmp_path / "base")
    rows = [{"prompt": f"q{n}", "completion": "o"} for n in range(12)]
    folder = tmp_path / "data"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text)
    run = make_run(
        "ends", model__repo=str(model), data__path=str(folder), train__epochs=80,
        lora__rank=16, report__eval_every=1000, checkpoint__every=1000,
    )  # fmt: skip
    finish(run)
    assert any(notice.code == "unnamed_end" for notice in state_of(run).notices)
    words = load(model)
    network = inference.load(model, Model(repo=str(model)), "ends", str(run.adapters))
    assert decoding.answer(network, words, "q3", 20) == "o"
    ends = json.loads((run.adapters / "adapter_config.json").read_text())["eos_token_id"]
    assert ends == sorted(words.eos_token_ids)

    report = evaluate(
        Evaluation(
            data=str(folder), split="test", max_seq_length=512, mask_prompt=True, max_tokens=20,
            candidates=(Candidate(str(model), (Adapter("ends", str(run.adapters)),)),),
        ),
        lambda _: None,
    )  # fmt: skip
    assert (report.scores[1].exact_match, report.scores[1].cut_off) == (1.0, 0)

    out = tmp_path / "out"
    made = export(
        Export(
            name="ends", repo=str(model), base="owner/base", adapter=str(run.adapters), to=str(out),
            data=str(folder), adapter_card="", model_card="", fuse=True,
        ),
        lambda _: None,
    )  # fmt: skip
    assert any("--extra-eos-token '<|end|>'" in remark for remark in made.remarks)
    assert stops.named(out / "model") == stops.named(out / "adapter") == words.eos_token_ids
    assert 'PARAMETER stop "<|end|>"' in (out / "Modelfile").read_text()
    there, tokenizer = mlx_lm_load(str(out / "model"))
    prompt = prompt_tokens(words, "q3")
    said = list(stream_generate(there, tokenizer, mx.array(prompt), max_tokens=20))
    assert "".join(each.text for each in said) == "o"
    assert said[-1].finish_reason == "stop"
