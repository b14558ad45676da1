"""A step of the built-in profiles as they were first and as they are, on a real model.

    python benchmarks/speed/profile_steps.py MODEL [--pairs 2] [--layers 6]

At first batch_size rows (2, 4, 8) went through the model at once, with gradient checkpointing; now
as many as the forecast plans for the profile's own model on its machine, without. MODEL is a folder
(SmolLM2-135M in float32, of which `--layers` are trained and the others stored: a row of 512 takes
a CPU seconds). Each way is a process of its own, in turn, which goes first changing; it takes
steps of one micro-batch of the greatest length, and a step is as many as make the effective batch.
Printed: the median of the ratios, and what the cost model says of the same.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.protocol.messages.estimation import Probe, Probed
from farense_worker.protocol.plan import budget, model_shape
from farense_worker.protocol.plan.cutting import OVERHEAD
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.plan.model_shape import Shape
from farense_worker.protocol.plan.step_memory import MicroBatch
from farense_worker.protocol.settings.profile import Profile, replace_setting

from benchmarks.common import reference_machine
from farense_tui.engine.forecast import gather, workload
from farense_tui.engine.machine import blas
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.tasks import task

NAMES = ("m1-8gb", "m1-16gb", "m1-32gb")
_LABELS = 2  # every other token is one


@dataclass(frozen=True)
class Way:
    """How a profile's step is cut: so many rows of `width` at once, `times` of them a step."""

    profile: Profile
    rows: int
    width: int

    @property
    def times(self) -> float:
        """Micro-batches of a step."""
        return self.profile.effective_batch / self.rows

    @property
    def batch(self) -> MicroBatch:
        """What goes through the model at once."""
        return MicroBatch(self.rows, self.width, self.rows * self.width // _LABELS)

    def measured(self) -> float:
        """Seconds of a step here."""
        asked = Probe(
            profile=self.profile, rows=self.rows, width=self.width, labels=self.batch.labels,
            steps=1, cached=True,
        )  # fmt: skip
        return task.result_of("probe", asked, Probed).seconds * self.times

    def counted(self, shape: Shape) -> float:
        """Operations of a step, with what one more micro-batch costs."""
        one = MicroBatch(1, OVERHEAD, 0)
        each = workload.flops(shape, self.profile, self.batch, cached=True)
        return self.times * (each + workload.flops(shape, self.profile, one, cached=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--layers", type=int, default=6, help="trained ones")
    args = parser.parse_args()
    shape = model_shape.read(args.model)
    if shape is None:
        sys.exit(f"{args.model} has no configuration that can be read")
    print(
        f"{reference_machine()}, BLAS: {blas.find() or 'the wheel has its own'}; {args.model.name}"
    )
    print("\n| profile | first | now | a step, first | now | ratio | by the cost model |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name in NAMES:
        then, now = ways(name, args.model, args.layers)
        pairs = []
        for number in range(args.pairs):
            order = (then, now) if number % 2 else (now, then)
            took = {way.rows if way is now else -way.rows: way.measured() for way in order}
            pairs.append((took[-then.rows], took[now.rows]))
        ratios = sorted(now_ / then_ for then_, now_ in pairs)
        first, today = (statistics.median(each) for each in zip(*pairs, strict=True))
        said = now.counted(shape) / then.counted(shape)
        print(
            f"| {name} | {then.rows} x {then.width}, checkpointing | {now.rows} x {now.width} "
            f"| {first:.1f} s | {today:.1f} s | {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}) | {said:.2f} |",
            flush=True,
        )


def ways(name: str, model: Path, layers: int) -> tuple[Way, Way]:
    """How the profile's step was cut at first, and how it is planned now."""
    profile = catalogue.get(name)
    rows, width = planned(profile)
    here = replace_setting(profile, "model.repo", str(model.resolve()))
    here = replace_setting(here, "lora.num_layers", layers)
    then = replace_setting(here, "train.grad_checkpoint", True)
    return Way(then, profile.train.batch_size, width), Way(here, rows, width)


def planned(profile: Profile) -> tuple[int, int]:
    """Rows at once and their length, of the profile's own model on the Mac that it is for."""
    longest, shape = profile.train.max_seq_length, model_shape.known(profile.model.repo)
    if shape is None:
        sys.exit(f"{profile.model.repo} is not among the known shapes")
    limit = int(profile.profile.memory_gb * GIB * gather.WORKING_SET)
    tokens = budget.planned(profile, shape, limit, longest, gpu=True, cached=False)
    return max(1, tokens // longest), longest


if __name__ == "__main__":
    main()
