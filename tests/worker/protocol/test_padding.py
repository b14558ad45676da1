"""Nulls that tables fill in are in no tool and no call."""

from __future__ import annotations

from typing import Any

import pytest
from farense_worker.data import untrained_parts
from farense_worker.protocol.dataset import Row

TEXT = {"type": "string"}


def tool(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": properties}},
    }


def called(name: str, **arguments: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


def read(calls: list[Any], tools: Any = None) -> tuple[Any, Any, list[str]]:
    """What a template is given as calls and tools, and what is told."""
    asked = {"role": "user", "content": "Que tempo faz?"}
    answer = {"role": "assistant", "content": None, "tool_calls": calls}
    row = Row(1, "chat", {"messages": [asked, answer], "tools": tools})
    messages, found = row.conversation()
    return (
        messages[1]["tool_calls"],
        found,
        [remark.what for remark in untrained_parts.remarks(row, True, "all")],
    )


def test_a_table_s_nulls_are_dropped() -> None:
    """As datasets gives two tools that were in one column."""
    weather = tool("tempo", em={**TEXT, "enum": None, "default": None}, conta=None)
    sums = tool("conta", em=None, conta={**TEXT, "enum": ["1+1", None], "default": "1+1"})
    calls, tools, told = read(
        [called("tempo", em="Faro", conta=None), called("conta", em=None, conta=None)],
        [weather, sums],
    )
    assert tools == [
        tool("tempo", em=TEXT),
        tool("conta", conta={**TEXT, "enum": ["1+1", None], "default": "1+1"}),
    ]
    assert calls == [called("tempo", em="Faro"), called("conta", conta=None)]
    assert not told


@pytest.mark.parametrize("tools", [None, [tool("outra")], [{"name": "tempo"}]])
def test_of_a_tool_that_is_not_known_nothing_is_dropped_but_told(tools: Any) -> None:
    calls, _tools, told = read([called("tempo", em="Faro", dia=None)], tools)
    assert calls == [called("tempo", em="Faro", dia=None)]
    assert told == ["message 2 (assistant) calls with dia = null"]


def test_a_default_that_is_null_stays() -> None:
    tools = [tool("tempo", dia={**TEXT, "default": None})]
    assert read([called("tempo", dia=None)], tools) == ([called("tempo", dia=None)], tools, [])


def test_strings_of_json_are_looked_into() -> None:
    tools = '[{"name": "tempo", "parameters": {"properties": {"em": {}, "dia": null}}}]'
    calls, found, _told = read(
        [{"name": "tempo", "arguments": '{"em": "Faro", "dia": null}'}], tools
    )
    assert found == [{"name": "tempo", "parameters": {"properties": {"em": {}}}}]
    assert calls == [{"name": "tempo", "arguments": {"em": "Faro"}}]
