"""How many tokens a model was made for: what stands behind them it has never seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from farense_worker.protocol import plain_file
from farense_worker.protocol.language import ngettext

_NAMES = ("max_position_embeddings", "n_positions")  # the latter is GPT-2's
# Kinds of RoPE's scaling whose factor the number of positions has in it already.
_COUNTED = ("llama3", "longrope", "su", "default")
_MOST_FACTOR = 1024


def longest(folder: Path) -> int:
    """Tokens that the model was made for, 0 where its configuration does not say."""
    for each in _parts(folder):
        for name in _NAMES:
            found = each.get(name)
            if isinstance(found, int) and found > 0:
                return found
    return 0


def reach(folder: Path) -> int:
    """As `longest`, with what a scaling of its positions adds."""
    most = longest(folder)
    for each in _parts(folder):
        scaling = each.get("rope_scaling") or each.get("rope_parameters")
        if not isinstance(scaling, dict):
            continue
        kind, factor = scaling.get("rope_type", scaling.get("type")), scaling.get("factor")
        first = scaling.get("original_max_position_embeddings") or most
        if kind not in _COUNTED and isinstance(factor, int | float) and isinstance(first, int):
            most = max(most, int(min(_MOST_FACTOR, factor) * first))
    return most


def remark(rows: int, most: int) -> str:
    """Say that so many rows are longer than the `most` tokens that the model was made for."""
    return ngettext(
        "{n} row is longer than the {most} tokens that the model was made for",
        "{n} rows are longer than the {most} tokens that the model was made for",
        rows,
    ).format(n=rows, most=most)


def _parts(folder: Path) -> list[dict[str, Any]]:
    try:
        config = json.loads(plain_file.text(folder / "config.json"))
    except (OSError, ValueError, RecursionError) as error:
        if plain_file.may_be_sound(error):
            raise
        return []  # whoever needs it says so
    parts = (config, config.get("text_config") if isinstance(config, dict) else None)
    return [part for part in parts if isinstance(part, dict)]
