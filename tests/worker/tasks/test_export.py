"""Exports: what is written is loaded again and does what the run's adapter does."""

from __future__ import annotations

import errno
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
import pytest
from farense_worker.model import inference
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.evaluation import Report, Score
from farense_worker.protocol.messages.export import Exported, Request
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Model
from farense_worker.tasks import compare_models, fuse, gguf, ollama
from farense_worker.tasks.compare_models import Behaviour
from farense_worker.tasks.export import export
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from farense_tui.engine.tasks import export as exporting
from tests import micro_model
from tests.real_runs import RunMaker, finish
from tests.tokenizers import load, variant

LLAMA3 = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n\n{{ m['content'] | trim }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n\n{% endif %}"
)
MISTRAL = (
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }}<|end|>"
    "{% else %}{{ raise_exception('no system') }}{% endif %}{% endfor %}"
)
THINKS = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>{% endif %}"
)


# As SmolLM2's and Qwen2.5's: it says something where nobody gives it a system text.
DEFAULT = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "<|system|>You are Micro.<|end|>\n{% endif %}"
    "<|{{ m['role'] }}|>{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path) -> RunFolder:
    folder = RunMaker(tmp_path_factory.mktemp("runs"), micro, data)("trained")
    finish(folder)
    return folder


@pytest.fixture(scope="module")
def trained_4bit(
    tmp_path_factory: pytest.TempPathFactory, micro_4bit: Path, data: Path
) -> RunFolder:
    # A rate so small that what is learnt is less than a step of the quantisation.
    make = RunMaker(tmp_path_factory.mktemp("runs"), micro_4bit, data)
    folder = make("trained", train__learning_rate=1e-4, lora__keys=("q_proj",))
    finish(folder)
    return folder


