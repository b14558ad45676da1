"""Which tokens of a row are labels: as mlx_lm has it, and what it leaves to chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from farense_worker.data import labels
from farense_worker.protocol.dataset import Kind, Row
from hypothesis import given, settings
from hypothesis import strategies as st

from farense_tui.engine.models.assets import embedded_model
from tests.tokenizers import chat, load, variant

TOOLS = [{"type": "function", "function": {"name": "resultado", "parameters": {}}}]
WITH_TOOLS = (
    "{% if tools %}<|system|>{{ tools | tojson }}<|end|>{% endif %}"
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# Asks for thoughts, and leaves them out of an answer that has none.
THINKING = WITH_TOOLS.replace("<|assistant|>{% endif %}", "<|assistant|><think>\n{% endif %}")
# Puts a word about the last message at the beginning, so that the prompt alone begins otherwise.
FORWARD = "{{ messages[-1]['role'] }}" + WITH_TOOLS
# Without a special token between the question and the answer.
PLAIN = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)

ROWS: list[tuple[Kind, dict[str, Any]]] = [
    ("chat", chat("Quem é?", "É ele.")),
    ("chat", chat("a", "b", "c", "d e f")),
    ("chat", chat("  a \n", "\n b ")),
    (
        "chat",
        {"messages": [{"role": "system", "content": "Sê breve."}, *chat("a", "b")["messages"]]},
    ),
    ("chat", chat("Quem ganhou?", "2-1") | {"tools": TOOLS}),
    ("completion", {"prompt": "Quem é?", "completion": "É ele."}),
    ("completion", {"prompt": "Quem ganhou?", "completion": "2-1", "tools": TOOLS}),
    ("completion", {"prompt": "", "completion": "só isto"}),
    ("text", {"text": "O Farense joga no São Luís."}),
    ("text", {"text": "Acaba já.<|end|>"}),
]


@pytest.fixture(scope="module")
def micro_tokenizer(micro: Path) -> Any:
    return load(micro)


@pytest.fixture(scope="module", params=["embedded", "micro", "tools"])
def tokenizer(
    request: pytest.FixtureRequest, micro: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    if request.param == "embedded":
        return load(embedded_model())
    if request.param == "micro":
        return load(micro)
    return load(variant(micro, tmp_path_factory.mktemp("tools"), WITH_TOOLS))


def mlx_lm_reads(
    tokenizer: Any, kind: Kind, values: dict[str, Any], mask: bool
) -> tuple[list[int], int]:
    from mlx_lm.tuner.datasets import ChatDataset, CompletionsDataset, TextDataset

    if kind == "text":
        dataset: Any = TextDataset([values], tokenizer)
    elif kind == "chat":
        dataset = ChatDataset([values], tokenizer, mask_prompt=mask)
    else:
        dataset = CompletionsDataset([values], tokenizer, "prompt", "completion", mask)
    tokens, offset = dataset.process(values)
    return list(tokens), offset


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize(("kind", "values"), ROWS)
def test_the_same_as_mlx_lm(tokenizer: Any, kind: Kind, values: dict[str, Any], mask: bool) -> None:
    tokens, offset = mlx_lm_reads(tokenizer, kind, values, mask)
    found = labels.encode(tokenizer, Row(1, kind, values), mask, "last")
    assert list(found.tokens) == tokens
    assert found.first == max(1, offset)  # nothing predicts the first token
    without = "tools" in values and "tools" not in tokenizer.chat_template
    assert codes(found) == ["left_out"] * without


def test_the_tools_are_in_the_tokens(micro: Path, tmp_path: Path) -> None:
    """Else the rows above with tools would prove nothing."""
    tokenizer = load(variant(micro, tmp_path / "t", WITH_TOOLS))
    found = labels.encode(tokenizer, Row(1, "completion", ROWS[6][1]), True)
    assert "resultado" in tokenizer.decode(found.tokens[: found.first])
    assert tokenizer.decode(found.tokens[found.first :]) == "2-1<|end|>"


def read(tokenizer: Any, found: labels.Encoded) -> list[str]:
    """What the labels say, run by run."""
    return [tokenizer.decode(found.tokens[first:end]) for first, end in found.spans]


def texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=60)
@given(st.lists(st.lists(texts(), min_size=2, max_size=4), min_size=1, max_size=5), st.booleans())
def test_many_at_once_as_one_by_one(
    micro_tokenizer: Any, conversations: list[list[str]], mask: bool
) -> None:
    rows = [Row(at, "chat", chat(*turns)) for at, turns in enumerate(conversations)]
    assert labels._backend(micro_tokenizer) is not None
    found = labels.encode_all(micro_tokenizer, rows, mask, "last")
    for row, encoded in found:
        assert encoded == labels.encode(micro_tokenizer, row, mask, "last")
        assert isinstance(encoded, labels.Encoded)
        tokens, offset = mlx_lm_reads(micro_tokenizer, "chat", row.values, mask)
        if row.values["messages"][-1]["role"] == "assistant" and tokens[-2:] != [256, 256]:
            assert (list(encoded.tokens), encoded.first) == (tokens, max(1, offset))


def test_one_bad_row_among_many_is_told_by_itself(micro: Path, tmp_path: Path) -> None:
    picky = "{% if messages|length > 2%}{{ raise_exception('one turn only') }}{% endif %}"
    tokenizer = load(variant(micro, tmp_path / "t", picky + WITH_TOOLS))
    only = {"messages": [{"role": "assistant", "content": "sim"}]}
    rows = [chat("a", "b"), chat("a", "b", "c", "d"), only, chat("c", "d")]
    found = labels.encode_all(
        tokenizer, [Row(at, "chat", row) for at, row in enumerate(rows)], True
    )
    first, refused, alone, last = (each for _, each in found)
    assert isinstance(first, labels.Encoded)
    assert refused == "the chat template refuses the row: one turn only"
    assert alone == "the answer has no question before it: where it begins cannot be told"
    assert isinstance(last, labels.Encoded)


def test_a_question_is_never_a_label(micro_tokenizer: Any) -> None:
    """mlx_lm would train on the question."""
    values = chat("Quem?", "Ele.", "E quem mais?")
    _, offset = mlx_lm_reads(micro_tokenizer, "chat", values, True)
    found = labels.encode(micro_tokenizer, Row(1, "chat", values), True, "last")
    assert offset < len(found.tokens)
    assert found.first == len(found.tokens)
    found = labels.encode(micro_tokenizer, Row(1, "chat", values), True)
    assert read(micro_tokenizer, found) == ["Ele.<|end|>"]
    assert len(found.tokens) == found.spans[-1][1]  # nothing after the last label is computed


def test_a_template_that_asks_for_thoughts(micro: Path, tmp_path: Path) -> None:
    """mlx_lm would cut the length of `<think>\\n` off the answer, and train it unasked for."""
    tokenizer = load(variant(micro, tmp_path / "t", THINKING))
    row = Row(1, "chat", chat("Quem?", "Foi ele, e mais ninguém."))
    found = labels.encode(tokenizer, row, True)
    assert codes(found) == ["closed_thought"]
    assert read(tokenizer, found) == ["\n</think>\n\nFoi ele, e mais ninguém.<|end|>"]
    _, offset = mlx_lm_reads(tokenizer, "chat", row.values, True)
    assert tokenizer.decode(found.tokens[offset:]) != "Foi ele, e mais ninguém.<|end|>"
    assert [each for _, each in labels.encode_all(tokenizer, [row, row], True)] == [found, found]


def test_a_template_that_asks_for_more_than_it_writes(micro: Path, tmp_path: Path) -> None:
    asking = WITH_TOOLS.replace("<|assistant|>{% endif %}", "<|assistant|>Ora:{% endif %}")
    tokenizer = load(variant(micro, tmp_path / "t", asking))
    found = labels.encode(tokenizer, Row(1, "chat", chat("Quem?", "Foi ele.")), True)
    assert codes(found) == ["parted"]
    assert read(tokenizer, found) == ["Foi ele.<|end|>"]
    assert tokenizer.decode(found.tokens[: found.first]).endswith("Ora:")


def test_a_template_that_writes_the_question_otherwise(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", FORWARD))
    row = Row(1, "chat", chat("Quem?", "Ele."))
    found = labels.encode(tokenizer, row, True)
    asked = row.values["messages"][:1]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True)
    assert found.tokens[: found.first] == prompt
    assert read(tokenizer, found) == ["Ele.<|end|>"]
    assert codes(found) == ["parted"]
    assert labels.encode(tokenizer, row, False).first == 1


def test_a_call_that_is_written_otherwise_than_it_is_asked(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", "{{ messages[-1]['role'] }}" + CALLING))
    called = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    row = Row(1, "chat", {"messages": [*chat("Quem?")["messages"], called]})
    with pytest.raises(
        labels.NoLabels, match=r"otherwise when the answer follows, from token 1 on"
    ):
        labels.encode(tokenizer, row, True)
    ((_, found),) = labels.encode_all(tokenizer, [row], True)
    assert isinstance(found, str)


def test_an_end_of_the_whole_conversation(micro: Path, tmp_path: Path) -> None:
    """As Phi 3's: an eos after the last turn alone, and each turn has its own end."""
    ended = CALLING.replace(
        "{% if add", "{% if not add_generation_prompt %}<|system|>{% endif %}{% if add"
    )
    tokenizer = load(variant(micro, tmp_path / "t", ended))
    found = labels.encode(tokenizer, Row(1, "chat", chat("a", "b", "c", "d")), True)
    assert read(tokenizer, found)[0] == "b<|end|>"
    assert "rewritten" not in codes(found)


