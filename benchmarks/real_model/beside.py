"""The checks of real_model.py beside other programs and in other numbers."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import command_line as cli
from benchmarks.exactness import mac_default
from benchmarks.real_model.checks import (
    BATCH,
    FEW,
    LAYERS,
    MIB,
    QUESTION,
    RANK,
    RATE,
    SCALE,
    TOKENS,
    Found,
    Job,
    compared,
    of,
    their_loss,
)
from farense_tui.engine.verify.speed import full_names
from tests.real_runs import results

ROOT = Path(__file__).resolve().parents[2]


def mlx_lm(job: Job) -> Found:
    """The same training by mlx_lm.lora: rows in another order, a constant rate, no trunk."""
    folder, place = job.rows(), job.place / "theirs"
    place.mkdir(exist_ok=True)
    settings = {
        "model": str(job.exact), "train": True, "data": str(folder), "iters": 40,
        "batch_size": BATCH, "learning_rate": RATE, "num_layers": LAYERS, "mask_prompt": True,
        "optimizer_config": {"adam": {"bias_correction": True}}, "max_seq_length": 256,
        "steps_per_report": 1, "steps_per_eval": 20, "val_batches": -1, "save_every": 10_000,
        "adapter_path": str(place / "adapters"),
        "lora_parameters": {"rank": RANK, "scale": SCALE, "dropout": 0.0, "keys": full_names()},
    }  # fmt: skip
    (place / "settings.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "farense_worker.verify.mlx_lm_run"]
    printed = cli.text([*command, str(place / "settings.json")])
    told, events = json.loads(printed.splitlines()[-1]), job.events
    here, there = (
        their_loss(job.exact, adapter, folder)["labels_alone"]
        for adapter in (job.run("whole").adapters, place / "adapters")
    )
    yield (
        "mlx_lm.lora: validation loss after 40 steps",
        f"theirs {there:.3f}, ours {here:.3f}",
        here < there + 0.1,
    )
    theirs = sum(seconds for _, seconds, _ in told["steps"])
    ours = sum(event["seconds"] for event in of(events, "step"))
    once = _once(events)
    yield (
        "mlx_lm.lora: seconds of 40 steps",
        f"theirs {theirs:.0f}, ours {ours:.0f} and {once:.0f} for the stored trunk",
        True,
    )
    peak = max(event["peak_memory"] for event in of(events, "step"))
    process = max(event["rss"] for event in of(events, "heartbeat"))
    yield (
        "mlx_lm.lora: memory",
        f"MLX's peak: theirs {told['peak'] / MIB:.0f} MiB, ours {peak / MIB:.0f}; the process: "
        f"theirs {told['rss'] / MIB:.0f}, ours {process / MIB:.0f}",
        peak < told["peak"],
    )


def _once(events: list[Any]) -> float:
    phases = [event for event in events if event["type"] in ("phase", "run_started")]
    starts = [at for at, event in enumerate(phases) if event.get("name") == "precomputing"]
    found: float = sum(phases[at + 1]["time"] - phases[at]["time"] for at in starts)
    return found


def quantised(job: Job) -> Found:
    """4 bits to the end, in float32: stored trunk, masked prompts, killed and resumed."""
    folder = job.rows("few", train=4, valid=2)
    more = {name.replace(".", "__"): value for name, value in FEW.items()}
    more |= {"train__epochs": 4, "checkpoint__every": 3}
    events = job.train("four", job.four, folder, **more)
    checks = of(events, "validation")
    losses = " to ".join(f"{each['loss']:.3f}" for each in (checks[0], checks[-1]))
    steps = len(of(events, "step"))
    yield f"4 bits, {steps} steps", f"validation loss {losses}", steps == 8
    broken = job.broken("four-broken", 5, job.four, folder, **more)
    same = results(broken) == results(job.run("four"))
    yield "4 bits, killed and resumed", "byte-equal" if same else "DIFFERENT", same
    adapters = job.run("four").adapters
    # In the floats of the run: mlx_lm takes those of the scales, bfloat16, 3e-2 away on these rows.
    theirs_there = their_loss(job.four, adapters, folder, "float32")
    seen, well = compared(checks[-1], theirs_there, 1e-3)
    yield "validation loss, 4 bits", seen, well
    ours = cli.answer(job.runs, "four", QUESTION, TOKENS)
    theirs = cli.their_answer(job.four, adapters, QUESTION, TOKENS)
    yield "mlx_lm.generate, 4 bits", "the same" if ours == theirs else repr(theirs), ours == theirs


def compiled(job: Job) -> Found:
    """Steps of one shape, compiled and not."""
    if shutil.which("g++") is None and sys.platform == "linux":
        yield "compiled", "there is no compiler here", True
        return
    folder = job.rows("one-shape", train=2, valid=2)
    more = {name.replace(".", "__"): value for name, value in FEW.items()} | {"train__epochs": 4}
    runs = [
        [step["loss"] for step in of(job.train(f"compiled-{how}", job.exact, folder,
                                               train__compile=how, **more), "step")]
        for how in ("off", "on")
    ]  # fmt: skip
    apart = max(abs(a - b) for a, b in zip(*runs, strict=True))
    yield f"compiled, {len(runs[0])} steps", f"losses {apart:.0e} apart", apart < 1e-3


def halves(job: Job) -> Found:
    """Two steps of two rows in 16 bits."""
    folder = job.rows("four-rows", train=4, valid=2)
    more = {name.replace(".", "__"): value for name, value in FEW.items()} | {"train__epochs": 1}
    first = {}
    for dtype in ("float32", "bfloat16", "float16"):
        events = job.train(f"half-{dtype}", job.plain, folder, model__dtype=dtype, **more)
        first[dtype] = of(events, "step")[0]["loss"]
        check = of(events, "validation")[-1]
        if dtype != "float32":
            apart = abs(first[dtype] - first["float32"]) / first["float32"]
            steps = len(of(events, "step"))
            seen = f"first loss {first[dtype]:.4f}, in float32 {first['float32']:.4f}"
            yield f"{dtype}, {steps} steps", seen, steps == 2 and apart < 0.02
            adapters = job.run(f"half-{dtype}").adapters
            seen, well = compared(check, their_loss(job.plain, adapters, folder, dtype), 1e-4)
            yield f"validation loss, {dtype}", seen, well


def mac(job: Job) -> Found:
    """4 bits in float16 on the embedded model; all of it is in mac_default.py."""
    shutil.rmtree(job.place / "mac", ignore_errors=True)
    for each in mac_default.check(job.place / "mac", 24, short=True):
        seen = (
            f"loss {each.first:.3f} to {each.last:.3f}, the last {each.mean_apart:.0e} off "
            f"float32's; {'byte-equal' if each.resumed else 'DIFFERENT'} after a kill; mlx_lm's "
            f"answer {'the same' if each.answers else 'ANOTHER'}"
        )
        yield f"embedded model in 4 bits, {each.name}", seen, each.sound


def peft(_job: Job) -> Found:
    """The short version of against_peft.py, in the environment that has torch."""
    python = ROOT / ".venv-peft" / "bin" / "python"
    if not python.is_file():
        yield "beside torch and peft", "not here; `make against-peft` sets them up", True
        return
    script = ROOT / "benchmarks" / "exactness" / "against_peft.py"
    printed = cli.text([str(python), str(script), "--short"])
    yield "beside torch and peft", printed.strip().splitlines()[-1], True


CHECKS: dict[str, Callable[[Job], Found]] = {
    "mlx_lm": mlx_lm,
    "quantised": quantised,
    "compiled": compiled,
    "halves": halves,
    "mac": mac,
    "peft": peft,
}
