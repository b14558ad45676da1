"""Logits of llama.cpp, in a process of their own: `python under_llama_cpp.py ...`.

Run with a Python that has llama-cpp-python; it knows nothing of this package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

# Of another environment: llama-cpp-python is built from its sources, which takes half an hour.
PYTHON = os.environ.get("FARENSE_LLAMA_CPP_PYTHON", sys.executable)


def there() -> bool:
    return subprocess.run([PYTHON, "-c", "import llama_cpp"], capture_output=True).returncode == 0


def logits(model: Path, adapter: Path | None, tokens: list[int], out: Path) -> Any:
    """Give the logits [tokens, vocabulary] of a GGUF file with a GGUF adapter, or without."""
    asked = json.dumps({"model": str(model), "adapter": str(adapter or ""), "tokens": tokens})
    done = subprocess.run(
        [PYTHON, "-P", __file__, asked, str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(out)


def main() -> None:
    from llama_cpp import Llama

    asked = json.loads(sys.argv[1])
    model = Llama(
        model_path=asked["model"],
        lora_path=asked["adapter"] or None,
        logits_all=True,
        n_ctx=256,
        n_threads=1,
        n_gpu_layers=0,
        verbose=True,
    )
    model.eval(asked["tokens"])
    np.save(sys.argv[2], np.array(model.scores[: len(asked["tokens"])], dtype=np.float32))


if __name__ == "__main__":
    main()
