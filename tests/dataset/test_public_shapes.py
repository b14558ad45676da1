"""Rows as ten public data sets and five services document them go in with one command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol import dataset

from farense_tui.cli import main
from tests.dataset import files

CALL = {"name": "golos", "arguments": '{"ano": 1990}'}
PUBLIC: dict[str, tuple[dict[str, Any], list[str]]] = {
    "tatsu-lab/alpaca": (
        {"instruction": "Translate.", "input": "Olá", "output": "Hello", "text": "Below is ..."},
        ["Translate.\n\nOlá", "Hello"],
    ),
    "databricks/databricks-dolly-15k": (
        {"instruction": "Who?", "context": "He did.", "response": "He.", "category": "closed_qa"},
        ["Who?\n\nHe did.", "He."],
    ),
    "openai/gsm8k": ({"question": "1+1?", "answer": "#### 2"}, ["1+1?", "#### 2"]),
    "rajpurkar/squad": (
        {
            "id": "1",
            "title": "Faro",
            "context": "Faro is in the Algarve.",
            "question": "Where is Faro?",
            "answers": {"text": ["in the Algarve", "the Algarve"], "answer_start": [8, 11]},
        },
        ["Where is Faro?\n\nFaro is in the Algarve.", "in the Algarve"],
    ),
    "Open-Orca/OpenOrca": (
        {"id": "niv.1", "system_prompt": "Be brief.", "question": "a?", "response": "b."},
        ["Be brief.", "a?", "b."],
    ),
    "HuggingFaceH4/ultrachat_200k": (
        {
            "prompt": "a?",
            "prompt_id": "0a",
            "messages": [
                {"role": "user", "content": "a?"},
                {"role": "assistant", "content": "b."},
            ],
        },
        ["a?", "b."],
    ),
    "anon8231489123/ShareGPT_Vicuna_unfiltered": (
        {
            "id": "QWJhYvA_0",
            "conversations": [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b."}],
        },
        ["a?", "b."],
    ),
    "mlabonne/FineTome-100k": (
        {
            "conversations": [
                {"from": "system", "value": "s"},
                {"from": "human", "value": "a?"},
                {"from": "gpt", "value": "b."},
            ],
            "source": "infini-instruct",
            "score": 5.2,
        },
        ["s", "a?", "b."],
    ),
    "HuggingFaceH4/ultrafeedback_binarized": (
        {
            "prompt": "a?",
            "chosen": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b."}],
            "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "c"}],
            "score_chosen": 8.0,
        },
        ["a?", "b."],
    ),
    "roneneldan/TinyStories": ({"text": "Once upon a time."}, ["Once upon a time."]),
    "trl: prompt-completion": (
        {
            "prompt": [{"role": "user", "content": "a?"}],
            "completion": [{"role": "assistant", "content": "b."}],
        },
        ["a?", "b."],
    ),
    "OpenAI: preferences": (
        {
            "input": {"messages": [{"role": "user", "content": "a?"}], "tools": []},
            "preferred_output": [{"role": "assistant", "content": "b."}],
            "non_preferred_output": [{"role": "assistant", "content": "c"}],
        },
        ["a?", "b."],
    ),
    "Gemini": (
        {
            "systemInstruction": {"role": "system", "parts": [{"text": "s"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "a"}, {"text": "?"}]},
                {"role": "model", "parts": [{"text": "b."}]},
            ],
        },
        ["s", "a?", "b."],
    ),
    "Anthropic on Bedrock": (
        {
            "system": "s",
            "messages": [
                {"role": "user", "content": "a?"},
                {"role": "assistant", "content": "b."},
            ],
        },
        ["s", "a?", "b."],
    ),
    "Mistral, Together: completions": ({"prompt": "a?", "completion": "b."}, ["a?", "b."]),
    "em português": (
        {"N.º": 3, "Pergunta": "Quem?", "Resposta": "Ele.", "Fonte": "W"},
        ["Quem?", "Ele."],
    ),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_one_command_makes_rows_of_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row, said = PUBLIC[name]
    source = files.jsonl(tmp_path / "rows.jsonl", row)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "d")]) == 0
    assert files.said(tmp_path / "d") == [said]
    assert dataset.summarise(tmp_path / "d").why == ""
    told = capsys.readouterr().out
    assert "JSONL" in told
    assert f"⟦{said[-1]}⟧" in told


def test_calls_of_functions_stand_where_templates_look(tmp_path: Path) -> None:
    tools = [{"name": "golos", "parameters": {"type": "object", "properties": {}}}]
    old = {
        "messages": [
            {"role": "user", "content": "a?"},
            {"role": "assistant", "content": None, "function_call": CALL},
            {"role": "function", "name": "golos", "content": "3"},
            {"role": "assistant", "content": "3."},
        ],
        "functions": tools,
    }
    gemini = {
        "contents": [
            {"role": "user", "parts": [{"text": "a?"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "golos", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "golos", "response": 3}}]},
            {"role": "model", "parts": [{"text": "3"}]},
        ]
    }
    share = {
        "conversations": [
            {"from": "human", "value": "a?"},
            {"from": "function_call", "value": '{"name": "golos", "arguments": {}}'},
            {"from": "observation", "value": "3"},
            {"from": "gpt", "value": "3.."},
        ]
    }
    for at, row in enumerate((old, gemini, share)):
        source = files.jsonl(tmp_path / f"{at}.jsonl", row)
        assert main(["data", "make", str(source), "--to", str(tmp_path / f"{at}")]) == 0
        (made,) = files.rows(tmp_path / f"{at}")
        roles = [message["role"] for message in made["messages"]]
        assert roles == ["user", "assistant", "tool", "assistant"]
        assert made["messages"][1]["tool_calls"][0]["function"]["name"] == "golos"
        assert dataset.summarise(tmp_path / f"{at}").faults == ()
    assert files.rows(tmp_path / "0")[0]["tools"][0]["function"] == tools[0]


def test_answers_that_are_labelled_as_bad_are_left_out(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n}?", "completion": "b", "label": n % 2 == 0} for n in range(4)]
    source = files.jsonl(tmp_path / "kto.jsonl", *rows)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "d")]) == 3
    assert not (tmp_path / "d").exists()
    assert main(["data", "make", str(source), "--to", str(tmp_path / "d"), "--skip"]) == 0
    assert files.said(tmp_path / "d") == [["0?", "b"], ["2?", "b"]]
