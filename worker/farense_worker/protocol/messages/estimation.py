"""The tasks `estimate` and `probe`: what a forecast is made from, and what one step came to."""

from __future__ import annotations

from msgspec import Struct

from farense_worker.protocol.settings.profile import Profile


class Rows(Struct, frozen=True):
    """The rows of a split: tokens of each, not cut off, and how many of them are no labels.

    Of a large data set a sample of the rows; `total` counts them all.
    """

    tokens: tuple[int, ...]
    context: tuple[int, ...]
    total: int


class Request(Struct, tag="estimate", frozen=True):
    """Whose data and model are asked for. offline: nothing is downloaded."""

    profile: Profile
    offline: bool = True


class Facts(Struct, tag="facts", frozen=True, kw_only=True):
    """What only the worker can find out. Bytes; `limit` is what MLX may use well, 0 if unknown.

    rows: by split; empty if the tokenizer is not here, and `no_rows` says why.
    """

    device: str
    gpu: bool
    limit: int
    available: int
    rows: dict[str, Rows]
    no_rows: str = ""


class Probe(Struct, tag="probe", frozen=True, kw_only=True):
    """A micro-batch to train one step on: `rows` of `width` tokens with `labels` labels in all.

    cached: the layers below the trained ones are not computed, as in a run that has stored them.
    """

    profile: Profile
    rows: int
    width: int
    labels: int
    cached: bool = False
    steps: int = 2


class Probed(Struct, tag="probed", frozen=True, kw_only=True):
    """What the step took. resident: bytes of weights, adapter and optimizer before it.

    peak: the most there was during it. first_seconds: of the first step, with what is compiled
    for it; seconds: of the next one.
    """

    device: str
    resident: int
    peak: int
    first_seconds: float
    seconds: float
