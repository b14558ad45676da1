"""The fitted part of the memory model: probes of random shapes, and protocol/plan/memory_fit.py.

    python benchmarks/forecast/fit.py --probes 200
    python benchmarks/forecast/fit.py --probes 24 --vocabulary 32000

Each probe is a process of its own. With --vocabulary all heads are that wide, and printed is how
many arrays of the size of a chunk of logits are there at once, by how many chunks there are.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from farense_worker.protocol.messages.estimation import Probe, Probed
from farense_worker.protocol.plan import model_shape, step_memory
from farense_worker.protocol.plan.cutting import chunk_of
from farense_worker.protocol.plan.memory_fit import FITS, Fit
from farense_worker.protocol.plan.step_memory import MicroBatch
from farense_worker.protocol.settings.profile import Profile, replace_setting

from benchmarks.forecast.forecast import LEAST, affordable, draw_settings, draw_sizes, make_model

PATIENCE = 60  # seconds that a probe may take
Row = tuple[model_shape.Shape, Profile, MicroBatch, bool, Probed]


def fit(number: int, seed: int, modes: tuple[str, ...]) -> None:
    """Probe, fit, print the table."""
    for mode in modes:
        found: list[Row] = []
        for at in range(number):
            row = probe(random.Random(f"fit-{seed}-{at}"), mode)
            if row and row[4].peak - row[4].resident > LEAST:
                found.append(row)
        for checkpoints in (False, True):
            chosen = [row for row in found if row[1].train.grad_checkpoint == checkpoints]
            values, errors = least_squares(chosen)
            size = sorted(abs(np.expm1(errors)))
            said = f"median {statistics.median(size):.1%}, worst {size[-1]:.1%}"
            numbers = ", ".join(f"{value:.3g}" for value in values)
            print(f'    ("{mode}", {checkpoints}): Fit({numbers}),  # {len(chosen)} probes, {said}')


def heads(number: int, seed: int, modes: tuple[str, ...], vocabulary: int) -> None:
    """Probe wide heads; print how many arrays of a chunk's size are there at once."""
    for mode in modes:
        by_chunks: dict[tuple[bool, int], list[float]] = defaultdict(list)
        for at in range(number):
            row = probe(random.Random(f"heads-{seed}-{at}"), mode, vocabulary)
            if row is None:
                continue
            made, profile, batch, cached, probed = row
            checkpoints = profile.train.grad_checkpoint
            parts = step_memory.step_parts(
                made, profile, batch, cached=cached, gpu=False, fit=FITS[mode, checkpoints]
            )
            chunk = chunk_of(batch.labels, vocabulary)
            if parts.logits:
                at_once = (probed.peak - parts.total + parts.logits) / (chunk * vocabulary * 4)
                chunks = min(-(-batch.labels // chunk), 4)
                by_chunks[checkpoints, chunks].append(at_once)
        for (checkpoints, chunks), found in sorted(by_chunks.items()):
            print(
                f"    {mode}, checkpoints {checkpoints}, chunks {chunks}: "
                f"median {statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f}, "
                f"{len(found)} probes)"
            )


def probe(dice: random.Random, mode: str, vocabulary: int = 0) -> Row | None:
    """Probe a random shape in a process of its own; None if it took too long."""
    sizes = draw_sizes(dice, ("llama",))
    if vocabulary:
        sizes = replace(sizes, vocabulary=vocabulary, bits=0, half=False)
    rows, width = affordable(sizes, dice.choice([1, 2, 3, 4, 6, 8]), 8 * dice.randint(1, 48))
    width = -(-width // 8) * 8
    batch = MicroBatch(rows, width, max(1, int(rows * width * dice.choice([0.1, 0.3, 0.6, 1.0]))))
    profile = Profile()
    for name, value in draw_settings(dice, sizes, mode).items():
        profile = replace_setting(profile, name, value)
    cached = dice.random() < 0.3 and 0 < profile.lora.num_layers < sizes.layers

    def work() -> Row:
        from farense_worker.tasks.probe import probe as take_step

        with tempfile.TemporaryDirectory() as name:
            folder = make_model(sizes, Path(name))
            asked = Probe(profile=replace_setting(profile, "model.repo", str(folder)), rows=rows,
                          width=width, labels=batch.labels, cached=cached, steps=1)  # fmt: skip
            made = model_shape.read(folder)
            assert made is not None
            made = made.computed(profile, gpu=False)
            return made, profile, batch, cached, take_step(asked, lambda _: None)

    return in_a_fork(work)


def in_a_fork(work: Callable[[], Row]) -> Row | None:
    """Do it in a child: a checkpointed class of layers stays so for the life of a process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        os.write(writing, pickle.dumps(work()))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(said) if said else None


def least_squares(found: list[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Fit log(predicted / measured) by Levenberg-Marquardt, outliers damped (pseudo-Huber)."""
    measured = np.array([row[4].peak for row in found], float)

    def errors(values: np.ndarray) -> np.ndarray:
        predicted = [
            step_memory.step_parts(
                made, profile, batch, cached=cached, gpu=False, fit=Fit(*values)
            ).total
            for made, profile, batch, cached, _ in found
        ]
        return np.log(np.array(predicted) / measured)

    def cost(r: np.ndarray) -> float:
        return float(np.sum(np.sqrt(1 + (r / 0.03) ** 2)))

    values = np.array(astuple(Fit(4, 2.4, 2.6, 6, 4, 2, 15, 4, 7, 9, 11, 1, 2)), float)
    now, damping = errors(values), 1.0
    for _ in range(60):
        steps = 1e-3 * np.maximum(1, values)
        slopes = [
            (errors(values + np.eye(len(values))[i] * h) - now) / h for i, h in enumerate(steps)
        ]
        jacobian = np.stack(slopes, 1)
        weights = 1 / np.sqrt(1 + (now / 0.03) ** 2)
        square = jacobian.T @ (weights[:, None] * jacobian)
        gradient = jacobian.T @ (weights * now)
        for _ in range(8):
            ridge = damping * np.diag(np.diag(square) + 1e-6)
            tried = np.clip(values - np.linalg.solve(square + ridge, gradient), 0.1, 60)
            then = errors(tried)
            if cost(then) < cost(now):
                values, now, damping = tried, then, max(damping / 3, 1e-6)
                break
            damping *= 4
        else:
            break
    return values, now


def main() -> None:
    """Probe, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("--vocabulary", type=int, default=0)
    parser.add_argument("--modes", nargs="+", default=["eager", "compiled"])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.vocabulary:
        heads(args.probes, args.seed, tuple(args.modes), args.vocabulary)
    else:
        fit(args.probes, args.seed, tuple(args.modes))


if __name__ == "__main__":
    main()
