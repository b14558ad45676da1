"""At the start and after NaN the first rank hands its checkpoint over to all ranks.

So the run folder need not be on the other machines. Before that it is made sure that all ranks
have the same data and the same model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec

from farense_worker.loop.checkpoint import Loaded, TrainingState
from farense_worker.loop.distributed import Ranks
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

# Name, shape and type of an array that follows.
_Arrays = list[tuple[str, list[int], str]]


class _Header(msgspec.Struct):
    """What goes ahead of the arrays. data, valid, model: digests of what the first rank has."""

    data: str
    valid: str
    model: str
    path: str = ""
    state: TrainingState | None = None
    adapters: _Arrays = []
    optimizer: _Arrays = []


def hand_over(ranks: Ranks, loaded: Loaded | None, now: TrainingState) -> Loaded | None:
    """Give the first rank's checkpoint, or that there is none, to all ranks.

    now: this rank's state, for its digests. Raises FarenseError (refused) on a rank that has
    other data or another model than the first.
    """
    if ranks.size == 1:
        return loaded
    header = _Header(now.data, now.valid, now.model)
    if loaded is not None:
        header.path, header.state = str(loaded.path), loaded.state
        header.adapters, header.optimizer = _list(loaded.adapters), _list(loaded.optimizer)
    header = msgspec.json.decode(ranks.tell(msgspec.json.encode(header)), type=_Header)
    _compare(header, now)
    if header.state is None:
        return None
    mine = loaded or Loaded(Path(header.path), header.state, {}, {})
    return Loaded(
        mine.path,
        header.state,
        _tell(ranks, header.adapters, mine.adapters),
        _tell(ranks, header.optimizer, mine.optimizer),
    )


def _compare(first: _Header, now: TrainingState) -> None:
    unlike = []
    if now.data != first.data:
        unlike.append(_("the training data on this rank is not what it is on rank 0"))
    if now.valid != first.valid:
        unlike.append(_("the validation data on this rank is not what it is on rank 0"))
    if now.model != first.model:
        unlike.append(_("the model on this rank is not what it is on rank 0"))
    if unlike:
        raise refused(
            _("the ranks do not train on the same"),
            "\n".join(unlike),
            _("Bring the same data set and the same model to every machine, under the same path."),
            kind="ranks",
        )


def _list(arrays: dict[str, mx.array]) -> _Arrays:
    return [
        (name, list(array.shape), str(array.dtype).rpartition(".")[2])
        for name, array in arrays.items()
    ]


def _tell(ranks: Ranks, listed: _Arrays, mine: dict[str, Any]) -> dict[str, mx.array]:
    return {
        name: ranks.tell_array(mine.get(name), shape, getattr(mx, dtype))
        for name, shape, dtype in listed
    }
