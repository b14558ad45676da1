"""What several measurements use: the machine's name, and a run that is over in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from farense_tui.engine.machine.hardware import machine

SETTINGS: dict[str, Any] = {
    "report__prompts": ("Quem?",),
    "report__sample_tokens": 4,
    "train__epochs": 4,
}


def write_data(folder: Path) -> Path:
    """Write 21 + 5 rows of different lengths."""
    folder.mkdir()
    for split, count in (("train", 21), ("valid", 5)):
        with (folder / f"{split}.jsonl").open("w") as file:
            for i in range(count):
                messages = [
                    {"role": "user", "content": f"Quem é o número {i}?"},
                    {"role": "assistant", "content": "É ele. " * (1 + i % 5) + str(i)},
                ]
                file.write(json.dumps({"messages": messages}) + "\n")
    return folder


def reference_machine() -> str:
    found = machine()
    return f"{found.chip}, {found.cores} cores, {found.backend}, {found.system}"
