"""At which tokens an answer ends.

A model's files name some. Its chat template writes one after an answer, which training learns.
Where the files do not name it, as those of base models that are given ChatML, whoever goes by the
files alone runs on for ever.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _

_ANSWER = "zqx"  # that no template has in it


def named(folder: Path) -> set[int]:
    """Give those that the model's configuration names, as mlx_lm.utils.load_config has them."""
    found: Any = None
    for name in ("generation_config.json", "config.json"):
        found = found or _read(folder / name).get("eos_token_id")
    ends = found if isinstance(found, list) else [found]
    return {end for end in ends if type(end) is int and end >= 0}


def written(tokenizer: Any) -> int | None:
    """Give the token by which the chat template ends an answer; None where it writes none.

    It is the first token after the answer that is no piece of text: one that stops already, else
    an added one.
    """
    if not tokenizer.has_chat_template:
        return None
    after = tokenizer.encode(_after_answer(tokenizer), add_special_tokens=False)
    known, added = tokenizer.eos_token_ids, tokenizer.added_tokens_decoder
    for token in after:
        if token in known:
            return int(token)
    for token in after:
        if token in added and tokenizer.decode([token]).strip():
            return int(token)
    return None


@functools.lru_cache(maxsize=8)
def words_behind(tokenizer: Any) -> str:
    """Give what a template writes behind an answer and is none of it; empty for most.

    Llama 3's first ones ask for the next answer, wanted or not; those of guards ask for a verdict.
    """
    rest = _after_answer(tokenizer)
    ends = [tokenizer.decode([end]) for end in tokenizer.eos_token_ids]
    special = [str(t.content) for t in tokenizer.added_tokens_decoder.values() if t.special]
    first = min(
        ((rest.find(end), len(end)) for end in ends if end.strip() and end in rest), default=()
    )
    if first and _without(special, rest[: first[0]]):
        return rest
    if rest == _after_answer(tokenizer, add_generation_prompt=True):
        rest = rest[sum(first) :].lstrip()
        return rest if _without(ends, rest) else ""
    return ""


def _without(tokens: list[str], text: str) -> str:
    return functools.reduce(lambda left, token: left.replace(token, ""), tokens, text).strip()


def _after_answer(tokenizer: Any, **how: bool) -> str:
    """Give what the template writes after an answer; empty for one that writes no conversation."""
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _ANSWER}]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, return_dict=False, **how)
    except Exception:  # noqa: BLE001 - a template may raise anything to refuse a conversation
        return ""
    return str(text).rpartition(_ANSWER)[2]


def unnamed(folder: Path, tokenizer: Any) -> int | None:
    """Give the template's end if neither the configuration nor the tokenizer names it."""
    end = written(tokenizer)
    return None if end in named(folder) | {tokenizer.eos_token_id} else end


def remark(folder: Path, tokenizer: Any) -> str:
    """Say it where the configuration does not name the template's end; else nothing."""
    end = unnamed(folder, tokenizer)
    if end is None:
        return ""
    return _(
        "the chat template ends answers with {token}, at which the model's configuration does not "
        "stop: it is a stop here, and an export says so"
    ).format(token=tokenizer.decode([end]))


def write(folder: Path, tokens: set[int]) -> None:
    """Name them in a model's folder, where mlx_lm, transformers and servers look."""
    path = folder / "generation_config.json"
    config = _read(path) | {"eos_token_id": sorted(tokens)}
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(plain_file.text(path))
    except (OSError, ValueError, RecursionError) as error:
        if plain_file.may_be_sound(error):  # other answers would be learned, in silence
            raise
        return {}
    return found if isinstance(found, dict) else {}
