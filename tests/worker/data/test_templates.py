"""The chat templates that people train with, crossed with every kind of row: none is silent and
wrong. `make templates` fetches them; without them there is nothing to test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chat_templates import ROWS, corpus_folder, outcome, row, templates, with_template
from farense_worker.data import labels
from farense_worker.data.row_text import answer_of
from farense_worker.model import chat_template
from farense_worker.model.light_tokenizer import LightTokenizer
from tokenizers import Tokenizer

from farense_tui.engine.models.assets import embedded_model
from tests.tokenizers import load

TEMPLATES = templates()
pytestmark = [
    pytest.mark.templates,
    pytest.mark.skipif(not TEMPLATES, reason="`make templates` fetches the chat templates"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus_folder(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def merging(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> tuple[Any, Any]:
    """A tokenizer whose letters merge, with the control tokens of all templates: ours, theirs."""
    from mlx_lm.utils import load_tokenizer

    folder = tmp_path_factory.mktemp("merging")
    words = Tokenizer.from_file(str(embedded_model() / "tokenizer.json"))
    control = Tokenizer.from_file(str(corpus / "tokenizer.json")).get_added_tokens_decoder()
    words.add_special_tokens([token for token in control.values() if token.special])
    words.add_tokens([token for token in control.values() if not token.special])
    words.save(str(folder / "tokenizer.json"))
    for name in ("tokenizer_config.json", "config.json"):
        (folder / name).write_bytes((corpus / name).read_bytes())
    ours = load(folder)
    assert isinstance(ours, LightTokenizer)
    return ours, load_tokenizer(folder)


@pytest.fixture(scope="module")
def transformers(corpus: Path) -> Any:
    from mlx_lm.utils import load_tokenizer

    return load_tokenizer(corpus)


def theirs(tokenizer: Any, template: str, messages: Any, tools: Any, ask: bool) -> str:
    """What transformers and mlx_lm make of a conversation; their refusal as its text."""
    if chat_template._takes_parts_alone(template):
        messages = [chat_template._in_parts(message) for message in messages]
    asked = {"tools": tools, "add_generation_prompt": ask, "tokenize": False}
    tokenizer._tokenizer.chat_template = template
    try:
        return str(tokenizer.apply_chat_template(messages, **asked))
    except TypeError:
        messages = chat_template._arguments_as_text(messages)
        for message in messages:
            if "tool_calls" in message:
                message["tool_calls"] = chat_template._arguments_as_text(message["tool_calls"])
    except labels.template_errors() as error:
        return f"refused: {error}"
    try:
        return str(tokenizer.apply_chat_template(messages, **asked))
    except labels.template_errors() as error:
        return f"refused: {error}"


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template(name: str, corpus: Path, transformers: Any, merging: tuple[Any, Any]) -> None:
    template = TEMPLATES[name]
    light = with_template(corpus, template)
    transformers._tokenizer.eos_token = light._special["eos_token"]
    for kind in ROWS:
        messages, tools = row(kind).conversation()
        for end in range(1, len(messages) + 1):
            for ask in (True, False):
                wanted = theirs(transformers, template, messages[:end], tools, ask)
                try:
                    said = light.apply_chat_template(
                        messages[:end], tools, add_generation_prompt=ask, tokenize=False
                    )
                except labels.template_errors() as error:
                    said = f"refused: {error}"
                assert said == wanted, (kind, end, ask)
                ours, their_own = merging
                tokens = ours.encode(said, add_special_tokens=False)
                assert tokens == their_own.encode(said, add_special_tokens=False), (kind, end, ask)
        check(light, kind, messages, tools)


def check(tokenizer: Any, kind: str, messages: list[dict[str, Any]], tools: Any) -> None:
    """Whatever a row comes to: it is refused, or trained as it is asked, or it is told."""
    found = outcome(tokenizer, kind)
    if isinstance(found, str):
        assert "leaves out the answer" in found or "refuses the row" in found, (kind, found)
        return
    codes = {remark.code for remark in found.remarks}
    answers = [at for at, m in enumerate(messages) if m["role"] == "assistant"]
    answers = [at for at in answers if at not in row(kind).unweighted]
    assert len(found.spans) == len(answers) or "rewritten" in codes, kind
    assert bool(row_has_control(messages)) == ("control_token" in codes), kind
    for at, (first, end) in zip(reversed(answers), reversed(found.spans), strict=False):
        if "rewritten" not in codes:
            prompt = tokenizer.apply_chat_template(messages[:at], tools, add_generation_prompt=True)
            assert list(found.tokens[:first]) == prompt or "parted" in codes, (kind, at)
        label = tokenizer.decode(found.tokens[first:end])
        if tokenizer.decode(found.tokens[:first]).rstrip().endswith("<think>"):
            assert "</think>" in label, (kind, label)
        for words in essence(messages[at]):
            assert words in label, (kind, at, label)
    text = tokenizer.decode(found.tokens)
    for at, message in enumerate(messages):
        for part in ("content", "reasoning_content"):
            for words in (
                str(message.get(part) or "").replace("</think>", "<think>").split("<think>")
            ):
                assert words.strip() in text or "left_out" in codes, (kind, at, words)
    if tools:
        assert "resultado" in text or "left_out" in codes, kind


def row_has_control(messages: list[dict[str, Any]]) -> bool:
    return any("<|im_end|>" in message["content"] for message in messages)


def essence(message: dict[str, Any]) -> list[str]:
    """What an answer must say in any language of calls."""
    calls = [call["function"]["name"] for call in message.get("tool_calls") or ()]
    return [answer_of(message).strip(), *calls]
