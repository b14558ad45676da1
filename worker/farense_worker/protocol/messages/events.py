"""The events: what the worker prints on stdout, one JSON object a line.

docs/protocol.md is made from these classes. A reader skips types and fields that it does not
know; floats keep every digit; a number that is not finite (NaN, Inf) is written as null, and
null is read back as NaN.
"""

from __future__ import annotations

from math import isfinite, nan
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from farense_worker.protocol.messages import line as json_line

PROTOCOL = 1

PhaseName = Literal[
    "starting",
    "downloading",
    "loading_model",
    "checking",
    "precomputing",
    "tokenizing",
    "training",
    "validating",
    "saving",
    "sampling",
    "paused",
    "stopping",
]
Level = Literal["info", "warning", "error"]
Reason = Literal["completed", "stopped", "early_stopping"]

# Steps and heartbeats come by the million and hold only numbers, so the collector need not see them
# (gc=False).

# Finite, or null on the wire: JSON has no NaN.
Number = float | None
# No worker counts further. A line with another number is no event of ours: whoever reads a record
# may do with its numbers what can be done with a count, a size, a moment.
Whole = Annotated[int, Meta(ge=0, le=1 << 53)]
LATEST = 32_503_680_000.0  # the year 3000, in Unix seconds
Moment = Annotated[float, Meta(description="Unix seconds", ge=0, le=LATEST)]


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event carries."""

    time: Moment = 0.0
    seq: Annotated[
        Whole, Meta(description="counts up from 1 without a gap over a run, resumes included")
    ] = 0


class RunStarted(Event, tag="run_started", frozen=True, kw_only=True):
    """The model is loaded, the data is read; the next thing is a step or a validation."""

    protocol: Annotated[Whole, Meta(description="version of this protocol")]
    run: Annotated[str, Meta(description="name of the run")]
    pid: Annotated[Whole, Meta(description="process id of the worker")]
    device: Annotated[str, Meta(description="what MLX computes on, `gpu (Apple M1)` or `cpu`")]
    versions: Annotated[dict[str, str], Meta(description="of python, mlx, mlx_lm and farense_tui")]
    trainable_parameters: Whole
    total_parameters: Whole
    total_steps: Annotated[Whole, Meta(description="of the whole run, resumes included")]
    resumed_from_step: Annotated[
        Whole, Meta(description="steps after this one are superseded; 0 for a new run")
    ] = 0
    train_examples: Whole = 0
    valid_examples: Whole = 0
    truncated_examples: Annotated[
        Whole, Meta(description="of both, longer than max_seq_length")
    ] = 0
    weights_bytes: Annotated[Whole, Meta(description="of the model with the adapter")] = 0
    base_bytes: Annotated[
        Whole, Meta(description="of the frozen weights that stay in memory; 0 unknown")
    ] = 0
    adapter_bytes: Annotated[
        Whole, Meta(description="of what is trained, with the optimizer's state; 0 unknown")
    ] = 0
    memory_limit: Annotated[
        Whole, Meta(description="the machine's recommended working set for MLX, bytes; 0 unknown")
    ] = 0
    ranks: Annotated[Whole, Meta(description="processes that train together")] = 1
    settings: Annotated[
        dict[str, Any],
        Meta(description="what a resume may change, by `section.key`; empty in older records"),
    ] = {}


class Phase(Event, tag="phase", frozen=True, kw_only=True):
    """The worker has gone over to something else."""

    name: PhaseName


class Progress(Event, tag="progress", frozen=True, kw_only=True):
    """How far the phase is."""

    done: Whole
    total: Whole
    unit: Annotated[str, Meta(description="bytes or examples")]


class Heartbeat(Event, tag="heartbeat", frozen=True, kw_only=True, gc=False):
    """The process lives, every two seconds; that training moves is told by the steps alone."""

    phase: PhaseName
    step: Whole
    rss: Annotated[
        Whole,
        Meta(description="memory of the process, bytes: phys_footprint on macOS, RSS elsewhere"),
    ]
    active_memory: Annotated[Whole, Meta(description="MLX arrays that live, bytes")]
    cache_memory: Annotated[Whole, Meta(description="buffers that MLX keeps for reuse, bytes")]
    monotonic: Annotated[
        float,
        Meta(description="seconds of a clock that stands while the machine sleeps; 0 unknown"),
    ] = 0.0


class Step(Event, tag="step", frozen=True, kw_only=True, gc=False):
    """One optimizer update over one effective batch."""

    step: Annotated[Whole, Meta(description="counts from 1")]
    epoch: Annotated[float, Meta(description="passes over the data so far; 1.0 ends the first")]
    loss: Annotated[Number, Meta(description="mean over label tokens, natural log")]
    learning_rate: float
    grad_norm: Annotated[Number, Meta(description="L2 norm over all trainable parameters")]
    tokens: Annotated[Whole, Meta(description="tokens of the step's examples, labels or not")]
    padded_tokens: Annotated[Whole, Meta(description="tokens computed, padding included")]
    micro_batches: Whole
    seconds: float
    tokens_per_second: Annotated[float, Meta(description="tokens / seconds: no padding counted")]
    active_memory: Annotated[Whole, Meta(description="bytes")]
    cache_memory: Annotated[Whole, Meta(description="bytes")]
    peak_memory: Annotated[Whole, Meta(description="of active memory since the start, bytes")]


class Validation(Event, tag="validation", frozen=True, kw_only=True):
    """The loss over the whole validation set."""

    step: Whole
    epoch: float
    loss: Number
    perplexity: Annotated[Number, Meta(description="exp(loss)")]
    tokens: Annotated[Whole, Meta(description="label tokens")]
    seconds: Annotated[float, Meta(description="to compute it, in the earlier run if it is cached")]
    cached: Annotated[
        bool, Meta(description="taken from an earlier run with the same model and data")
    ] = False
    best: Annotated[bool, Meta(description="the lowest loss of a trained adapter so far")]


class Sample(Event, tag="sample", frozen=True, kw_only=True):
    """An answer of the model as it is now."""

    step: Whole
    prompt: str
    text: str


class Checkpoint(Event, tag="checkpoint", frozen=True, kw_only=True):
    """A checkpoint is on the disk, whole."""

    step: Whole
    path: Annotated[str, Meta(description="relative to the run folder")]
    bytes: Whole
    seconds: float
    best: bool


class Notice(Event, tag="notice", frozen=True, kw_only=True):
    """Something to tell the user while the run goes on."""

    level: Level
    code: Annotated[str, Meta(description="short machine-readable name")]
    message: str
    hint: str = ""


class RunStopped(Event, tag="run_stopped", frozen=True, kw_only=True):
    """The run has ended as it should."""

    reason: Reason
    step: Whole


class RunFailed(Event, tag="run_failed", frozen=True, kw_only=True):
    """The run has ended because something went wrong."""

    kind: str
    title: str
    detail: str
    hint: str
    step: Whole


AnyEvent = (
    RunStarted
    | Phase
    | Progress
    | Heartbeat
    | Step
    | Validation
    | Sample
    | Checkpoint
    | Notice
    | RunStopped
    | RunFailed
)

_decoder = msgspec.json.Decoder(AnyEvent)


def encode(event: Event) -> bytes:
    """One line, with its line end."""
    return json_line.encode(event)


def decode(line: bytes) -> AnyEvent | None:
    """Read one line; None for one that is torn, is not an event, or is of an unknown type."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def decode_lines(lines: bytes) -> list[AnyEvent] | None:
    """Read many lines at once; None if one of them is torn, no event, or of an unknown type."""
    try:
        return _decoder.decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def number(value: Number) -> float:
    """Read a number from the wire: null is NaN."""
    return nan if value is None else value


def wire(value: float) -> Number:
    """Write a number to the wire: what is not finite is null."""
    return value if isfinite(value) else None
