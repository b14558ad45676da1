"""Logits of transformers and peft, in a process of their own: `python under_torch.py ...`.

Run with a Python that has torch, transformers and peft; it knows nothing of this package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

# Of another environment, where the tests' own has no torch.
PYTHON = os.environ.get("FARENSE_PEFT_PYTHON", sys.executable)


def there() -> bool:
    """Whether there is a Python with all of them."""
    code = "import torch, transformers, peft"
    return subprocess.run([PYTHON, "-c", code], capture_output=True).returncode == 0


def logits(model: Path, adapter: Path | None, tokens: list[int], out: Path) -> Any:
    """Give the logits [tokens, vocabulary] of a model with an adapter, or without."""
    asked = json.dumps({"model": str(model), "adapter": str(adapter or ""), "tokens": tokens})
    done = subprocess.run(
        [PYTHON, "-P", __file__, asked, str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(out)


def main() -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32)
    if asked["adapter"]:
        model = PeftModel.from_pretrained(model, asked["adapter"])
    with torch.no_grad():
        found = model.eval()(torch.tensor([asked["tokens"]])).logits[0]
    np.save(sys.argv[2], found.numpy())


if __name__ == "__main__":
    main()
