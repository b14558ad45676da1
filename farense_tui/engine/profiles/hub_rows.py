"""The rows that a `hf_dataset` of an mlx_lm configuration means, as a command that fetches them."""

from __future__ import annotations

import json
import shlex
from typing import Any

from farense_tui.engine.profiles.mlx_lm_keys import FEATURES

# What mlx_lm/tuner/datasets.py takes where the block names no parts.
_PARTS = {"train": "train[:80%]", "valid": "train[-10%:]", "test": None}


def command(block: dict[str, Any], *, first: bool) -> str:
    """Write DIR/train.jsonl and DIR/valid.jsonl under the names that are read here.

    first: whether the files begin with it; else it is added to them.
    """
    parts = {name: block.get(f"{name}_split", part) for name, part in _PARTS.items()}
    named = {feature: block[feature] for feature in FEATURES if block.get(feature)}
    columns = {old: FEATURES[each] for each, old in named.items() if old != FEATURES[each]}
    renamed = f".rename_columns({json.dumps(columns, ensure_ascii=False)})" if columns else ""
    config = block.get("config")
    given = config if isinstance(config, dict) else {}
    named = {key: value for key, value in given.items() if str(key).isidentifier()}  # no program
    options = "".join(f", {key}={_written(value)}" for key, value in named.items())
    places = _written({name: part for name, part in parts.items() if part})
    call = f"l({_written(block.get('path'))}, split=s{options}){renamed}"
    mode = "wb" if first else "ab"
    program = (
        # not translated: a program
        f"from datasets import load_dataset as l; "
        f'[{call}.to_json(open(f"DIR/{{n}}.jsonl", "{mode}")) for n, s in {places}.items()]'
    )
    return f"python -c {shlex.quote(program)}"


def _written(value: Any) -> str:
    """As Python reads it, in double quotes: a shell takes single ones around the program."""
    text = isinstance(value, str | dict)
    return json.dumps(value, ensure_ascii=False) if text else repr(value)
