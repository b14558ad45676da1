"""The light tokenizer gives what transformers gives, and stands back where it would not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from farense_worker.data import labels
from farense_worker.model import light_tokenizer, tokenizer
from farense_worker.model.chat_template import ChatTemplates
from farense_worker.model.light_tokenizer import LightTokenizer
from farense_worker.model.tokenizer import FullTokenizer
from farense_worker.protocol import dataset
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.settings.profile import Model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError
from mlx_lm.utils import load_tokenizer

from farense_tui.engine.models.assets import embedded_data, embedded_model
from tests.tokenizers import chat, load, variant

# What chat templates of the hub use: filters, loop controls, namespaces, special tokens, dates.
TEMPLATES = [
    "{% for m in messages %}{{ m | tojson(indent=2) }}{{ m | tojson(ensure_ascii=True) }}"
    "{{ m | tojson(separators=(',', ':'), sort_keys=True) }}{% endfor %}",
    "{% for m in messages %}<|{{ m.role }}|>{% generation %}{{ m.content }}{% set x = 1 %}"
    "{% endgeneration %}{% if m.role == 'user' %}{% continue %}{% endif %}!{% endfor %}",
    "{% macro said(m) %}{% for c in m.content %}{{ c ~ '.' ~ 1 }}{% endfor %}{% endmacro %}"
    "{% for m in messages %}{{ said(m) + ('=' * 3) }}{{ m.reasoning_content }}{{ m.thinking }}"
    "{% endfor %}{{ enable_thinking }}{{ '%03d' % 7 }}{{ 'a,b'.split(',') | join('-') }}"
    "{{ messages | map(attribute='role') | list | length }}{{ pad_token is defined }}",
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
    messages[1] |= {"thinking": "Foi o João.", "tool_calls": None}
    for tokenize in (True, False):
        asked: dict[str, Any] = {"add_generation_prompt": ask, "tokenize": tokenize}
        assert light.apply_chat_template(messages, **asked) == full.apply_chat_template(
            messages, return_dict=False, **asked
        )


@pytest.mark.parametrize(
    "config",
    [
        {"extra_special_tokens": {"end_of_turn_token": "<|end|>"}},
        {"end_of_turn_token": "<|end|>"},
        {"end_of_turn_token": {"content": "<|end|>", "__type": "AddedToken"}},
        {"mask_token": "<|end|>"},
    ],
)
def test_templates_write_tokens_by_names_of_their_own(
    micro: Path, tmp_path: Path, config: dict[str, Any]
) -> None:
    template = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
        "{{ end_of_turn_token or mask_token }}{% endfor %}"
    )
    folder = variant(micro, tmp_path / "t", template, **config)
    messages = chat("Quem é?", "É o João.")["messages"]
    said = load(folder).apply_chat_template(messages, tokenize=False)
    assert said.endswith("É o João.<|end|>")
    assert said == load_tokenizer(folder).apply_chat_template(messages, tokenize=False)


# As real ones are written: ChatML, SmolLM3's thoughts, Llama's tools, Gemma's roles.
REAL = [
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "{% if tools %}{{ tools | tojson(indent=4) }}\n\n{% endif %}{% for m in messages %}"
    "<|{{ m.role }}|>\n{{ m.content | trim }} {% if m.thinking %}<think>{{ m.thinking }}</think>"
    "{% endif %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|> {% endif %}",
    "{{ bos_token }}{% for m in messages %}[INST] {{ m['content'] | tojson }} [/INST]"
    "{{ eos_token }}{% endfor %}",
    "{% for m in messages %}<|{{ 'model' if m.role == 'assistant' else m.role }}|>"
    "{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}"
    "{{ m.content }}{{ '\\n' }}{% endfor %}",
]
_WORDS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["Quem ganhou? ", " o Farense", "<|end|>", "\u00a0e\u0301 ", "  \n", "1990-05-27 São Luís"]
)
_CALL = st.builds(
    lambda value: [{"type": "function", "function": {"name": "f", "arguments": {"a": value}}}],
    _WORDS | st.integers(),
)
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": _WORDS},
    optional={"thinking": _WORDS, "tool_calls": _CALL},
)


@pytest.fixture(scope="module")
def merging(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, Any]]:
    """The embedded model's tokenizer, whose letters merge, with each of those templates."""
    made = []
    for at, template in enumerate(REAL):
        folder = variant(embedded_model(), tmp_path_factory.mktemp(f"t{at}"), template)
        made.append((load(folder), load_tokenizer(folder)))
    return made