def test_a_token_over_the_end_of_the_prompt(micro: Path, tmp_path: Path) -> None:
    """The space after `assistant:` and the answer's first letter may become one token."""
    folder = variant(micro, tmp_path / "t", PLAIN)
    tokens = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokens["model"]["vocab"]
    vocabulary["ĠE"] = max(vocabulary.values()) + 40
    tokens["model"]["merges"] = [["Ġ", "E"]]
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    tokenizer = load(folder)
    values = chat("Quem?", "Ele.")
    found = labels.encode(tokenizer, Row(1, "chat", values), True)
    asked = tokenizer.apply_chat_template(values["messages"][:1], add_generation_prompt=True)
    assert found.tokens[: found.first] == asked  # what ask, evaluate, mlx_lm and servers send
    assert tokenizer.decode(found.tokens[found.first :]) == "Ele.\n<|end|>"
    assert codes(found) == ["end_appended"]
    every = labels.encode(tokenizer, Row(1, "chat", values), False)
    assert (every.tokens, every.first) == (found.tokens, 1)
    ((_, many),) = labels.encode_all(tokenizer, [Row(1, "chat", values)], True)
    assert many == found


@pytest.mark.parametrize(("text", "eos"), [("a", 1), ("a<|end|>", 1), ("a<|end|><|end|>", 1)])
def test_text_ends_in_one_eos(micro_tokenizer: Any, text: str, eos: int) -> None:
    found = labels.encode(micro_tokenizer, Row(1, "text", {"text": text}), True)
    assert list(found.tokens).count(micro_tokenizer.eos_token_id) == eos
    assert found.tokens[-1] == micro_tokenizer.eos_token_id
    assert found.first == 1


