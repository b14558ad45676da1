"""What a tokenizer takes of the worker's memory, by the size of its tokenizer.json.

    python benchmarks/forecast/tokenizer_memory.py

Vocabularies of 5,000, 50,000 and 150,000 made-up words, each read by transformers (by mlx_lm's
wrapper) and by light_tokenizer.py, in a process of its own that has imported all else and encodes
one text. Printed is by how much that process grew. Takes half a minute.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mlx.core as mx
from farense_worker.loop.memory import footprint
from farense_worker.model import tokenizer
from farense_worker.protocol.settings.profile import Model

from benchmarks.common import reference_machine

MIB = 1 << 20
_END = "<|end|>"
_SIDES = {"with transformers": tokenizer.load_by_mlx_lm, "without": tokenizer.load}


def main() -> None:
    """Measure and print; as a child, read one tokenizer and print the bytes."""
    if len(sys.argv) == 3:
        print(grown_by(sys.argv[1], Path(sys.argv[2])))
        return
    print(reference_machine())
    for words in (5_000, 50_000, 150_000):
        with tempfile.TemporaryDirectory() as name:
            size = make(words, Path(name)).stat().st_size
            took = {side: int(_child(side, name)) / MIB for side in _SIDES}
        told = ", ".join(f"{each:.0f} MiB {side}" for side, each in took.items())
        print(f"{words:7,} words, tokenizer.json {size / MIB:4.1f} MiB: {told}", flush=True)


def grown_by(side: str, folder: Path) -> int:
    """Read the tokenizer and encode a text; by how many bytes the process grew."""
    mx.eval(mx.zeros(1))
    before = footprint()
    read = _SIDES[side](folder, Model())
    read.encode("os sócios do clube " * 100)
    return footprint() - before


def make(words: int, folder: Path) -> Path:
    """Write a tokenizer of so many words, each put together of two others; give its file."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    rng = random.Random(words)
    known = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: at for at, word in enumerate(known)}
    merges = list[tuple[str, str]]()
    while len(known) < words:
        pair = (rng.choice(known), rng.choice(known))
        word = "".join(pair)
        if len(word) <= 10 and word not in vocabulary:
            vocabulary[word] = len(known)
            known.append(word)
            merges.append(pair)
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([_END])
    made.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": _END}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return folder / "tokenizer.json"


def _child(side: str, folder: str) -> str:
    command = [sys.executable, __file__, side, folder]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
