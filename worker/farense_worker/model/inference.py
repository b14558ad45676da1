"""A model as it is used, not trained: from its repository, with an adapter or without."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from farense_worker.model import model
from farense_worker.model.adapter import PARTS, read
from farense_worker.model.compat import load_adapters
from farense_worker.process.output import Output
from farense_worker.protocol.errors import OF_CONTENT, FarenseError, in_words, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Model


def find(settings: Model) -> Path:
    """Give the model's folder; a repository that is not in the cache is downloaded first."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    try:
        return model.find(settings, Output(nobody, Path(os.devnull)))
    finally:
        os.close(nobody)


def load(
    folder: Path,
    settings: Model,
    name: str = "",
    adapter: str = "",
    shares: nn.Module | None = None,
) -> nn.Module:
    """Load the model anew, with the adapter in the folder `adapter` if there is one, to use it.

    name: what the adapter goes by. shares: the same model without one, whose weights it is to have
    instead of another copy. Raises FarenseError for one that does not fit or is none.
    """
    network: Any = model.load(folder, settings)
    if shares is None:
        model.check_finite(network, settings)
    else:  # its own are read from the disk only when they are computed with
        network.update(shares.parameters())
    if adapter:
        try:
            read(Path(adapter))
            load_adapters(network, adapter)
            if weight := model.not_finite(network):
                said = _("{name} has values that are no numbers (NaN or Inf)")
                raise ValueError(said.format(name=weight))
            _check_factors(network)
            model.lay_out(network)
        except OF_CONTENT as error:
            raise _damaged(name, error) from error
    network.eval()
    return network


def _check_factors(network: nn.Module) -> None:
    """Raise a ValueError for an adapter that computes with what is no number, or in no floats."""
    for name, module in network.named_modules():
        for part in PARTS:
            value = module.get(part)
            if isinstance(value, mx.array) and not mx.issubdtype(value.dtype, mx.floating):
                said = _("{name} is not in floats, and not quantised as MLX does it")
                raise ValueError(said.format(name=f"{name}.{part}"))
        if "lora_a" in module and not math.isfinite(getattr(module, "scale", 1)):
            said = _("{name} has values that are no numbers (NaN or Inf)")
            raise ValueError(said.format(name=f"{name}.scale"))


def adapter_files(folder: Path, name: str) -> tuple[dict[str, mx.array], dict[str, Any]]:
    """Read an adapter's weights, and what it is made of; FarenseError for one that is damaged."""
    try:
        return read(folder)
    except OF_CONTENT as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> FarenseError:
    title = _("the adapter of {name} cannot be loaded").format(name=name)
    return refused(title, in_words(error), kind="adapter")
