"""What stands in a folder that should be a model: what it lacks, and what it is instead."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _

WEIGHTS = "model*.safetensors"
_TOKENIZERS = ("tokenizer*", "*.tiktoken", "vocab.*", "spiece.model")


def size(folder: Path, pattern: str = WEIGHTS) -> int:
    """Add up the bytes of files; a link that leads nowhere has none."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def lacking(folder: Path) -> list[str]:
    """Name what a model's folder needs and has not: files, or what links of it lead to.

    What is a pipe or a device, of which a library would read without end, is no file.
    """
    found = [] if (folder / "config.json").is_file() else ["config.json"]
    found += _weights(folder)
    if not any(path.is_file() for pattern in _TOKENIZERS for path in folder.glob(pattern)):
        found.append(_("tokenizer"))
    none = {path.name for path in folder.iterdir() if not path.is_file() and not path.is_dir()}
    return [*found, *sorted(none - set(found))]


def _weights(folder: Path) -> Iterator[str]:
    names = {path.name for path in folder.glob(WEIGHTS) if path.is_file()}
    wanted = _index(folder / "model.safetensors.index.json")
    if wanted:
        yield from sorted(wanted - names)
    elif not names:
        yield WEIGHTS


def _index(path: Path) -> set[str]:
    """Which files the weights are in; empty where no file tells."""
    try:
        names = set(json.loads(plain_file.text(path))["weight_map"].values())
        return names if all(isinstance(name, str) for name in names) else {path.name}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # Of one that cannot be read just now the weights tell: a part that is missing is named
        # where they are loaded.
        return set() if plain_file.may_be_sound(error) else {path.name}


def instead(folder: Path) -> str:
    """Say what a folder is that is no model, and what makes it usable; "" where nothing tells."""
    place = shlex.quote(str(folder))
    adapter = _json(folder / "adapter_config.json")
    if "peft_type" in adapter:
        program = (
            # not translated: a program
            f"from peft import AutoPeftModelForCausalLM as M; from transformers import "
            f"AutoTokenizer as T; m = M.from_pretrained({str(folder)!r}).merge_and_unload(); "
            f"m.save_pretrained('merged'); T.from_pretrained(m.config._name_or_path)"
            f".save_pretrained('merged')"
        )
        return _(
            "It is a PEFT adapter on {base}. A run starts from it with: --model {base} --set "
            "model.adapter={folder}. Where peft and transformers are installed, this makes one "
            'model of the two, ./merged:\n  python -c "{program}"'
        ).format(base=adapter.get("base_model_name_or_path", "?"), folder=place, program=program)
    if adapter:
        return _(
            "It is an adapter on {base}. A run starts from it with: --model {base} --set "
            "model.adapter={folder}"
        ).format(base=adapter.get("model", "MODEL"), folder=place)
    if any(folder.glob("*.gguf")):
        return _("It holds a GGUF file, which is for llama.cpp; take the model's safetensors.")
    if any(folder.glob("pytorch_model*.bin")):
        program = (
            # not translated: a program
            f"from transformers import AutoModelForCausalLM as M; "
            f"M.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})"
        )
        return _(
            "Its weights are pytorch_model.bin. Where torch and transformers are installed, this "
            'writes them as safetensors:\n  python -c "{program}"'
        ).format(program=program)
    return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(plain_file.text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