def test_a_bos_that_the_text_has_already(micro: Path, tmp_path: Path) -> None:
    folder = variant(micro, tmp_path / "t", "<|system|>" + WITH_TOOLS, bos_token="<|system|>")
    tokens = json.loads((folder / "tokenizer.json").read_text())
    bos = next(each["id"] for each in tokens["added_tokens"] if each["content"] == "<|system|>")
    tokens["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<|system|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {
            "<|system|>": {"id": "<|system|>", "ids": [bos], "tokens": ["<|system|>"]}
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    tokenizer = load(folder)
    rows = [
        Row(1, "text", {"text": "a"}),
        Row(2, "text", {"text": "<|system|>a"}),
    ]
    assert tokenizer.encode("<|system|>a")[:2] == [bos, bos]  # mlx_lm trains on both
    for _, found in labels.encode_all(tokenizer, rows, True):
        assert isinstance(found, labels.Encoded)
        assert list(found.tokens).count(bos) == 1
    for _, found in labels.encode_all(tokenizer, [Row(1, "chat", chat("a", "b"))], True):
        assert isinstance(found, labels.Encoded)
        assert list(found.tokens[:2]).count(bos) == 1


CUTTING = {"direction": "Right", "max_length": 10, "strategy": "LongestFirst", "stride": 0}
PADDING = {
    "strategy": {"Fixed": 10},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "!",
}


@pytest.mark.parametrize(("key", "asked"), [("truncation", CUTTING), ("padding", PADDING)])
def test_a_tokenizer_file_that_asks_for_more(
    micro: Path, tmp_path: Path, key: str, asked: dict[str, Any]
) -> None:
    """The first row has 10 tokens, so that it alone would not show the difference."""
    folder = variant(micro, tmp_path / "t")
    tokens = json.loads((folder / "tokenizer.json").read_text()) | {key: asked}
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    rows = [Row(1, "chat", chat("abc", "def")), Row(2, "chat", chat("abcdef", "ghijkl"))]
    rows.append(Row(3, "chat", chat("", "")))
    odd = [found for _, found in labels.encode_all(load(folder), rows, False)]
    assert odd == [found for _, found in labels.encode_all(load(micro), rows, False)]
    assert [len(found.tokens) for found in odd if isinstance(found, labels.Encoded)] == [10, 16, 4]


def test_all_answers_of_a_conversation(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(micro)
    turns = chat("Quem?", "Ele.", "Onde?", "Cá.", "Quando?", "Já.")
    row = Row(1, "chat", turns)
    found = labels.encode(tokenizer, row, True)
    assert read(tokenizer, found) == ["Ele.<|end|>", "Cá.<|end|>", "Já.<|end|>"]
    assert read(tokenizer, labels.encode(tokenizer, row, True, "last")) == ["Já.<|end|>"]
    assert [each for _, each in labels.encode_all(tokenizer, [row, row], True)] == [found, found]
    for at, (first, _end) in zip((1, 3, 5), found.spans, strict=True):
        asked = tokenizer.apply_chat_template(turns["messages"][:at], add_generation_prompt=True)
        assert found.tokens[:first] == asked  # each is trained as it is asked


# As Qwen3: thoughts stand in the last answer alone, an empty one where there are none.
FORGETTING = (
    "{% for m in messages %}<|{{ m['role'] }}|>"
    "{% if loop.last and m['role'] == 'assistant' %}<think>\n\n</think>{% endif %}"
    "{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def test_answers_that_the_template_rewrites_are_no_labels(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", FORGETTING))
    found = labels.encode(tokenizer, Row(1, "chat", chat("a", "b", "c", "d", "e", "f")), True)
    assert read(tokenizer, found) == ["<think>\n\n</think>f<|end|>"]
    (remark,) = found.remarks
    assert remark.code == "rewritten"
    assert remark.what.startswith("messages 2, 4 are no labels")


METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": False}


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
def test_a_tokenizer_that_puts_a_space_mark_before_the_rest(
    micro: Path, tmp_path: Path, scheme: str
) -> None:
    """As SentencePiece does: the answer's tokens by themselves would read ` Ele.`."""
    folder = variant(micro, tmp_path / "t", PLAIN)
    tokens = json.loads((folder / "tokenizer.json").read_text())
    letters = sorted(set("user: assistant: Quem?Ele.\n") | {"▁"})
    pieces = [*letters, "▁E", "▁Ele", "Ele"]
    vocabulary = {piece: 300 + at for at, piece in enumerate(pieces)}
    tokens["model"]["vocab"] = vocabulary
    tokens["model"]["merges"] = [["E", "l"], ["El", "e"], ["▁", "Ele"]]
    vocabulary["El"] = 299
    tokens["pre_tokenizer"] = METASPACE | {"prepend_scheme": scheme}
    tokens["decoder"] = METASPACE | {"prepend_scheme": scheme}
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    tokenizer = load(folder)
    values = chat("Quem?", "Ele.")
    found = labels.encode(tokenizer, Row(1, "chat", values), True)
    asked = tokenizer.apply_chat_template(values["messages"][:1], add_generation_prompt=True)
    assert found.tokens[: found.first] == asked
    whole = tokenizer.decode(found.tokens)
    assert whole == "user: Quem?\nassistant: Ele.\n<|end|>"
    assert whole[len(tokenizer.decode(asked)) :] == "Ele.\n<|end|>"
    assert found.labels() < len("Ele.\n")  # as one piece, not letter by letter


def codes(found: labels.Encoded) -> list[str]:
    return [remark.code for remark in found.remarks]


TOOL_CALL = {"id": "1", "function": {"name": "f", "arguments": '{"ano": 1990}'}}
# As most: calls and results in a language of their own; a developer's words and thoughts have none.
CALLING = (
    "{% for m in messages %}{% if m['role'] in ['user', 'assistant', 'tool'] %}<|{{ m['role'] }}|>"
    "{{ m['content'] | trim }}{% if m.tool_calls %}{% for c in m.tool_calls %}"
    "[{{ c.function.name }} {{ c.function.arguments | tojson }}]"
    "{% endfor %}{% endif %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def test_null_content_and_arguments_in_a_string(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", CALLING))
    called = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    messages = [*chat("Quem?")["messages"], called]
    found = labels.encode(tokenizer, Row(1, "chat", {"messages": messages}), True)
    assert read(tokenizer, found) == ['[f {"ano": 1990}]<|end|>']
    assert not found.remarks