def sentencepiece(folder: Path) -> Path:
    """The micro model with a tokenizer of SentencePiece's kind, which mlx_lm's GGUF is for."""
    micro_model.make(folder)
    vocabulary = {f"<0x{i:02X}>": i for i in range(256)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<0x00>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def ask(
    run: RunFolder, to: Path, tell: Callable[[Any], None] = lambda _: None, **more: Any
) -> Exported:
    config = run.read_config()
    asked = Request(
        name=run.name,
        repo=config.model.repo,
        base="owner/base",
        adapter=str(run.adapters),
        to=str(to),
        adapter_card="# adapter",
        model_card="# model",
        **{"data": config.data.path} | more,
    )
    return export(asked, tell)


def weights(folder: Path) -> dict[str, mx.array]:
    found = mx.load(str(folder / "model.safetensors"))
    assert isinstance(found, dict)
    return found


def test_an_adapter_is_copied_and_does_the_same(trained: RunFolder, tmp_path: Path) -> None:
    made = ask(trained, tmp_path / "out")
    (part,) = made.parts
    assert part.verified is not None
    assert part.verified.kept == 1.0
    assert part.verified.answers == part.verified.answers_same
    folder = tmp_path / "out" / "adapter"
    assert (folder / "adapters.safetensors").read_bytes() == (
        trained.adapters / "adapters.safetensors"
    ).read_bytes()
    assert json.loads((folder / "adapter_config.json").read_text())["model"] == "owner/base"
    assert (folder / "README.md").read_text() == "# adapter"
    assert json.loads((tmp_path / "out" / "export.json").read_text())["run"] == "trained"
    assert not (tmp_path / "out" / "model").exists()


def test_a_check_ends_when_its_time_is_over(
    trained: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_models, "_SECONDS", 0)
    (part,) = ask(trained, tmp_path / "out").parts
    seen = part.verified
    assert seen is not None
    assert (seen.answers, seen.answers_same) == (1, 1)
    assert seen.questions > 1
    assert seen.tokens > 1
    told = exporting.verified(part)
    assert "1 of 1 answers" in told
    assert f"the others of {seen.questions} questions were not asked" in told


def test_what_is_not_to_be_checked_is_written_alone(trained: RunFolder, tmp_path: Path) -> None:
    told = list[Any]()
    made = ask(trained, tmp_path / "out", told.append, fuse=True, peft=True, check=False)
    assert not made.checked
    assert [part.verified for part in made.parts] == [None] * 4
    assert not [said for said in told if said.what.startswith("looking")]
    assert json.loads((tmp_path / "out" / "export.json").read_text())["checked"] is False
    checked = ask(trained, tmp_path / "again", fuse=True, peft=True)
    for name in made.files:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert checked.checked


def test_data_that_change_under_an_export(trained: RunFolder, tmp_path: Path, data: Path) -> None:
    mine, told = tmp_path / "data", list[object]()
    shutil.copytree(data, mine)

    def change(said: object) -> None:
        told.append(said)
        if len(told) < 3:  # before the copy has been looked at
            return
        for file in mine.glob("*.jsonl"):
            file.write_text(file.read_text().splitlines()[0] + "\n")
        mine.joinpath("test.jsonl").unlink(missing_ok=True)

    made = ask(trained, tmp_path / "out", tell=change, data=str(mine))
    assert made.parts[0].verified is not None
    assert made.parts[0].verified.kept == 1.0


def test_a_fused_float_model_is_the_model_with_its_adapter(
    trained: RunFolder, tmp_path: Path
) -> None:
    made = ask(trained, tmp_path / "out", fuse=True)
    part = made.parts[1]
    assert part.verified is not None
    assert part.verified.answers == part.verified.answers_same > 0
    assert part.verified.kept > 0.9999
    folder = tmp_path / "out" / "model"
    base, fused = weights(Path(trained.read_config().model.repo)), weights(folder)
    assert set(base) == set(fused)
    changed = {name for name in base if not mx.array_equal(base[name], fused[name])}
    assert changed
    assert all("proj" in name for name in changed)
    assert (tmp_path / "out" / "Modelfile").read_text().startswith("FROM ./model\n")


def test_a_quantised_base_keeps_the_adapter_where_it_is_asked_to(
    trained_4bit: RunFolder, tmp_path: Path
) -> None:
    part = ask(trained_4bit, tmp_path / "keep", fuse=True).parts[1]
    assert part.verified is not None
    assert part.verified.kept > 0.99
    kept = weights(tmp_path / "keep" / "model")
    assert "model.layers.0.self_attn.q_proj.scales" not in kept
    assert "model.layers.0.self_attn.k_proj.scales" in kept
    assert not (tmp_path / "keep" / "Modelfile").exists()  # Ollama cannot read it

    part = ask(trained_4bit, tmp_path / "float", fuse=True, precision="float").parts[1]
    assert part.verified is not None
    assert part.verified.kept > 0.99
    assert not [name for name in weights(tmp_path / "float" / "model") if "scales" in name]
    assert "quantization" not in json.loads((tmp_path / "float/model/config.json").read_text())
    assert (tmp_path / "float" / "Modelfile").exists()


def test_an_adapter_that_quantising_loses_is_not_exported(
    trained_4bit: RunFolder, tmp_path: Path
) -> None:
    with pytest.raises(FarenseError, match="has lost the adapter") as caught:
        ask(trained_4bit, tmp_path / "out", fuse=True, precision="quantised")
    assert "of the adapter's effect is left" in caught.value.detail

    to = tmp_path / "unchecked"
    unchecked = ask(trained_4bit, to, fuse=True, precision="quantised", check=False)
    assert any("much or all of it may be lost" in each for each in unchecked.remarks)


@pytest.mark.parametrize("kind", ["dora", "full"])
def test_other_kinds_of_fine_tuning_are_fused_too(
    make_run: RunMaker, tmp_path: Path, kind: str
) -> None:
    run = make_run(kind, train__fine_tune_type=kind, train__learning_rate=1e-3)
    finish(run)
    part = ask(run, tmp_path / "out", fuse=True).parts[1]
    assert part.verified is not None
    assert part.verified.kept > 0.999
    assert part.verified.answers == part.verified.answers_same


def test_a_gguf_file_gives_the_same_answers(tmp_path: Path, data: Path) -> None:
    run = RunMaker(tmp_path / "runs", sentencepiece(tmp_path / "model"), data)("one")
    finish(run)
    made = ask(run, tmp_path / "out", gguf=True, gguf_card="# a file", precision="float")
    assert (tmp_path / "out" / "README.md").read_text() == "# a file"
    part = next(part for part in made.parts if part.what == "GGUF")
    assert part.path == "one.gguf"
    assert part.verified is not None
    assert part.verified.kept > 0.99  # float16
    assert (tmp_path / "out" / "one.gguf").read_bytes().startswith(b"GGUF")
    told = metadata(tmp_path / "out" / "one.gguf")
    assert told["tokenizer.chat_template"] == load(tmp_path / "model").chat_template
    assert told["tokenizer.ggml.eot_token_id"].item() in load(tmp_path / "model").eos_token_ids
    assert told["tokenizer.ggml.add_bos_token"].item() is False
    assert (tmp_path / "out" / "Modelfile").read_text().startswith("FROM ./one.gguf\n")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "qwen2"}, "not of qwen2"),
        ({"model_type": "mixtral"}, "not of mixtral"),
        ({"head_dim": 64}, "heads"),
        ({"attention_bias": True}, "biases"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "yarn"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5}}, "llama3"),
        ({}, "SentencePiece"),
    ],
)
def test_what_mlx_lm_cannot_write_as_gguf(
    micro: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    variant(micro, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert words in gguf.obstacle(tmp_path)


def metadata(path: Path) -> dict[str, Any]:
    loaded: Any = mx.load(str(path), return_metadata=True)
    found: dict[str, Any] = loaded[1]
    return found


def by_score(text: str, tokens: list[str], scores: list[float]) -> list[str]:
    """Cut a text as llama.cpp does (llm_tokenizer_spm): the pair of the highest score, leftmost."""
    known = dict(zip(tokens, scores, strict=True))
    parts = list(text)
    while True:
        pairs = [
            (-known[one + other], at)
            for at, (one, other) in enumerate(itertools.pairwise(parts))
            if one + other in known
        ]
        if not pairs:
            break
        _score, at = min(pairs)
        parts[at : at + 2] = ["".join(parts[at : at + 2])]
    return [
        piece
        for part in parts
        for piece in ([part] if part in known else [f"<0x{byte:02X}>" for byte in part.encode()])
    ]


def test_llama_cpp_cuts_texts_as_the_tokenizer_does(tmp_path: Path) -> None:
    """mlx_lm gives all tokens one score: pairs would be put together from the left."""
    model = sentencepiece(tmp_path / "model")
    pieces = ["er", "ar", "▁f", "ense", "se", "en", "▁far", "arense", "▁farense", "ere", "re", "ns"]
    made = json.loads((model / "tokenizer.json").read_text())
    first = made["added_tokens"][0]["id"]
    for token in made["added_tokens"]:  # they come after the others
        token["id"] += 40
    for piece in [*dict.fromkeys("".join(pieces)), *pieces]:
        made["model"]["vocab"].setdefault(piece, first + len(made["model"]["vocab"]) - 256)
    known = made["model"]["vocab"]
    made["model"]["merges"] = [  # as transformers makes them of SentencePiece's: all that there are
        [piece[:at], piece[at:]]
        for piece in pieces
        for at in range(1, len(piece))
        if piece[:at] in known and piece[at:] in known
    ]
    (model / "tokenizer.json").write_text(json.dumps(made))
    network = inference.load(model, Model(repo=str(model)))
    gguf.write(model, fuse.as_half(network), tmp_path / "one.gguf")
    told = metadata(tmp_path / "one.gguf")
    tokens, scores = (told[f"tokenizer.ggml.{name}"] for name in ("tokens", "scores"))
    backend = Tokenizer.from_file(str(model / "tokenizer.json"))
    told_apart = 0
    for text in ("farense", "faro", "ferense é", "arenseres", "serenar"):
        given, right = f"▁{text}".replace(" ", "▁"), backend.encode(text).tokens
        assert by_score(given, tokens, scores.tolist()) == right, text
        told_apart += by_score(given, tokens, [-1000.0] * len(tokens)) != right
    assert told_apart


def test_gguf_is_refused_before_anything_is_written(trained: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="cannot be exported as GGUF"):
        ask(trained, tmp_path / "out", gguf=True, precision="float")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            LLAMA3,
            "{{ if .System }}<|system|>\n\n{{ .System }}<|end|><|user|>\n\n{{ else }}<|user|>\n\n"
            "{{ end }}{{ .Prompt }}<|end|><|assistant|>\n\n{{ .Response }}<|end|>",
        ),
        (
            DEFAULT,
            "{{ if .System }}<|system|>{{ .System }}<|end|>\n<|user|>{{ else }}<|user|>{{ end }}"
            "{{ .Prompt }}<|end|>\n<|assistant|>{{ .Response }}<|end|>\n",
        ),
        # the space before an answer is the model's own
        (MISTRAL, "[INST] {{ .Prompt }} [/INST]{{ .Response }}<|end|>"),
    ],
)
def test_a_chat_template_is_put_into_ollama_s_words(
    micro: Path, tmp_path: Path, template: str, expected: str
) -> None:
    tokenizer = load(variant(micro, tmp_path, template))
    frame = ollama.find(tokenizer)
    assert frame is not None
    assert frame.go() == expected


