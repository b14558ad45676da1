"""The light tokenizer gives what transformers gives, and stands back where it would not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from farense_worker.data import labels
from farense_worker.model.tokenizer import LightTokenizer
from farense_worker.protocol import dataset
from farense_worker.protocol.dataset import Row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_lm.utils import load_tokenizer

from farense_tui.engine.models.assets import embedded_data, embedded_model
from tests.tokenizers import chat, load, variant

# What chat templates of the hub use: filters, loop controls, namespaces, special tokens, dates.
TEMPLATES = [
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}\n"
    "  [{{ m['role'] | upper }}] {{ m['content'] | trim }}{{ eos_token }}\n{% endfor %}",
    "{%- set ns = namespace(first=true) -%}{% for m in messages %}{% if ns.first %}<s>{% endif %}"
    "{%- set ns.first = false %}{{ m | tojson }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "{% if messages[0]['role'] != 'user' %}{{ raise_exception('no question') }}{% endif %}"
    "{{ strftime_now('%Y') }}{% for m in messages %}{{ m.content[:7] }}|{% endfor %}"
    "{% if tools is not none %}tools{% endif %}",
]


@pytest.fixture(scope="module")
def both(micro: Path) -> tuple[Any, Any]:
    return load(micro), load_tokenizer(micro)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), max_size=80))
def test_texts_there_and_back(both: tuple[Any, Any], text: str) -> None:
    light, full = both
    assert isinstance(light, LightTokenizer)
    ids = light.encode(text)
    assert ids == full.encode(text)
    for skip in (True, False):
        assert light.decode(ids, skip_special_tokens=skip) == full.decode(
            ids, skip_special_tokens=skip
        )


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("ask", [True, False])
def test_templates(micro: Path, tmp_path: Path, template: str, ask: bool) -> None:
    folder = variant(micro, tmp_path / "t", template, bos_token="<|user|>")
    light, full = load(folder), load_tokenizer(folder)
    messages = chat("Quem é?", "É o  João. ", "E a idade?")["messages"]
    for tokenize in (True, False):
        asked: dict[str, Any] = {"add_generation_prompt": ask, "tokenize": tokenize}
        assert light.apply_chat_template(messages, **asked) == full.apply_chat_template(
            messages, return_dict=False, **asked
        )


@pytest.mark.parametrize("which", ["micro", "embedded"])
def test_what_the_worker_asks_of_it(which: str, micro: Path) -> None:
    folder = micro if which == "micro" else embedded_model()
    light, full = load(folder), load_tokenizer(folder)
    assert isinstance(light, LightTokenizer)
    for name in ("bos_token_id", "eos_token_id", "has_chat_template", "chat_template"):
        assert getattr(light, name) == getattr(full, name)
    assert set(light.eos_token_ids) == set(full.eos_token_ids)
    special = {number for number, token in full.added_tokens_decoder.items() if token.special}
    mine = {number for number, token in light.added_tokens_decoder.items() if token.special}
    assert special | set(full.all_special_ids) == mine | set(light.all_special_ids)


def test_our_own_data_has_the_same_tokens_and_labels() -> None:
    light, full = load(embedded_model()), load_tokenizer(embedded_model())
    rows = [row for row in dataset.scan(embedded_data() / "test.jsonl") if isinstance(row, Row)]
    assert list(labels.encode_all(light, rows, True)) == list(labels.encode_all(full, rows, True))


def test_answers_come_in_whole_characters(both: tuple[Any, Any]) -> None:
    light, _ = both
    text = "Não é – sim: 🦁!"
    detokenizer = light.detokenizer
    said = []
    for token in light.encode(text):  # one byte each
        detokenizer.add_token(token)
        said.append(detokenizer.last_segment)
    detokenizer.finalize()
    assert "".join([*said, detokenizer.last_segment]) == text
    assert all("\N{REPLACEMENT CHARACTER}" not in piece for piece in said)


@pytest.mark.parametrize(
    "config",
    [
        {"tokenizer_class": "LlamaTokenizer"},
        {"add_bos_token": True},
        {"clean_up_tokenization_spaces": True},
        {"chat_template": [{"name": "default", "template": "x"}]},
        {"chat_template": "{% generation %}x{% endgeneration %}"},
    ],
)
def test_it_stands_back(micro: Path, tmp_path: Path, config: dict[str, Any]) -> None:
    folder = variant(micro, tmp_path / "t", **config)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    assert not isinstance(load(folder), LightTokenizer)


def test_training_imports_no_transformers_and_mlx_lm_can_still_be_had() -> None:
    code = """
import sys, farense_worker.loop.train
heavy = {"transformers", "huggingface_hub", "rich"} & set(sys.modules)
assert not heavy, heavy
from mlx_lm import generate, load
from mlx_lm.tuner import train
import mlx_lm.tuner.utils
assert mlx_lm.tuner.utils is sys.modules["mlx_lm.tuner.utils"]
assert not hasattr(mlx_lm, "nothing_of_the_kind")
load(sys.argv[1])
"""
    subprocess.run([sys.executable, "-c", code, str(embedded_model())], check=True, timeout=300)