def test_what_the_template_leaves_out_is_named(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", CALLING))
    messages = [{"role": "developer", "content": "Sê breve."}, *chat("a", "b", "?")["messages"]]
    messages[2]["reasoning_content"] = "Pensei nisso."
    found = labels.encode(tokenizer, Row(1, "chat", {"messages": messages}), True)
    assert [remark.what for remark in found.remarks] == [
        "message 1 (developer): the template leaves out its text",
        "message 3 (assistant): the template leaves out its reasoning",
        "message 4 (user) comes after the last answer that is trained on",
    ]
    assert set(codes(found)) == {"left_out"}


def test_a_word_that_stands_there_for_another_reason(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", CALLING))
    messages = [{"role": "developer", "content": "user"}, *chat("a", "b")["messages"]]
    found = labels.encode(tokenizer, Row(1, "chat", {"messages": messages}), True)
    assert codes(found) == ["left_out"]


@pytest.mark.parametrize("cities", [("Faro", "Olhão"), (1, 2), ({"a": ["Faro"]}, {"a": ["Olhão"]})])
def test_the_second_call_of_a_message_that_is_left_out(
    micro: Path, tmp_path: Path, cities: tuple[Any, Any]
) -> None:
    """What is asked, and what the calls give, have the words of both."""
    first = CALLING.replace("in m.tool_calls", "in m.tool_calls[:1]")
    messages = chat("Faro (1) e Olhão (2)?", "Sol em Faro (1), chuva em Olhão (2).")["messages"]
    calls = [{"function": {"name": "tempo", "arguments": {"em": each}}} for each in cities]
    messages[1:1] = [{"role": "assistant", "tool_calls": calls}, {"role": "tool", "content": "a"}]
    row = Row(1, "chat", {"messages": messages})
    found = [
        labels.encode(load(variant(micro, tmp_path / str(at), template)), row, True)
        for at, template in enumerate((CALLING, first))
    ]
    assert [codes(each) for each in found] == [[], ["left_out"]]
    assert "the template leaves out its tool call tempo" in found[1].remarks[0].what


@pytest.mark.parametrize("trims", [True, False])
def test_the_indentation_of_a_first_line_that_is_trimmed(
    micro: Path, tmp_path: Path, trims: bool
) -> None:
    template = CALLING if trims else CALLING.replace(" | trim", "")
    row = Row(1, "chat", chat("Soma?", "    x = 1\n    return x\n"))
    found = labels.encode(load(variant(micro, tmp_path / "t", template)), row, True)
    told = "message 2 (assistant): the template leaves out its first indentation"
    assert [remark.what for remark in found.remarks] == [told] * trims


def test_an_indentation_that_stands_in_json_is_there(micro: Path, tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}<|{{ m.role }}|>"
        "{{ m.content | tojson if m.role == 'tool' else m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    messages = chat("Lê.", "Lido.")["messages"]
    messages[1:1] = [{"role": "tool", "content": "     1\timport os\n     2\timport re"}]
    row = Row(1, "chat", {"messages": messages})
    assert codes(labels.encode(load(variant(micro, tmp_path / "t", template)), row, True)) == []


def test_keys_and_names_of_messages_that_the_template_has_no_word_for(
    micro: Path, tmp_path: Path
) -> None:
    named = CALLING + "{# m.citations #}"
    messages = chat("Quando?", "Em 1910.")["messages"]
    messages[0] |= {"name": "Alice", "tokens": 3, "id": 7, "citations": [1], "empty": None}
    row = Row(1, "chat", {"messages": messages})
    found = labels.encode(load(variant(micro, tmp_path / "t", named)), row, True)
    assert [(remark.code, remark.what) for remark in found.remarks] == [
        ("left_out", "message 1 (user): the template leaves out its name"),
        ("beside", 'message 1 (user): "tokens"'),
    ]


def test_an_answer_that_the_template_leaves_out(micro: Path, tmp_path: Path) -> None:
    silent = CALLING.replace("'assistant', ", "")
    tokenizer = load(variant(micro, tmp_path / "t", silent))
    ((_, found),) = labels.encode_all(tokenizer, [Row(1, "chat", chat("a", "Ele."))], True)
    assert found == "the chat template leaves out the answer in message 2"


def test_control_tokens_in_the_text(micro: Path) -> None:
    tokenizer = load(micro)
    values = chat("a<|user|>b", "c <|end|> d<|end|>")
    found = labels.encode(tokenizer, Row(1, "chat", values), True)
    assert [remark.what for remark in found.remarks] == [
        "message 1 (user) has <|user|> in its text",
        "message 2 (assistant) has <|end|> in its text",
    ]
    assert set(codes(found)) == {"control_token"}


@pytest.mark.parametrize("mask", [True, False])
def test_an_answer_of_weight_0_is_no_label(micro: Path, mask: bool) -> None:
    tokenizer = load(micro)
    values = chat("a", "b", "c", "d", "e", "f")
    values["messages"][3]["weight"] = 0
    found = labels.encode(tokenizer, Row(1, "chat", values), mask)
    if mask:
        assert read(tokenizer, found) == ["b<|end|>", "f<|end|>"]
    else:
        first, second = read(tokenizer, found)
        assert first == "a<|end|><|assistant|>b<|end|><|user|>c<|end|><|assistant|>"
        assert second == "<|user|>e<|end|><|assistant|>f<|end|>"
    values["messages"][5]["weight"] = 0
    last = labels.encode(tokenizer, Row(1, "chat", values), mask, "last")
    assert not mask or not last.spans


# As Nemotron 3: a closed thought in the row, an open one in what asks for the answer.
OPENING = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}"
    "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n"
    "{% else %}<think></think>{% endif %}{% endif %}{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)


def test_a_row_without_thoughts_closes_the_one_that_is_opened(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", OPENING))
    values = chat("Quem?", "Ele.")
    found = labels.encode(tokenizer, Row(1, "chat", values), True)
    asked = tokenizer.apply_chat_template(values["messages"][:1], add_generation_prompt=True)
    assert found.tokens[: found.first] == asked
    assert read(tokenizer, found) == ["\n</think>\nEle.<|end|>"]
    assert codes(found) == ["closed_thought"]
    values["messages"][1]["thinking"] = "Foi ele."
    found = labels.encode(tokenizer, Row(1, "chat", values), True)
    assert read(tokenizer, found) == ["Foi ele.\n</think>\nEle.<|end|>"]
    assert not found.remarks


# As Idefics 3 and SmolVLM: content is a list of parts, a string is gone over letter by letter.
PARTS = (
    "{% for m in messages %}<|{{ m.role }}|>{% for part in m['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def test_a_template_that_takes_parts_alone(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", PARTS))
    found = labels.encode(tokenizer, Row(1, "chat", chat("Quem?", "Ele.")), True)
    assert tokenizer.decode(found.tokens) == "<|user|>Quem?<|end|><|assistant|>Ele.<|end|>"
    assert read(tokenizer, found) == ["Ele.<|end|>"]
    assert not found.remarks


# As DeepSeek's: thoughts are asked for, and are not written into a row.
FORGETFUL = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content.split('</think>')[-1] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)


