"""Damage: bytes and JSON values as a disk, a hand or an enemy may leave them."""

from __future__ import annotations

import json
import random
from typing import Any

_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30, 1e308, -1e308, 5e-324, 1e18,
    float("nan"), float("inf"), "", "x", "\x1b]0;x\x07", "\x00", "é" * 50, "\u202e", "\ud800",
    "a" * 5000, [], {}, [[]], [1] * 300, {"a": {"b": 1}}, "../../etc/passwd",
    "/dev/zero", "{{ x }}",
)  # fmt: skip
_BYTES = (
    b"\x00", b"\xff", b"\n", b"\r\n", b"[" * 3000, b'"', b"{", b"}", b"9" * 400, b"1e999",
    b"\x1b[2J", b"\xef\xbb\xbf", b"=", b"#", b"'''", b"{% for i in range(9**9) %}", b"\xed\xa0\x80",
)  # fmt: skip


def value(dice: random.Random, found: Any) -> Any:
    """Change one thing in a JSON value."""
    if isinstance(found, dict) and found and dice.random() < 0.9:
        key = dice.choice(list(found))
        match dice.randrange(4):
            case 0:
                return {name: each for name, each in found.items() if name != key}
            case 1:
                return {**found, dice.choice((key.upper(), "x", "")): dice.choice(_VALUES)}
            case _:
                return {**found, key: value(dice, found[key])}
    if isinstance(found, list) and found and dice.random() < 0.7:
        at = dice.randrange(len(found))
        return [*found[:at], value(dice, found[at]), *found[at + 1 :]]
    return dice.choice(_VALUES)


def as_json(dice: random.Random, found: Any) -> bytes:
    """Change one or two things, and write it down."""
    for _again in range(dice.choice((1, 1, 2))):
        found = value(dice, found)
    return json.dumps(found, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")


def raw(dice: random.Random, found: bytes) -> bytes:
    """Change bytes: one, a piece taken out, put in, doubled, or the end cut off."""
    at, length = dice.randrange(len(found) + 1), dice.randrange(1, 40)
    match dice.randrange(5):
        case 0:
            return found[:at] + bytes([dice.randrange(256)]) + found[at + 1 :]
        case 1:
            return found[:at] + found[at + length :]
        case 2:
            return found[:at] + dice.choice(_BYTES) + found[at:]
        case 3:
            return found[:at] + found[at : at + length] * dice.randrange(2, 30) + found[at:]
        case _:
            return found[:at]