def test_a_template_that_writes_a_turn_otherwise_later_is_left_to_the_user(
    micro: Path, tmp_path: Path
) -> None:
    text = ollama.modelfile(load(variant(micro, tmp_path, THINKS)), "./m", 512)
    assert "TEMPLATE" in text.splitlines()[1]
    assert text.splitlines()[1].startswith("# ")
    assert 'PARAMETER stop "<|end|>"' in text
    assert "PARAMETER temperature 0\nPARAMETER repeat_penalty 1\n" in text


@pytest.mark.parametrize(
    ("template", "system", "expected"),
    [
        (LLAMA3, "És um adepto.\nSê breve.", 'SYSTEM """És um adepto.\nSê breve."""'),
        (THINKS, "Sê breve.", 'SYSTEM """Sê breve."""'),
        (MISTRAL, "Sê breve.", ""),  # nobody can have trained with it
        (LLAMA3, 'Diz """não""".', "# "),
        (LLAMA3, None, ""),
        (DEFAULT, None, 'SYSTEM """You are Micro."""'),
        (DEFAULT, "Sê breve.", 'SYSTEM """Sê breve."""'),
        (LLAMA3, "", ""),
    ],
)
def test_a_modelfile_has_the_system_prompt_of_the_training(
    micro: Path, tmp_path: Path, template: str, system: str | None, expected: str
) -> None:
    text = ollama.modelfile(load(variant(micro, tmp_path, template)), "./m", 512, system)
    frame = ollama.find(load(tmp_path))
    before = f'TEMPLATE """{frame.go()}"""' if frame else "by hand.\n"
    said = text.partition(before)[2].partition("PARAMETER")[0].strip()
    assert said.startswith(expected) if expected == "# " else said == expected


