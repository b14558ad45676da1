"""What a run will take, before it starts: memory by part, time, disk; and whether it fits.

What is counted and what is fitted: protocol/plan/step_memory.py. What the figures were
checked against: docs/performance.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from farense_worker.protocol.language import mark
from farense_worker.protocol.messages.estimation import Probed, Rows
from farense_worker.protocol.plan import budget, cadence, disk, prefix, step_memory, steps, trunk
from farense_worker.protocol.plan import memory as limits
from farense_worker.protocol.plan.memory_fit import FITS
from farense_worker.protocol.plan.model_shape import Shape
from farense_worker.protocol.plan.step_memory import MicroBatch, Parts
from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine.forecast import workload
from farense_tui.engine.forecast.workload import Workload
from farense_tui.engine.machine.measured import Speeds


@dataclass(frozen=True)
class Place:
    """Where the run is to be: bytes that MLX may use well, bytes of memory free now, free disk.

    None is unknown. gpu: whether MLX computes on one. chip: its name. speeds: as they were measured
    there, by `verify --bench`. memory: that GPU and system share, 0 where it is not known.
    """

    limit: int
    available: int | None
    disk: int | None
    gpu: bool
    chip: str = ""
    speeds: Speeds | None = None
    memory: int = 0


@dataclass(frozen=True)
class Measured:
    """A probe: the micro-batch its steps were on, and what they took."""

    batch: MicroBatch
    cached: bool
    probed: Probed


@dataclass(frozen=True)
class Forecast:
    """What a run takes. Bytes and seconds; None where that cannot be known.

    parts: at the peak of a training step, which batch gives the peak. precompute: peak of the pass
    that stores the trunk, 0 without one. trunk_disk: what it stores. cache: freed buffers that MLX
    may keep on top, pass_cache: during that pass. program: of the process beside MLX. mapped:
    of files, which the process is counted. shared: share of the tokens that are not computed,
    because rows begin alike; not_shared: why none is, where they do. speed_from: English; who shows
    it calls `gettext`.
    """

    verdict: limits.Verdict
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
    shared: float = 0.0
    not_shared: str = ""
    pages: bool = False
    program: int = limits.PROCESS
    pass_cache: int = 0
    mapped: int = 0

    @property
    def peak(self) -> int:
        """The most that MLX has in use at any time."""
        return max(self.parts.total, self.precompute)

    @property
    def needed(self) -> int:
        """The most that the process has in use: what is compared with the limit."""
        return self.peak + self.program

    @property
    def process(self) -> int:
        """The most that the process takes, with the freed buffers that MLX keeps for reuse."""
        most = max(self.parts.total + self.cache, self.precompute + self.pass_cache)
        return most + self.program + self.mapped

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
    limit = limits.limit(profile.memory, place.limit)
    room = limits.room(profile.memory, limit, limits.PROCESS)
    shape = shape.computed(profile, gpu=place.gpu, room=room)
    few_shapes = steps.compiled(profile, gpu=place.gpu)
    rows = {name: split.within(profile.train.max_seq_length) for name, split in rows.items()}
    tokens, longest = workload.tokens(profile, rows, counted), workload.longest(profile, rows)
    cached = caches_trunk(shape, profile, tokens, place)
    at_once = budget.planned(profile, shape, limit, longest, gpu=place.gpu, cached=cached)
    work = workload.look_ahead(profile, rows, counted, at_once, few_shapes=few_shapes)
    parts, batch = _peak(shape, profile, work, place, cached)
    if measured:
        parts = corrected(shape, profile, place, parts, measured)
    there, through = 0, 0
    if cached:
        once = workload.once(profile, rows, counted, at_once)
        there, through = _precompute(shape, profile, once, place, limit)
    precompute = there + through
    trained = shape.trained(profile)
    speed, source = _speed(shape, profile, place, measured)
    step = workload.run_flops(shape, profile, work, cached=cached) / speed if speed else None
    validation = workload.validation_flops(shape, profile, rows, counted, cached=cached)
    looks = cadence.validations(profile.report, work.steps)
    peak = max(parts.total, precompute)
    cache = limits.cache(profile.memory, parts.total, parts.resident)
    program = limits.program(shape.tokenizer, gpu=place.gpu)
    stored = trunk_bytes(shape, tokens) if cached else 0
    return Forecast(
        verdict=limits.verdict(profile.memory, limit, peak, cache, place.available, program),
        parts=parts,
        batch=batch,
        steps=work.steps,
        per_epoch=work.per_epoch,
        known_lengths=work.known,
        precompute=precompute,
        trunk_disk=stored,
        checkpoint_disk=disk.checkpoints(trained, profile.checkpoint.keep),
        cache=cache,
        limit=limit,
        step_seconds=step,
        run_seconds=_run_seconds(
            shape, profile, work, step, speed, tokens if cached else 0, looks * validation
        ),
        speed_from=source,
        shared=work.saved,
        not_shared=_not_shared(profile, rows),
        pages=place.gpu and limits.pages(place.memory, peak + program),
        program=program,
        pass_cache=limits.cache(profile.memory, precompute, there),
        mapped=0 if place.gpu else stored,  # macOS counts no pages that a file has as well
    )


def _not_shared(profile: Profile, rows: dict[str, Rows]) -> str:
    """Say why what rows begin with alike is computed for each; empty if it is not, or so wanted."""
    alike = "train" in rows and rows["train"].shared
    return prefix.objection(profile) if alike and profile.train.shared_prefix != "off" else ""


def caches_trunk(shape: Shape, profile: Profile, tokens: int, place: Place) -> bool:
    """Whether the training will compute the frozen layers once; not of a kind that is unknown."""
    frozen, size = trunk.frozen(profile, shape.layers), trunk_bytes(shape, tokens)
    return shape.kind in trunk.KNOWN and not trunk.objection(profile, frozen, size, place.disk)


def trunk_bytes(shape: Shape, tokens: int) -> int:
    """Size of the stored activations."""
    return trunk.stored_bytes(tokens, shape.hidden, 2 if shape.half else 4)


def minimum(shape: Shape, profile: Profile) -> int:
    """Bytes below which no setting of batch or length brings this run: weights and adapter.

    With a trunk that may be stored, only the layers that are trained.
    """
    stores = profile.train.trunk_cache != "off" and shape.kind in trunk.KNOWN
    smallest = MicroBatch(1, 8, 1)
    parts = step_memory.step_parts(
        shape, profile, smallest, cached=stores, gpu=True, fit=FITS["eager", True]
    )
    return parts.total


def corrected(
    shape: Shape, profile: Profile, place: Place, parts: Parts, measured: Measured
) -> Parts:
    """Scale what comes and goes by what a probe took of it; what stays is known exactly."""
    said = step_memory.step_parts(
        shape, profile, measured.batch, gpu=place.gpu, cached=measured.cached
    )
    predicted = said.total - said.resident
    took = measured.probed.peak - measured.probed.resident
    factor = took / predicted if predicted > 0 and took > 0 else 1.0
    return replace(
        parts,
        activations=int(parts.activations * factor),
        logits=int(parts.logits * factor),
        other=int(parts.other * factor),
    )


def _peak(
    shape: Shape, profile: Profile, work: Workload, place: Place, cached: bool
) -> tuple[Parts, MicroBatch]:
    """Find the micro-batch that takes most."""
    more = work.micro_batches
    found = {
        batch: step_memory.step_parts(
            shape, profile, batch, gpu=place.gpu, cached=cached, micro_batches=more
        )
        for batch in _greatest(work)
    }
    most = max(found, key=lambda batch: found[batch].total)
    return found[most], most


def _greatest(work: Workload) -> list[MicroBatch]:
    """Keep those that no other one exceeds in rows, width and labels: memory grows with each."""
    kept: list[MicroBatch] = []
    for batch in sorted(set(work.all), key=lambda b: (-b.width, -b.rows, -b.labels, -b.prefix)):
        if not any(_exceeds(each, batch) for each in kept):
            kept.append(batch)
    return kept


def _exceeds(one: MicroBatch, other: MicroBatch) -> bool:
    """Whether one of no smaller width is no smaller in anything."""
    own, its = ((b.rows, b.labels, b.prefix, b.passes) for b in (one, other))
    return all(a >= b for a, b in zip(own, its, strict=True))


def _precompute(
    shape: Shape, profile: Profile, batches: set[MicroBatch], place: Place, limit: int
) -> tuple[int, int]:
    """Bytes of the frozen layers that are there at once in the pass over them, and their work."""
    below = shape.layer_bytes[: trunk.frozen(profile, shape.layers)]
    room = limits.room(profile.memory, limit, limits.PROCESS)
    groups = list(trunk.groups(below, room))
    there = shape.bytes
    if len(groups) > 1:  # the others are let go, or not read yet
        there = shape.outer_bytes + max(sum(below[start:stop]) for start, stop in groups)
    fit = step_memory.fit_of(profile, gpu=place.gpu)
    most = max((stop - start for start, stop in groups), default=0)
    works = [step_memory.pass_bytes(shape, most, each, fit, gpu=place.gpu) for each in batches]
    return there, max(works, default=0)


def _run_seconds(
    shape: Shape, profile: Profile, work: Workload, step: float | None, speed: float | None,
    stored: int, validations: float,
) -> float | None:  # fmt: skip
    """Seconds of all steps, of all validations, which are so many operations, and of the trunk.

    stored: tokens of the pass over the frozen layers.
    """
    if step is None or speed is None or not work.steps:
        return None
    width = max((batch.width for batch in work.all), default=0)
    once = workload.trunk_flops(shape, profile, stored, width)
    return step * work.steps + (once + validations) / speed


def _speed(
    shape: Shape, profile: Profile, place: Place, measured: Measured | None
) -> tuple[float | None, str]:
    """Floating-point operations a second, and where that is from."""
    if measured and measured.probed.seconds > 0:
        made = workload.flops(shape, profile, measured.batch, cached=measured.cached)
        return made / measured.probed.seconds, mark("measured")
    if place.speeds:
        quantised = any(size < 2 * shape.layer_weights for size in shape.layer_bytes)
        own = place.speeds.quantised if quantised else place.speeds.floats
        if own:
            return own, mark("measured on this machine by verify --bench")
    return published(place.chip)


# Peak TFLOP/s in float32, and the share of it that a published run came to: LoRA of Qwen3-8B-4bit
# at 97.8 tokens/s on an M1 Max (mlx-train-perf README), 6 operations a weight and token, and
# attention over 2048. The other chips are taken to reach the same share. M1 and M2 by Apple; of M3
# and M4, of which Apple says nothing, 256 operations a core and cycle at 1.398, 1.47 and (M4 Max)
# 1.678 GHz, of the variant with the fewest cores. M5: 8, 16 and 32 cores at 1.74 GHz (hmc-tech.com
# for the M5, taken for the others); what its matrix units add (3.3 to 4 times an M4 in reading a
# prompt, machinelearning.apple.com) no published training run shows, so it is not counted: such a
# forecast is too long sooner than too short. A virtual M1 is counted as the real one.
_CHIPS = {
    "M1": 2.6, "M1 Pro": 5.2, "M1 Max": 10.4, "M1 Ultra": 20.8,
    "M2": 3.6, "M2 Pro": 6.8, "M2 Max": 13.6, "M2 Ultra": 27.2,
    "M3": 2.9, "M3 Pro": 5.0, "M3 Max": 10.7, "M3 Ultra": 21.5,
    "M4": 3.0, "M4 Pro": 6.0, "M4 Max": 13.7,
    "M5": 3.6, "M5 Pro": 7.1, "M5 Max": 14.3,
}  # fmt: skip
_SHARE = 0.45


def published(chip: str) -> tuple[float | None, str]:
    """Speed of a chip, from what others have published; None for one that is not in the table."""
    name = chip.removeprefix("Apple ").removesuffix("(Virtual)").strip()
    if name not in _CHIPS:
        return None, ""
    return _CHIPS[name] * 1e12 * _SHARE, mark("from published runs on an M1 Max")
