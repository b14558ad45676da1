"""Every answer that is trained on ends where generation stops."""

from __future__ import annotations

from pathlib import Path

import pytest
from farense_worker.data import labels
from farense_worker.protocol.dataset import Row

from tests.tokenizers import chat, load, variant

ASKS = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
# As GLM-4.5: the next question's mark is what ends an answer.
NO_END = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}" + ASKS
NEW_LINE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}" + ASKS
CHATML = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>\n{% endfor %}" + ASKS


@pytest.mark.parametrize(
    ("template", "answer", "said"),
    [
        (NO_END, "Ele.<|end|>", ["end_appended"]),
        (NEW_LINE, "Ele.\n<|end|>", ["end_appended"]),
        (CHATML, "Ele.<|end|>\n", []),
    ],
)
@pytest.mark.parametrize("turns", [("Quem?", "Ele."), ("Quem?", "Eu.", "Quem?", "Ele.")])
def test_the_end_is_a_label(
    micro: Path, tmp_path: Path, template: str, answer: str, said: list[str], turns: tuple[str, ...]
) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", template))
    row = Row(1, "chat", chat(*turns))
    found = labels.encode(tokenizer, row, True)
    first, end = found.spans[-1]
    assert tokenizer.decode(found.tokens[first:end]) == answer
    assert [remark.code for remark in found.remarks] == said
    assert [each for _, each in labels.encode_all(tokenizer, [row, row], True)] == [found, found]
    assert labels.encode(tokenizer, row, False).tokens == found.tokens


def test_an_end_that_is_not_appended_is_told(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", NO_END))
    row = Row(1, "chat", chat("Quem?", "Ele."))
    found = labels.encode(tokenizer, row, True, append_end=False)
    assert tokenizer.decode(found.tokens[found.first :]) == "Ele."
    assert [remark.code for remark in found.remarks] == ["endless"]
    tokenizer = load(variant(micro, tmp_path / "without", NO_END, eos_token=None))
    found = labels.encode(tokenizer, row, True)
    assert [remark.code for remark in found.remarks] == ["endless"]


def test_a_question_at_the_end_is_ended_by_nothing(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", NO_END))
    row = Row(1, "chat", chat("Quem?", "Ele.", "E?"))
    assert tokenizer.decode(labels.encode(tokenizer, row, False).tokens).endswith("E?")


# As Llama 3's first one: it asks for an answer behind each conversation, wanted or not.
ALWAYS = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>\n{% endfor %}<|assistant|>"
)
# As Nemotron-Mini's: the same without an end, its marks no special tokens.
ALWAYS_PLAIN = (
    "{% for m in messages %}@{{ m['role'] }}\n{{ m['content'] }}\n{% endfor %}{{ '@assistant\n' }}"
)
ALWAYS_WORDS = ALWAYS_PLAIN.replace("}}\n{% endfor", "}}<|end|>\n{% endfor")
# As Llama Guard's and Granite Guardian's: the last message is judged.
GUARD = (
    "<|system|>{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "Is the {{ messages[-1]['role'] }} safe?<|end|>"
) + ASKS


@pytest.mark.parametrize(
    ("template", "answers", "said"),
    [
        (ALWAYS_WORDS, ["Eu.<|end|>\n", "Ele.<|end|>\n"], ["words_behind"]),
        (ALWAYS_PLAIN, ["Eu.\n", "Ele.\n<|end|>"], ["words_behind", "end_appended"]),
        (
            GUARD,
            ["Ele.<|end|>"],
            ["parted", "rewritten", "words_behind", "end_appended"],
        ),
        (ALWAYS, ["Eu.<|end|>\n", "Ele.<|end|>\n"], ["words_behind"]),
    ],
    ids=["asks", "asks without an end", "judges", "asks without words"],
)
def test_what_the_template_writes_behind_an_answer_is_no_label(
    micro: Path, tmp_path: Path, template: str, answers: list[str], said: list[str]
) -> None:
    """It was one: Nemotron-Mini learnt to write <extra_id_1>Assistant after each answer."""
    tokenizer = load(variant(micro, tmp_path / "t", template))
    row = Row(1, "chat", chat("Quem?", "Eu.", "Quem?", "Ele."))
    found = labels.encode(tokenizer, row, True)
    assert [tokenizer.decode(found.tokens[a:b]) for a, b in found.spans] == answers
    assert [remark.code for remark in found.remarks] == said
    assert [each for _, each in labels.encode_all(tokenizer, [row, row], True)] == [found, found]
    asked = tokenizer.apply_chat_template(row.values["messages"][:3], add_generation_prompt=True)
    assert found.tokens[: found.spans[-1][0]] == asked