@pytest.mark.parametrize("at", range(len(REAL)))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.lists(_MESSAGE, min_size=1, max_size=4),
    ask=st.booleans(),
    tools=st.none() | st.just([{"type": "function", "function": {"name": "é", "parameters": {}}}]),
)
def test_tokens_of_any_conversation(
    merging: list[tuple[Any, Any]], at: int, messages: Any, ask: bool, tools: Any
) -> None:
    light, full = merging[at]
    assert isinstance(light, LightTokenizer)
    given = light.apply_chat_template(messages, tools, add_generation_prompt=ask)
    asked = {"tools": tools, "add_generation_prompt": ask, "return_dict": False}
    assert given == full.apply_chat_template(messages, **asked)


def test_a_template_of_parts_alone_is_known(micro: Path, tmp_path: Path) -> None:
    """As Idefics 3 has it; mlx_lm.generate sends strings."""
    template = "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}"
    assert load(variant(micro, tmp_path / "t", template)).takes_parts_alone
    assert not load(micro).takes_parts_alone


TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("tools", [None, TOOLS])
def test_several_templates(micro: Path, tmp_path: Path, default: bool, tools: Any) -> None:
    """As the newer files have it, additional_chat_templates/, and the older setting."""
    old = variant(micro, tmp_path / "old")
    texts = {"tool_use": "T{{ tools | tojson }}", "rag": "R"} | (
        {"default": "D"} if default else {}
    )
    settings = json.loads((old / "tokenizer_config.json").read_text())
    settings["chat_template"] = [{"name": n, "template": t} for n, t in texts.items()]
    (old / "tokenizer_config.json").write_text(json.dumps(settings))
    new = variant(micro, tmp_path / "new")
    (new / "additional_chat_templates").mkdir()
    for name, text in texts.items():
        place = (
            "chat_template.jinja"
            if name == "default"
            else f"additional_chat_templates/{name}.jinja"
        )
        (new / place).write_text(text)
    messages = chat("a", "b")["messages"]
    for folder in (old, new):
        light, full = load(folder), load_tokenizer(folder)
        assert isinstance(light, LightTokenizer)
        if tools is None and not default:
            with pytest.raises(ValueError, match="none of them is the default"):
                light.apply_chat_template(messages, tools)
            with pytest.raises(ValueError, match="no default"):
                full.apply_chat_template(messages, tools=tools)
        else:
            asked = full.apply_chat_template(messages, tools=tools, return_dict=False)
            assert light.apply_chat_template(messages, tools) == asked


def test_what_macos_puts_beside_a_template_is_none(micro: Path, tmp_path: Path) -> None:
    folder = variant(micro, tmp_path / "model")
    more = folder / "additional_chat_templates"
    more.mkdir()
    (more / "._tool_use.jinja").write_bytes(b"\0\x05\x16\x07\xff")  # as on a disk of exFAT
    assert isinstance(load(folder), LightTokenizer)


def test_models_with_a_class_of_their_own(micro: Path, tmp_path: Path) -> None:
    """As qwen2: with the generic class named, transformers takes its own all the same."""
    from importlib import import_module
    from pkgutil import iter_modules

    import mlx_lm.models
    from transformers.models.auto import tokenization_auto as auto

    generic = ("TokenizersBackend", "PythonBackend", "PreTrainedTokenizerFast")
    own = {
        kind
        for kind in auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS
        if auto.TOKENIZER_MAPPING_NAMES[kind] not in generic
    }
    for module in iter_modules(mlx_lm.models.__path__):
        source = Path(mlx_lm.models.__path__[0]) / f"{module.name}.py"
        if source.is_file() and "TOKENIZER_DEFAULTS" in source.read_text():
            assert import_module(f"mlx_lm.models.{module.name}").TOKENIZER_DEFAULTS
            own.add(module.name)
    assert own == light_tokenizer._OWN_CLASS
    folder = variant(micro, tmp_path / "t")
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    assert not isinstance(load(folder), LightTokenizer)