def test_a_bos_is_left_to_the_runtime_where_the_tokenizer_adds_one(
    micro: Path, tmp_path: Path
) -> None:
    """SmolLM2's bos begins each turn, and no tokenizer adds it."""
    tokenizer = load(variant(micro, tmp_path, DEFAULT, bos_token="<|system|>"))
    frame = ollama.find(tokenizer)
    assert frame is not None
    assert frame.with_system == ("<|system|>", "<|end|>\n<|user|>")
    assert frame.default == "You are Micro."


@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16])
def test_what_came_in_16_bits_is_fused_in_16_bits(
    micro: Path, data: Path, tmp_path: Path, dtype: mx.Dtype
) -> None:
    model = tmp_path / "half"
    shutil.copytree(micro, model)
    halves = {name: value.astype(dtype) for name, value in weights(micro).items()}
    mx.save_safetensors(str(model / "model.safetensors"), halves)
    run = RunMaker(tmp_path / "runs", model, data)("run", train__epochs=1)
    finish(run)
    made = ask(run, tmp_path / "out", fuse=True)
    assert {value.dtype for value in weights(tmp_path / "out" / "model").values()} == {dtype}
    (part,) = (each for each in made.parts if each.what == "model")
    assert part.verified is not None
    assert part.verified.kept > 0.9


