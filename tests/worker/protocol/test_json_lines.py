"""JSON is decoded as json does it, but for keys that stand twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from farense_worker.protocol.rows import json_lines
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_whatever_json_writes_is_decoded(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert json_lines.decode(text) == json.loads(text)
    assert json_lines.decode(text.encode("utf-8", "surrogatepass")) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"x": [{"a": "\\u0022", "b": {"a": 1, "c": 2, "a": NaN}}]}',
        '{"m": [{"role": "user", "content": "b", "content": "c"}], "a": "a", "a": "a"}',
    ],
)
def test_a_key_that_stands_twice_is_named(text: str) -> None:
    for raw in (text, text.encode()):
        with pytest.raises(json_lines.Repeated, match="stands twice"):
            json_lines.decode(raw)


def test_the_same_key_in_several_objects_is_fine() -> None:
    assert json_lines.decode('[{"a": "\\u0022a\\""}, {"a": {"a": 1}}]')