def test_a_model_that_has_thoughts_is_asked_for_them(micro: Path, tmp_path: Path) -> None:
    """mlx_lm gives every template enable_thinking, by the tokens that there are."""
    folder = variant(micro, tmp_path / "t", "{{ enable_thinking }}")
    tokens = json.loads((folder / "tokenizer.json").read_text())
    for at, token in enumerate(("<think>", "</think>"), 280):
        more = {"id": at, "content": token, "special": False} | dict.fromkeys(
            ("single_word", "lstrip", "rstrip", "normalized"), False
        )
        tokens["added_tokens"].append(more)
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    light, full = load(folder), load_tokenizer(folder)
    messages = chat("a")["messages"]
    assert isinstance(light, LightTokenizer)
    for each in (light, full):
        assert each.apply_chat_template(messages, tokenize=False) == "True"
    assert load(micro)._templates.text(messages) == "<|user|>a<|end|>"


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10**10 }}",
        "{{ 10**10 * [0] }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ 'a'.ljust(10**10) }}",
        "{{ 'a' | center(10000000000) }}",
        "{{ '%10000000000d' % 1 }}",
        "{{ '{:>10000000000}'.format(1) }}",
        "{{ strftime_now('%10000000d') }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}"
        "{% endfor %}",
        "{% set ns = namespace(x='aa') %}{% for i in range(99) %}"
        "{% set ns.x = ns.x.replace('a', ns.x) %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}"
        "{% endfor %}",
        "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{% set ns = namespace(x='aa') %}"
        "{% for i in range(99) %}{% set ns.x = m(ns.x) %}{% endfor %}",
        "{{ range(99999) | join('a' * 99999) }}",
    ],
)
def test_a_template_without_end_is_refused(micro: Path, tmp_path: Path, template: str) -> None:
    refused(micro, tmp_path, template, full=False)


def test_a_template_without_end_is_refused_whoever_has_it(micro: Path, tmp_path: Path) -> None:
    refused(micro, tmp_path, "{{ 'a' * 10**10 }}", full=True)


def refused(micro: Path, tmp_path: Path, template: str, *, full: bool) -> None:
    more = {"add_bos_token": False, "tokenizer_class": "LlamaTokenizer"} if full else {}
    folder = variant(micro, tmp_path / "t", template, **more)
    loaded = load(folder)
    assert isinstance(loaded, FullTokenizer if full else LightTokenizer)
    with pytest.raises(FarenseError) as caught:
        labels.encode(loaded, Row(1, "chat", chat("a", "b")), True)
    assert caught.value.title == "the model's chat template cannot be used"
    assert "was stopped" in caught.value.detail


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


def test_how_others_cut_and_padded_is_not_ours(micro: Path, tmp_path: Path) -> None:
    """tokenizer.json keeps what it was saved with: questions were cut off, and nobody knew."""
    folder = variant(micro, tmp_path / "t")
    about = json.loads((folder / "tokenizer.json").read_text())
    cut = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    padded: dict[str, Any] = {"strategy": {"Fixed": 64}, "direction": "Left", "pad_id": 0}
    padded |= {"pad_to_multiple_of": None, "pad_type_id": 0, "pad_token": "a"}
    about |= {"truncation": cut, "padding": padded}
    (folder / "tokenizer.json").write_text(json.dumps(about))
    found = load(folder)
    assert isinstance(found, LightTokenizer)
    text = "Quem é o número 3?"
    assert found.encode(text) == load(micro).encode(text)
    assert found.decode(found.encode(text)) == text


