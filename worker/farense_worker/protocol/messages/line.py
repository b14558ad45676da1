"""A message as a line of JSON, whatever text is in it."""

from __future__ import annotations

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()


def encode(said: msgspec.Struct) -> bytes:
    """One line, with its line end. Half of a pair, which no file can hold, is a question mark."""
    try:
        return _encoder.encode(said) + b"\n"
    except UnicodeEncodeError:  # of a model's configuration, or a name that is no UTF-8
        return _encoder.encode(_whole(msgspec.to_builtins(said))) + b"\n"


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list | tuple) else value
