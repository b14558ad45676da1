"""The tasks `estimate` and `probe`: what a forecast is made from, and what some steps came to."""

from __future__ import annotations

from msgspec import Struct

from farense_worker.protocol.plan.steps import learnt_from
from farense_worker.protocol.settings.profile import Profile


class Rows(Struct, frozen=True):
    """The rows of a split: tokens of each, not cut off, and how many of them are no labels.

    Of a large data set a sample of the rows; `total` counts them all. first: where the labels of
    each begin, counted from 0. groups: which of `shared` each is of, -1 for none; shared: tokens
    that the rows of a group begin with alike.
    """

    tokens: tuple[int, ...]
    context: tuple[int, ...]
    total: int
    first: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    shared: tuple[int, ...] = ()

    def within(self, max_seq_length: int) -> Rows:
        """Give those that have a label left when they are cut off: the others are left out."""
        if not self.first:
            return self
        kept = [at for at, first in enumerate(self.first) if learnt_from(first, max_seq_length)]
        return Rows(
            tokens=tuple(self.tokens[at] for at in kept),
            context=tuple(self.context[at] for at in kept),
            total=round(self.total * len(kept) / len(self.first)),
            first=tuple(self.first[at] for at in kept),
            groups=tuple(self.groups[at] for at in kept) if self.groups else (),
            shared=self.shared,
        )


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
    """A micro-batch to train steps on: `rows` of `width` tokens with `labels` labels in all.

    cached: the layers below the trained ones are not computed, as in a run that has stored them.
    prefix: tokens that all rows begin with; handed: whether these were computed before, for others
    too. steps: the first warms up, up to so many are timed after it; no further one begins once
    these have taken most_seconds.
    """

    profile: Profile
    rows: int
    width: int
    labels: int
    cached: bool = False
    steps: int = 5
    most_seconds: float = 20.0
    prefix: int = 0
    handed: bool = False


class Probed(Struct, tag="probed", frozen=True, kw_only=True):
    """What the steps took. resident: bytes of weights, adapter and optimizer before them.

    peak: the most there was during them. first_seconds: of the first step, with what is compiled
    for it; seconds: the median of the `steps` after it, lowest and highest of these.
    """

    device: str
    resident: int
    peak: int
    first_seconds: float
    seconds: float
    lowest: float
    highest: float
    steps: int