@pytest.mark.parametrize(
    "config",
    [
        {"tokenizer_class": "LlamaTokenizer"},
        {"add_bos_token": True},
        {"clean_up_tokenization_spaces": True},
        {"additional_special_tokens": ["<|new|>"]},
        {"bos_token": "a"},
        {"added_tokens_decoder": {"257": {"content": "<|user|>", "special": False}}},
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


@pytest.mark.parametrize(
    "template",
    [
        "{{ 1 / 0 }}",
        "{% if messages|length < 1e999 %}x{% endif %}",
        "{{ lipsum(n=10**9) }}",
        "{{ " + "(" * 500 + ")" * 500 + " }}",
    ],
)
def test_what_a_template_s_expressions_raise_is_told_as_its_error(template: str) -> None:
    templates = ChatTemplates(template, {}, thinking=False)
    with pytest.raises(TemplateError):
        templates.text([{"role": "user", "content": "a"}])


def test_a_panic_of_its_library_names_the_tokenizer(tmp_path: Path) -> None:
    """Which Python takes for a wish to end, as it does Ctrl-C: no `except Exception` sees it."""
    folder = tmp_path / "odd"
    shutil.copytree(embedded_model(), folder)
    made = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    made["model"]["continuing_subword_prefix"] = "longer than any token"
    (folder / "tokenizer.json").write_text(json.dumps(made))
    with pytest.raises(FarenseError, match="the tokenizer of odd cannot be loaded"):
        tokenizer.load(folder, Model(repo="odd"))


@pytest.mark.skipif(sys.platform != "linux", reason="has no file that cannot be read")
@pytest.mark.parametrize(
    "name", ["chat_template.jinja", "generation_config.json", "special_tokens_map.json"]
)
def test_a_tokenizer_that_cannot_be_read_is_told_without_numbers(
    micro: Path, tmp_path: Path, name: str
) -> None:
    """Without the tokens at which answers end, or another's, a run would learn other ones."""
    folder = shutil.copytree(micro, tmp_path / "odd")
    (folder / name).symlink_to("/proc/self/mem")
    with pytest.raises(FarenseError, match="the tokenizer of odd cannot be loaded") as caught:
        tokenizer.load(folder, Model(repo="odd"))
    assert caught.value.detail == f"{folder / name}: Input/output error"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tokenizer.json", '{"version": "1.0", "truncation": nu'),
        ("tokenizer.json", "[" * 100_000),
        (
            "tokenizer.json",
            '{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}',
        ),
        ("tokenizer_config.json", "{"),
        ("tokenizer_config.json", "[]"),
        ("tokenizer_config.json", '{"tokenizer_class": "TokenizersBackend", "eos_token": [1]}'),
        ("special_tokens_map.json", "[]"),
    ],
)
def test_a_damaged_file_of_a_tokenizer_is_named(
    name: str, text: str, micro: Path, tmp_path: Path
) -> None:
    folder = variant(micro, tmp_path / "odd")
    (folder / name).write_text(text)
    with pytest.raises(FarenseError, match="the tokenizer of odd cannot be loaded") as caught:
        tokenizer.load(folder, Model(repo="odd"))
    assert caught.value.detail.startswith(f"{name}: ")


def test_no_file_is_blamed_that_is_not_there(micro: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(micro, tmp_path / "odd")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(FarenseError, match="the tokenizer of odd cannot be loaded") as caught:
        tokenizer.load(folder, Model(repo="odd"))
    assert caught.value.detail.startswith("there is no tokenizer.json: ")


def test_a_tokenizer_that_makes_nothing_of_a_text_is_refused(micro: Path, tmp_path: Path) -> None:
    """transformers makes an empty one of a damaged tokenizer.model."""
    folder = shutil.copytree(micro, tmp_path / "odd")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"xx")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    with pytest.raises(FarenseError, match="the tokenizer of odd cannot be loaded") as caught:
        tokenizer.load(folder, Model(repo="odd"))
    assert "it makes no tokens of a text" in caught.value.detail


def test_no_sound_file_is_blamed_for_what_the_system_refused(micro: Path) -> None:
    for said, file in (("Too many open files (os error 24)", ""), ("odd", "tokenizer_config.json")):
        with (
            pytest.raises(FarenseError, match="cannot be loaded") as caught,
            tokenizer._told(micro, Model(repo="m")),
        ):
            raise RuntimeError(said)
        assert caught.value.detail == ": ".join(filter(None, (file, said)))
