"""Which of mlx_lm's model files compute a prefix once as they compute it for every row.

    python benchmarks/families/prefix.py [KIND ...]

Builds each small, with random weights, as families.py does, and compares five rows of 37 tokens, of
which 21 are the same: the hidden states of the others, and the gradient of a random projection of
them by all weights. Prints how far they are apart, relative.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mlx.core as mx
import mlx.nn as nn
from farense_worker.model import loss, prefix_cache, split_forward
from mlx.utils import tree_flatten

from benchmarks.families.families import configured, kinds

_ROWS, _PREFIX, _AFTER, _SECONDS, _LARGEST = 5, 21, 16, 120, 30_000_000


def main() -> None:
    """Try one, or all of them, each in a process of its own."""
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        print(one(sys.argv[2]))
        return
    for kind in sys.argv[1:] or kinds():
        command = [sys.executable, __file__, "--one", kind]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
            said = (done.stdout or done.stderr or "no answer").strip().splitlines()[-1][:100]
        except subprocess.TimeoutExpired:
            said = "takes too long"
        print(kind, said, flush=True)


def one(kind: str) -> str:
    """Compare both ways."""
    family = importlib.import_module(f"mlx_lm.models.{kind}")
    mx.random.seed(3)
    model = family.Model(family.ModelArgs.from_dict(configured(kind, family.ModelArgs)))
    if sum(value.size for _, value in tree_flatten(model.parameters())) > _LARGEST:
        return "not built small"
    mx.eval(model.parameters())
    model.train()
    parts = split_forward.find(model)
    if parts is None:
        return "does not come apart"
    prefix = mx.random.randint(1, 250, (1, _PREFIX))
    rows = mx.random.randint(1, 250, (_ROWS, _AFTER))
    whole = mx.concatenate([mx.broadcast_to(prefix, (_ROWS, _PREFIX)), rows], axis=1)

    def plain(_model: Any) -> mx.array:
        return parts.body(whole)[:, _PREFIX:]

    def shared(_model: Any) -> mx.array:
        caches = prefix_cache.empty(model)
        parts.body(prefix, caches)
        return parts.body(rows, prefix_cache.handed_on(caches, _PREFIX, _ROWS))

    weights = mx.random.normal(plain(model).shape)
    ways = [
        nn.value_and_grad(model, lambda m, way=way: (way(m) * weights).sum())
        for way in (plain, shared)
    ]
    one, other = (dict(tree_flatten(way(model)[1])) for way in ways)
    forward = _apart({"": plain(model)}, {"": shared(model)})
    return f"forward {forward:.0e}, gradient {_apart(one, other):.0e}"


def _apart(one: dict[str, mx.array], other: dict[str, mx.array]) -> float:
    far = loss.norm({name: value - other[name] for name, value in one.items()})
    return loss.scalar(far / loss.norm(one))


if __name__ == "__main__":
    main()
