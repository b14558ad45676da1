"""A training in this process, as loop/train.py takes its steps: for families.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from farense_worker.loop import checkpoint, optimizer
from farense_worker.loop.checkpoint import TrainingState
from farense_worker.model import loss, model, split_forward, trainable
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config, Profile, Run, replace_setting
from mlx.utils import tree_flatten

_TOKENS = mx.array([[5, 6, 7, 8, 9, 10, 11, 12], [40, 41, 42, 43, 44, 45, 46, 47]])


class _Unheard:
    def emit(self, _event: Any) -> None:
        """Nobody listens."""


class Training:
    """One model, an adapter on its upper half, and an optimizer."""

    def __init__(self, folder: Path) -> None:
        """Load it and put the adapter on."""
        profile = Profile()
        for name, value in (
            ("model.repo", str(folder)),
            ("lora.keys", ("all-linear",)),
            ("lora.num_layers", 2),
            ("train.learning_rate", 1e-3),
        ):
            profile = replace_setting(profile, name, value)
        sections = {name: getattr(profile, name) for name in profile.__struct_fields__}
        config = Config(**sections, run=Run("r"))
        self.network: Any = model.load(folder, config.model)
        mx.random.seed(1)
        self.config = trainable.make_trainable(self.network, config, _Unheard())  # type: ignore[arg-type]
        found = split_forward.find(self.network)
        apart = found and split_forward.comes_apart(found, list(range(5, 13)))
        self.parts = found if apart else None
        self._optimizer = optimizer.make(config.train)
        self._optimizer.init(self.trainable())
        self._share = loss.loss_and_gradient(
            self.network, loss.LabelLoss(self.network, self.parts), compiled=False
        )

    def trainable(self) -> Any:
        """Give the trained weights."""
        return self.network.trainable_parameters()

    def steps(self, first: int, last: int) -> None:
        """Take these steps; each has its own targets."""
        self.network.train()
        for step in range(first, last + 1):
            targets = (_TOKENS.reshape(-1) + step) % 250
            batch = (_TOKENS, mx.arange(16), targets, mx.ones(16))
            _value, gradients = self._share(mx.array(1 / 16), *batch)
            self._optimizer.update(self.network, gradients)
            mx.eval(self.trainable(), self._optimizer.state)
        assert bool(loss.finite(self.trainable()).item()), "a weight is no number"

    def take_over(self, other: Training, place: Path) -> None:
        """Go on where the other has stopped, by a checkpoint on the disk."""
        place.mkdir()
        weights = dict(tree_flatten(other.trainable()))
        folder = RunFolder(place)
        state = TrainingState(step=2)
        checkpoint.save(folder, state, weights, other._optimizer.state, other.config)
        loaded, _damaged = checkpoint.newest(folder)
        assert loaded is not None
        checkpoint.restore(self.network, self._optimizer, loaded)

    def splits(self) -> bool:
        """Whether the layers below the trained ones can be computed apart."""
        return self.parts is not None and split_forward.splits(self.parts, list(range(5, 13)), 2)

    def save(self, place: Path) -> Path:
        """Write the adapter as mlx_lm reads it."""
        place.mkdir()
        weights = dict(tree_flatten(self.trainable()))
        mx.save_safetensors(str(place / "adapters.safetensors"), weights)
        (place / "adapter_config.json").write_text(json.dumps(self.config))
        return place


def read(here: Any, there: Any) -> bool:
    """Whether two models give the same logits."""
    here.eval()
    there.eval()
    return bool(mx.allclose(here(_TOKENS), there(_TOKENS), rtol=1e-4, atol=1e-4).item())