def test_a_thought_that_the_template_never_writes_is_closed(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", FORGETFUL))
    found = labels.encode(tokenizer, Row(1, "chat", chat("Quem?", "Ele.")), True)
    assert tokenizer.decode(found.tokens[: found.first]).endswith("<|assistant|><think>\n")
    assert read(tokenizer, found) == ["\n</think>\n\nEle.<|end|>"]
    assert codes(found) == ["closed_thought"]
    thinking = chat("Quem?", "<think>\nFoi.\n</think>\n\nEle.")
    found = labels.encode(tokenizer, Row(1, "chat", thinking), True)
    assert codes(found) == ["closed_thought", "left_out"]


def test_a_prompt_that_ends_in_a_space(tmp_path: Path) -> None:
    """One space after <|assistant|> took exact answers of the demo from 60% to none."""
    folder = tmp_path / "spaced"
    folder.mkdir()
    for name in ("tokenizer.json", "config.json", "generation_config.json"):
        (folder / name).write_bytes((embedded_model() / name).read_bytes())
    settings = (embedded_model() / "tokenizer_config.json").read_text()
    spaced = settings.replace("<|assistant|>{{", "<|assistant|> {{")
    spaced = spaced.replace("<|assistant|>{%- endif", "<|assistant|> {% endif")
    (folder / "tokenizer_config.json").write_text(spaced)
    plain, tokenizer = load(embedded_model()), load(folder)
    values = chat("Quem ganhou?", "Ganhou o Farense por 2-1.")
    found = labels.encode(tokenizer, Row(1, "chat", values), True)
    asked = tokenizer.apply_chat_template(values["messages"][:1], add_generation_prompt=True)
    assert asked != plain.apply_chat_template(values["messages"][:1], add_generation_prompt=True)
    assert found.tokens[: found.first] == asked
    assert read(tokenizer, found) == ["Ganhou o Farense por 2-1.<|end|>"]
    same = labels.encode(plain, Row(1, "chat", values), True)
    assert found.tokens[found.first :] == same.tokens[same.first :]


def test_a_thought_that_the_template_closes_itself_is_told(micro: Path, tmp_path: Path) -> None:
    """As Qwen3's that always think: nothing said that rows teach it to think no more."""
    closing = OPENING.replace("<think></think>", "<think>\n\n</think>\n\n")
    tokenizer = load(variant(micro, tmp_path / "t", closing))
    found = labels.encode(tokenizer, Row(1, "chat", chat("Quem?", "Ele.")), True)
    assert read(tokenizer, found) == ["\n</think>\n\nEle.<|end|>"]
    assert codes(found) == ["closed_thought"]


def test_an_answer_that_writes_of_thoughts_does_not_end_in_one(micro: Path, tmp_path: Path) -> None:
    """It was trained as "em HTML.", within the thought that the prompt opens."""
    tokenizer = load(variant(micro, tmp_path / "t", FORGETFUL))
    values = chat("Quem?", "Usa <think> e </think> em HTML.")
    found = labels.encode(tokenizer, Row(1, "chat", values), True)
    assert read(tokenizer, found) == ["\n</think>\n\n em HTML.<|end|>"]
    assert codes(found) == ["closed_thought", "left_out"]


# As Nemotron Nano 2: the last answer stands behind an opened thought, which nothing closes.
OPEN = (
    "{% for m in messages %}<|{{ m.role }}|>{% if loop.last and m.role == 'assistant' %}<think>\n"
    "{% endif %}{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)


@pytest.mark.parametrize(
    ("answer", "label", "said"),
    [
        ("Ele.", "\n</think>\n\nEle.<|end|>", "closed_thought"),
        ("<think>\nFoi.\n</think>\n\nEle.", "Foi.\n</think>\n\nEle.<|end|>", "parted"),
    ],
)
def test_no_answer_is_trained_within_a_thought(
    micro: Path, tmp_path: Path, answer: str, label: str, said: str
) -> None:
    """The row begins with the prompt, and was taken as it stood."""
    tokenizer = load(variant(micro, tmp_path / "t", OPEN))
    row = Row(1, "chat", chat("Quem?", answer))
    found = labels.encode(tokenizer, row, True)
    assert read(tokenizer, found) == [label]
    assert codes(found) == [said]
    asked = tokenizer.apply_chat_template(row.values["messages"][:1], add_generation_prompt=True)
    assert found.tokens[: found.first] == asked


@pytest.mark.parametrize("plain", [True, False])
def test_a_row_that_the_tokenizer_fails_at_is_named_alone(
    micro: Path, tmp_path: Path, plain: bool
) -> None:
    """By a rule that finds no end in a text, where the library gives up."""
    folder = variant(micro, tmp_path / "m", add_bos_token=not plain)
    made = json.loads((folder / "tokenizer.json").read_text())
    made["pre_tokenizer"] = {
        "type": "Split", "pattern": {"Regex": "(a|aa)+$"}, "behavior": "Isolated", "invert": False,
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(made))
    endless = "a" * 99 + "b"
    texts = ["Quem?", endless, "Ele."]
    rows = [Row(n, "text", {"text": text}) for n, text in enumerate(texts)]
    rows += [Row(n, "chat", chat(text, "Sim.")) for n, text in enumerate(texts, 3)]
    for some in (rows[:3], rows[3:]):
        found = [each for _row, each in labels.encode_all(load(folder), some, mask_prompt=True)]
        assert [type(each) for each in found] == [labels.Encoded, str, labels.Encoded]
        assert str(found[1]).startswith("the tokenizer fails at it: ")
