"""What a run will take, before it starts: memory by part, time, disk; and whether it fits.

What is counted and what is fitted: engine/forecast/memory_model.py. What the figures were
checked against: docs/performance.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from farense_worker.protocol.language import mark
from farense_worker.protocol.messages.estimation import Probed, Rows
from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine.forecast import memory_model, workload
from farense_tui.engine.forecast.memory_fit import FITS
from farense_tui.engine.forecast.memory_model import Fit, MicroBatch, Parts
from farense_tui.engine.forecast.model_shape import Shape
from farense_tui.engine.forecast.workload import Workload

GIB = 1 << 30
Verdict = Literal["fits", "tight", "will not fit", "unknown"]  # not translated: keys

# Python, MLX and the tokenizer, outside of what MLX counts (measured: 0.13 to 0.2 GiB on Linux).
PROCESS = 200 << 20
# Weights that may be loaded beside the activations: as farense_worker/loop/memory.py `room`.
_ROOM = 0.75
_FREE_DISK = 0.5  # as farense_worker/loop/trunk_cache.py
# Kinds that the layer-by-layer pass takes (trunk_cache.KNOWN; mlx_lm loads mistral as llama).
_SPLITS = ("gemma", "gemma2", "gemma3_text", "llama", "mistral", "phi3", "qwen2", "qwen3")


@dataclass(frozen=True)
class Place:
    """Where the run is to be: bytes that MLX may use well, bytes of memory free now, free disk.

    None is unknown. gpu: whether MLX computes on one. chip: its name.
    """

    limit: int
    available: int | None
    disk: int | None
    gpu: bool
    chip: str = ""


@dataclass(frozen=True)
class Measured:
    """A probe step: what it was on, and what it took."""

    batch: MicroBatch
    cached: bool
    probed: Probed


@dataclass(frozen=True)
class Forecast:
    """What a run takes. Bytes and seconds; None where that cannot be known.

    parts: at the peak of a training step, which batch gives the peak. precompute: peak of the pass
    that stores the trunk, 0 without one. trunk_disk: what it stores. cache: freed buffers that MLX
    may keep on top. speed_from: English; who shows it calls `gettext`.
    """

    verdict: Verdict
    parts: Parts
    batch: MicroBatch
    steps: int
    per_epoch: int
    known_lengths: bool
    precompute: int
    trunk_disk: int
    checkpoint_disk: int
    cache: int
    limit: int
    step_seconds: float | None
    run_seconds: float | None
    speed_from: str

    @property
    def peak(self) -> int:
        """The most that MLX has in use at any time."""
        return max(self.parts.total, self.precompute)

    @property
    def needed(self) -> int:
        """The most that the process has in use: what is compared with the limit."""
        return self.peak + PROCESS

    @property
    def disk(self) -> int:
        """What the run writes."""
        return self.trunk_disk + self.checkpoint_disk


def forecast(
    shape: Shape,
    profile: Profile,
    place: Place,
    rows: dict[str, Rows],
    counted: dict[str, int],
    measured: Measured | None = None,
) -> Forecast:
    """Forecast a run. rows, counted: see workload.look_ahead. measured: corrects the forecast.

    Takes some tens of milliseconds for a thousand steps, so not for the UI's loop.
    """
    few_shapes = compiles(profile, gpu=place.gpu)
    work = workload.look_ahead(profile, rows, counted, few_shapes=few_shapes)
    limit = min(place.limit, int(profile.memory.limit_gb * GIB) or place.limit)
    cached = caches_trunk(shape, profile, work, place)
    parts, batch = _peak(shape, profile, work, place, cached)
    if measured:
        parts = corrected(shape, profile, place, parts, measured)
    precompute = _precompute(shape, profile, work, place, limit) if cached else 0
    trained = memory_model.adapter_parameters(shape, profile) * 4
    speed, source = _speed(shape, profile, place, measured)
    step = workload.run_flops(shape, profile, work, cached=cached) / speed if speed else None
    found = Forecast(
        verdict="unknown",
        parts=parts,
        batch=batch,
        steps=work.steps,
        per_epoch=work.per_epoch,
        known_lengths=work.known,
        precompute=precompute,
        trunk_disk=trunk_bytes(shape, work) if cached else 0,
        checkpoint_disk=(parts.optimizer + trained) * (profile.checkpoint.keep + 1) + trained,
        cache=min(int(profile.memory.cache_limit_gb * GIB), parts.total - parts.resident),
        limit=limit,
        step_seconds=step,
        run_seconds=_run_seconds(shape, profile, work, step, speed, cached),
        speed_from=source,
    )
    return replace(found, verdict=_verdict(found, profile, place))


def caches_trunk(shape: Shape, profile: Profile, work: Workload, place: Place) -> bool:
    """Whether the training will compute the frozen layers once: as its `objection`."""
    train = profile.train
    if train.trunk_cache == "off" or memory_model.trained_layers(shape, profile) == shape.layers:
        return False
    if train.epochs == 1 and train.trunk_cache == "auto":
        return False
    if shape.kind not in _SPLITS:
        return False
    size = trunk_bytes(shape, work)
    room = place.disk is None or size <= place.disk * _FREE_DISK
    return room and size <= profile.memory.trunk_cache_gb * GIB


def trunk_bytes(shape: Shape, work: Workload) -> int:
    """Size of the stored activations: hidden states of every token."""
    return work.tokens * shape.hidden * (2 if shape.half else 4)


def minimum(shape: Shape, profile: Profile) -> int:
    """Bytes below which no setting of batch or length brings this run: weights and adapter.

    With a trunk that may be stored, only the layers that are trained.
    """
    stores = profile.train.trunk_cache != "off" and shape.kind in _SPLITS
    smallest = MicroBatch(1, 8, 1)
    parts = memory_model.step_parts(
        shape, profile, smallest, FITS["eager", True], cached=stores, exact_norms=False
    )
    return parts.total


def corrected(
    shape: Shape, profile: Profile, place: Place, parts: Parts, measured: Measured
) -> Parts:
    """Scale what comes and goes by what a probe step took of it; what stays is known exactly."""
    said = _step_parts(shape, profile, measured.batch, place, cached=measured.cached)
    predicted = said.total - said.resident
    took = measured.probed.peak - measured.probed.resident
    factor = took / predicted if predicted > 0 and took > 0 else 1.0
    return replace(
        parts,
        activations=int(parts.activations * factor),
        logits=int(parts.logits * factor),
        other=int(parts.other * factor),
    )


def _step_parts(
    shape: Shape, profile: Profile, batch: MicroBatch, place: Place, *, cached: bool, more: int = 1
) -> Parts:
    return memory_model.step_parts(
        shape,
        profile,
        batch,
        _fit(profile, place),
        cached=cached,
        exact_norms=not place.gpu,
        micro_batches=more,
    )


def _fit(profile: Profile, place: Place) -> Fit:
    compiled = compiles(profile, gpu=place.gpu)
    return FITS["compiled" if compiled else "eager", profile.train.grad_checkpoint]


def compiles(profile: Profile, *, gpu: bool) -> bool:
    """Whether the training compiles its steps: as farense_worker/loop/setup.py decides."""
    how = profile.train.compile
    return how == "on" or (how == "auto" and gpu)


def _peak(
    shape: Shape, profile: Profile, work: Workload, place: Place, cached: bool
) -> tuple[Parts, MicroBatch]:
    """Find the micro-batch that takes most."""
    more = work.micro_batches
    found = {
        batch: _step_parts(shape, profile, batch, place, cached=cached, more=more)
        for batch in _greatest(work)
    }
    most = max(found, key=lambda batch: found[batch].total)
    return found[most], most


def _greatest(work: Workload) -> list[MicroBatch]:
    """Keep those that no other one exceeds in rows, width and labels: memory grows with each."""
    kept: list[MicroBatch] = []
    for batch in sorted(set(work.all), key=lambda b: (-b.width, -b.rows, -b.labels)):
        if not any(k.rows >= batch.rows and k.labels >= batch.labels for k in kept):
            kept.append(batch)
    return kept


def _precompute(shape: Shape, profile: Profile, work: Workload, place: Place, limit: int) -> int:
    """Peak of the pass over the frozen layers: those that are there at once, and their work."""
    start = shape.layers - memory_model.trained_layers(shape, profile)
    trunk = sum(shape.layer_bytes[:start])
    room = int(_ROOM * max(0.0, profile.memory.warning * limit - PROCESS))
    largest = max(shape.layer_bytes[:start])
    there = shape.bytes if trunk <= room else shape.outer_bytes + max(largest, room)
    frozen = max(
        (
            memory_model.frozen_bytes(shape, batch, _fit(profile, place))
            for batch in _greatest(work)
        ),
        default=0,
    )
    return there + frozen


def _verdict(found: Forecast, profile: Profile, place: Place) -> Verdict:
    """Compare with the thresholds at which the training warns, and at which it stops."""
    if not found.limit:
        return "unknown"
    if found.needed > profile.memory.critical * found.limit:
        return "will not fit"  # not translated: a key
    short = place.available is not None and found.needed > place.available
    if found.needed + found.cache > profile.memory.warning * found.limit or short:
        return "tight"
    return "fits"


def _run_seconds(
    shape: Shape, profile: Profile, work: Workload, step: float | None, speed: float | None,
    cached: bool,
) -> float | None:  # fmt: skip
    if step is None or speed is None or not work.steps:
        return None
    width = max((batch.width for batch in work.all), default=0)
    once = workload.trunk_flops(shape, profile, work.tokens, width) / speed if cached else 0.0
    return step * work.steps + once


def _speed(
    shape: Shape, profile: Profile, place: Place, measured: Measured | None
) -> tuple[float | None, str]:
    """Floating-point operations a second, and where that is from."""
    if measured and measured.probed.seconds > 0:
        made = workload.flops(shape, profile, measured.batch, cached=measured.cached)
        return made / measured.probed.seconds, mark("measured")
    return published(place.chip)


# Peak TFLOP/s in float32 by Apple, and the share of it that a published run came to: LoRA of
# Qwen3-8B-4bit at 97.8 tokens/s on an M1 Max (mlx-train-perf README), 6 operations a weight and
# token, and attention over 2048. The other chips are taken to reach the same share.
_CHIPS = {
    "M1": 2.6, "M1 Pro": 5.2, "M1 Max": 10.4, "M1 Ultra": 20.8,
    "M2": 3.6, "M2 Pro": 6.8, "M2 Max": 13.6, "M2 Ultra": 27.2,
}  # fmt: skip
_SHARE = 0.45


def published(chip: str) -> tuple[float | None, str]:
    """Speed of a chip, from what others have published; None for one that is not in the table."""
    name = chip.removeprefix("Apple ").strip()
    if name not in _CHIPS:
        return None, ""
    return _CHIPS[name] * 1e12 * _SHARE, mark("from published runs on an M1 Max")
