"""The task `estimate`: the machine's limits, and how long the rows are in tokens."""

from __future__ import annotations

import functools
import random

import mlx.core as mx
import msgspec

from farense_worker.data import prepare, shared_prefix
from farense_worker.data.examples import Examples
from farense_worker.loop import memory
from farense_worker.model import model, tokenizer
from farense_worker.process.output import unheard
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.estimation import Facts, Request, Rows
from farense_worker.protocol.messages.task import Progress, Tell
from farense_worker.protocol.processes import machine
from farense_worker.protocol.settings.profile import Config, Run

_SAMPLE = 20_000  # rows of a split whose lengths are handed over
_LONGEST = 131_072  # as train.max_seq_length may be: lengths are wanted before they are cut off


def estimate(asked: Request, tell: Tell) -> Facts:
    """Find out what a forecast needs. Without the tokenizer or sound rows it says so."""
    rows, why = dict[str, Rows](), ""
    tell(Progress(_("reading the data")))
    try:
        rows = _rows(asked)
    except FarenseError as error:
        why = error.title
    except (OSError, ValueError):  # of huggingface_hub: it is not in the cache
        why = _("the tokenizer is not here")
    return Facts(
        device=model.device(),
        gpu=model.on_gpu(),
        limit=memory.memory_limit(mx),
        available=machine.memory().available,
        rows=rows,
        no_rows=why,
    )


def _rows(asked: Request) -> dict[str, Rows]:
    """Tokenise as the training does, into the same cache, but cut nothing off."""
    settings = asked.profile.model
    folder = tokenizer.find(settings, asked.offline)
    longest = msgspec.structs.replace(asked.profile.train, max_seq_length=_LONGEST)
    whole = msgspec.structs.replace(asked.profile, train=longest)
    config = Config(**msgspec.structs.asdict(whole), run=Run(name="estimate"))
    load = functools.cache(lambda: tokenizer.load(folder, settings))
    train, valid, *_more = prepare.load(config, folder, load, unheard())
    rows = {"train": _sample(train, asked.profile.effective_batch)}
    return rows | ({"valid": _sample(valid, shared_prefix.AT_ONCE)} if valid else {})


def _sample(examples: Examples, at_once: int) -> Rows:
    shared = shared_prefix.find(examples, at_once)
    chosen = list(range(len(examples)))
    if len(chosen) > _SAMPLE:
        chosen = sorted(random.Random(0).sample(chosen, _SAMPLE))
    return Rows(
        tokens=tuple(examples.lengths[chosen].tolist()),
        context=tuple((examples.lengths - examples.labels)[chosen].tolist()),
        total=len(examples),
        first=tuple(examples.first_label[chosen].tolist()),
        groups=tuple(shared.of_row[chosen].tolist()),
        shared=shared.lengths,
    )
