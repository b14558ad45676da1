"""What a row has beside what is read of it."""

from __future__ import annotations

from typing import Any

import pytest
from farense_worker.data import untrained_parts
from farense_worker.protocol.dataset import Row

ASKED = {"role": "user", "content": "Ano?"}
SAID = {"role": "assistant", "content": "1910."}


def said(values: dict[str, Any], *, mask: bool = True, answers: Any = "all") -> list[Any]:
    kind: Any = next(k for k in ("messages", "prompt", "text") if k in values)
    kind = {"messages": "chat", "prompt": "completion"}.get(kind, kind)
    return [
        (each.code, each.what)
        for each in untrained_parts.remarks(Row(1, kind, values), mask, answers)
    ]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"messages": [ASKED, SAID], "id": 7, "source": "x", "weight": 1, "images": []}, []),
        (
            {"prompt": "a", "completion": "b", "system": "Grita."},
            [("unread", 'the "system" of the row is not read')],
        ),
        (
            {"messages": [ASKED, SAID], "functions": [{"name": "f"}], "weight": 0},
            [
                ("unread", 'the "functions" of the row is not read'),
                ("unread", 'the "weight" of the row is not read'),
            ],
        ),
        (
            {"messages": [ASKED, SAID | {"train": False, "thoughts": "Ora."}]},
            [
                ("unread", 'the "thoughts" of message 2 (assistant) is not read'),
                ("unread", 'the "train" of message 2 (assistant) is not read'),
            ],
        ),
        ({"messages": [ASKED, SAID | {"train": True, "mask": False}]}, []),
        ({"messages": [ASKED, SAID], "label": True}, []),
        ({"prompt": "a", "completion": "b", "label": 2}, [("beside", '"label"')]),
        ({"prompt": "a", "completion": "b", "answer": "b", "split": "x", "user_id": "7"}, []),
        (
            {"prompt": "a", "completion": "b", "instruction": "Em verso.", "hops": 2, "why": "c"},
            [
                ("unread", 'the "instruction" of the row is not read'),
                ("beside", '"hops", "why"'),
            ],
        ),
        (
            {"messages": [ASKED, SAID], "response": "1911.", "system": "Ano?"},
            [("unread", 'the "response" of the row is not read')],
        ),
        *(
            (
                {"text": "Um bom filme", name: said},
                [("unread", f'the "{name}" of the row is not read')],
            )
            for name, said in (("answer", "Sim"), ("label", "bom"), ("Label", 1), ("summary", "x"))
        ),
        ({"text": "Pergunta: a\n### Resposta:\nb", "input": "a", "output": "b"}, []),
        *(
            (
                {"prompt": "a", "completion": word},
                [
                    (
                        "empty_answer",
                        f"message 2 (assistant) is {word}, which programs write for an empty cell",
                    )
                ],
            )
            for word in ("nan", "None", "#N/A")
        ),
        (
            {"prompt": "a", "completion": "b", "kto_tag": False},
            [
                (
                    "label",
                    'its "kto_tag" is False, as of a bad answer, and it is trained on all the same',
                )
            ],
        ),
        (
            {"messages": [ASKED, {"role": "assistant", "content": None, "refusal": "Não."}]},
            [
                ("unread", 'the "refusal" of message 2 (assistant) is not read'),
                ("empty_answer", "message 2 (assistant) is empty"),
            ],
        ),
        (
            {"messages": [{"role": "Human", "content": "a"}, {"role": "model", "content": "b"}]},
            [
                ("role", 'message 1 (Human) is no question: the role of questions is "user"'),
                ("role", 'message 2 (model) is no answer: the role of answers is "assistant"'),
            ],
        ),
        ({"prompt": "a", "completion": "<think>\nb\n</think>\n\nc"}, []),
        ({"prompt": "a", "completion": "b\n</think>\n\nc"}, []),  # the prompt begins it
        (
            {"prompt": "a", "completion": "<think>\nb"},
            [("open_thought", "message 2 (assistant) begins a thought and never ends it")],
        ),
        (
            {"prompt": "a", "completion": "<think>b</think>\n"},
            [("empty_answer", "message 2 (assistant) has a thought and no answer")],
        ),
        ({"prompt": " ", "completion": "b"}, [("gap", "message 1 (user) is empty")]),
        ({"text": " \n"}, [("empty_answer", "the text is nothing but white space")]),
        ({"text": "a", "system": "b"}, [("unread", 'the "system" of the row is not read')]),
    ],
)
def test_each_is_told(values: dict[str, Any], found: list[Any]) -> None:
    assert said(values) == found


def test_an_answer_before_any_question_is_no_label() -> None:
    row = {"messages": [SAID, ASKED, SAID]}
    assert [code for code, _what in said(row)] == ["unasked"]
    assert said(row, answers="last") == said(row, mask=False) == []
    assert said({"messages": [SAID | {"weight": 0}, ASKED, SAID]}) == []