def test_a_card_has_no_figures_of_an_earlier_adapter(trained: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(trained.path, tmp_path / trained.name)))
    score = Score(name="", model="m", loss=1.25, perplexity=3.5, tokens=9)
    for late, there in ((60.0, True), (-60.0, False)):
        when = (run.adapters / "adapters.safetensors").stat().st_mtime + late
        report = Report(
            data="data", split="test", time=when, max_tokens=8, scores=(score,), rows=(), measured=9
        )
        run.evaluation.write_bytes(msgspec.json.encode(report))
        card = exporting.request(run, tmp_path / "out").adapter_card
        assert ("On the test set" in card) == there
        told = exporting.remarks(run)
        assert [f"farense-tui evaluate {run.name} measures it" in each for each in told] == (
            [] if there else [True]
        )


def test_likeness_knows_its_ends() -> None:
    one = mx.log(mx.array([[0.7, 0.3], [0.2, 0.8]]))
    other = mx.log(mx.array([[0.5, 0.5], [0.5, 0.5]]))
    adapter, base = Behaviour(one, ["a", "b"]), Behaviour(other, ["c", "b"])
    same = compare_models.compare(adapter, base, adapter, 2)
    assert (same.kept, same.answers_same, same.tokens_same) == (1.0, 2, 2)
    lost = compare_models.compare(adapter, base, base, 2)
    assert (lost.kept, lost.answers_same) == (0.0, 1)
    nothing = compare_models.compare(base, base, base, 2)
    assert nothing.kept == 1.0
    slow = compare_models.compare(adapter, base, Behaviour(one, ["a"]), 2)
    assert (slow.answers_same, slow.answers, slow.questions) == (1, 1, 2)


def test_what_is_fused_loads_by_itself(trained: RunFolder, tmp_path: Path) -> None:
    ask(trained, tmp_path / "out", fuse=True)
    folder = tmp_path / "out" / "model"
    network: Any = inference.load(folder, Model(repo=str(folder)))
    assert network(mx.array([[1, 2, 3]])).shape == (1, 3, 288)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "out/adapter"),
        RuntimeError("[write] Unable to write 512 bytes to file."),  # MLX's: it tells no reason
    ],
)
def test_a_disk_that_fills_up_meanwhile_is_named(
    trained: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr("mlx.core.save_safetensors", fails)
    monkeypatch.setattr("farense_worker.protocol.run_folder.free_space", lambda _: 4096)
    with pytest.raises(FarenseError, match="no space on the disk") as caught:
        ask(trained, tmp_path / "out", fuse=True, check=False)
    assert caught.value.kind == "disk_full"
    assert caught.value.exit_code == 3
    assert "out" in caught.value.detail


def test_a_place_that_cannot_be_written_is_named(trained: RunFolder, micro: Path) -> None:
    """It was told as Python tells it."""
    asked = Request(
        name="club", repo=str(micro), base="owner/base", adapter=str(trained.adapters),
        to="/dev/null/out", data="", adapter_card="", model_card="",
    )  # fmt: skip
    with pytest.raises(FarenseError, match="cannot write /dev/null/out") as caught:
        export(asked, lambda _: None)
    assert caught.value.exit_code == 3
