"""Tokenizers for tests: the embedded model's, the micro model's, and odd ones made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from farense_worker.model import tokenizer
from farense_worker.protocol.settings.profile import Model


def load(folder: Path) -> Any:
    """Load a tokenizer as the worker does."""
    return tokenizer.load(folder, Model(repo=str(folder)))


def variant(micro: Path, folder: Path, template: str | None = None, **config: Any) -> Path:
    """Write the micro model's tokenizer with another chat template and other settings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_bytes((micro / "tokenizer.json").read_bytes())
    (folder / "config.json").write_bytes((micro / "config.json").read_bytes())
    settings = json.loads((micro / "tokenizer_config.json").read_text())
    if template is not None:
        settings["chat_template"] = template
    settings |= config
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def chat(*turns: str) -> dict[str, Any]:
    """Make a row of turns, the user's first."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)]}


def write(path: Path, *rows: Any) -> Path:
    """Write rows as JSONL: bytes and strings as they are, all else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for row in rows:
            if isinstance(row, bytes):
                file.write(row + b"\n")
            else:
                text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)
                file.write(text.encode() + b"\n")
    return path
