"""What is wrong with the files of a model that are all there, as far as it shows without MLX."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _

from farense_tui.engine.models.contents import WEIGHTS

_MOST, _MOST_LAYERS = 1 << 31, 10_000
_BYTES = {
    **dict.fromkeys(("BOOL", "I8", "U8"), 1),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F64", "I64", "U64"), 8),
}
_MOST_AXES = 64
_LONGEST_HEADER = 100 << 20  # bytes: the most that safetensors itself reads


def damage(folder: Path) -> str:
    """Say what no model can have; "" where nothing is wrong that can be seen."""
    kinds = (_of_config, _of_tokenizer, _of_ends, _of_weights)
    found = next(chain.from_iterable(look(folder) for look in kinds), "")
    return f"{folder}: {found}" if found else ""


def _whole(value: Any) -> bool:
    return isinstance(value, int | float) and 1 <= value <= _MOST and value == int(value)


def _layers(value: Any) -> bool:
    return _whole(value) and value <= _MOST_LAYERS


def _whole_or_list(value: Any) -> bool:
    """Whether it may be one for all layers, or a list of one for each."""
    return _whole(value) or (isinstance(value, list) and all(map(_whole, value)))


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < float("inf")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _table(value: Any) -> bool:
    return isinstance(value, dict)


def _finite(value: Any) -> bool:
    """Whether it is a table whose own numbers are some: with others every loss is none."""
    return isinstance(value, dict) and all(
        math.isfinite(each) for each in value.values() if isinstance(each, float)
    )


def _quantised(value: Any) -> bool:
    """Whether mlx_lm finds in it what it asks for without a look."""
    return isinstance(value, dict) and _whole(value.get("bits")) and _whole(value.get("group_size"))


_CONFIG: dict[str, Callable[[Any], bool]] = {
    "vocab_size": _whole,
    "hidden_size": _whole,
    "num_attention_heads": _whole_or_list,
    "num_hidden_layers": _layers,
    "num_key_value_heads": _whole_or_list,
    "intermediate_size": _whole_or_list,
    "rope_theta": _positive,
    "rms_norm_eps": _positive,
    "rope_scaling": _finite,
    "rope_parameters": _finite,
    "quantization": _quantised,
    "quantization_config": _table,
    "head_dim": _whole,
    "max_position_embeddings": _whole,
    "model_type": _text,
}


_TOKENIZER: dict[str, Callable[[Any], bool]] = {
    "tokenizer_class": _text,
    "chat_template": lambda value: isinstance(value, str | list | dict),
    "eos_token": lambda value: isinstance(value, str | dict),
}


def _of_config(folder: Path) -> Iterator[str]:
    config, wrong = _read(folder / "config.json")
    if wrong:
        yield wrong
        return
    for part in (config, config.get("text_config") or {}):
        if not isinstance(part, dict):
            yield _("{file} is not a table of keys").format(file="config.json")
            return
        for key, may_be in _CONFIG.items():
            value = part.get(key)
            null = value is None and key != "model_type"  # as where there is no such key
            if key in part and not null and not may_be(value):
                yield _says("config.json", key, value)


def _of_tokenizer(folder: Path) -> Iterator[str]:
    path = folder / "tokenizer_config.json"
    config, wrong = _read(path) if path.is_file() else ({}, "")
    if wrong:
        yield wrong
    for key, may_be in _TOKENIZER.items():
        if not may_be(value := config.get(key)) and value is not None:
            yield _says(path.name, key, value)


def _of_ends(folder: Path) -> Iterator[str]:
    for name in ("generation_config.json", "config.json"):
        config, _wrong = _read(folder / name)
        end = config.get("eos_token_id")
        ends = end if isinstance(end, list) else [] if end is None else [end]
        if not all(type(each) is int and each >= 0 for each in ends):
            yield _says(name, "eos_token_id", end)


def _of_weights(folder: Path) -> Iterator[str]:
    held: dict[str, str] = {}  # the file of each tensor
    for path in sorted(folder.glob(WEIGHTS)):
        try:
            yield from _of_safetensors(path, held)
        except OSError as error:
            yield f"{path.name}: {error.strerror}"


def _of_safetensors(path: Path, held: dict[str, str]) -> Iterator[str]:
    """Compare a file with its header: eight bytes of length, JSON, then the tensors.

    held: the tensors of other files; this one's are added.
    """
    with plain_file.reading(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 0 < length <= _LONGEST_HEADER:
            yield _("{file} is not a safetensors file").format(file=path.name)
            return
        header = file.read(length)
    try:
        tensors = json.loads(header)
        tensors.pop("__metadata__", None)
        places = sorted(tuple(map(int, each["data_offsets"])) for each in tensors.values())
        end = max((last for _first, last in places), default=0)
        apart = all(before[-1] <= after[0] for before, after in pairwise(places))
        sound = apart and all(map(_fills_its_place, tensors.values()))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        cut = len(header) < length
        yield (_cut(path, size) if cut else _("{file} has a damaged header").format(file=path.name))
        return
    if 8 + length + end > size:
        yield _cut(path, size)
    if not sound:
        yield _("{file} has a damaged header").format(file=path.name)
    if twice := next((name for name in tensors if name in held), None):
        said = _("{file} and {other} both have {tensor}: the model is one of them")
        yield said.format(file=held[twice], other=path.name, tensor=twice[:200])
    held |= dict.fromkeys(tensors, path.name)


def _fills_its_place(about: dict[str, Any]) -> bool:
    """Whether a tensor has as many bytes as its shape asks for; of unknown types nobody knows."""
    first, last = about["data_offsets"]
    sizes = about.get("shape")
    if (
        not isinstance(sizes, list)
        or len(sizes) > _MOST_AXES
        or not all(type(each) is int and each >= 0 for each in (first, last, *sizes))
    ):
        return False
    size = _BYTES.get(about.get("dtype", ""))
    return size is None or math.prod(sizes) * size == last - first


def _cut(path: Path, size: int) -> str:
    return _("{file} is cut off after {n} bytes: fetch it again").format(file=path.name, n=size)


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """Give the table in a file, or what is wrong with it."""
    try:
        found = json.loads(plain_file.text(path))
    except OSError as error:
        return {}, f"{path.name}: {error.strerror}"
    except (ValueError, RecursionError):
        return {}, _("{file} is not JSON").format(file=path.name)
    if not isinstance(found, dict):
        return {}, _("{file} is not a table of keys").format(file=path.name)
    return found, ""


def _says(file: str, key: str, value: Any) -> str:
    shown = f"{value:g}" if isinstance(value, float) else json.dumps(value)[:60]
    return _("{file} says {key} = {value}").format(file=file, key=key, value=shown)
