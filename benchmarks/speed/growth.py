"""How time and memory grow: with the shape of the model, the length of a run, the rows of the data.

    python benchmarks/speed/growth.py [shape] [steps] [rows] [deep]

shape: the time of a step, one of sequence length, rows, layers and vocabulary doubled at a time.
steps: the worker's memory over a run of 10,000 steps.
rows: a data set of 1,000 to 1,000,000 rows, until the first step: time and memory of the worker.
deep: a model of 64 layers of which 4 are trained, in less memory than its weights take.
Without a word all four. All are real runs of `farense-tui train` on micro models.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import reference_machine
from farense_tui.engine.machine import blas
from tests import micro_model

Event = dict[str, Any]


def main() -> None:
    """Measure what is asked for."""
    print(f"{reference_machine()}, BLAS: {blas.find() or 'the wheel has its own'}")
    parts = {"shape": shape, "steps": steps, "rows": rows, "deep": deep}
    for name in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory() as place:
            print(f"\n{name}")
            parts[name](Path(place))


def shape(place: Path) -> None:
    """Double one thing at a time; what the step takes then, against the first."""
    base = {"width": 64, "rows": 4, "layers": 4, "vocabulary": 1024}
    first = 0.0
    for name, factor in [("", 1), *((name, factor) for name in base for factor in (2, 4, 8))]:
        now = {**base, **({name: base[name] * factor} if name else {})}
        folder = place / f"{name}{factor}"
        layers, vocabulary = now["layers"], now["vocabulary"]
        model = micro_model.make(
            folder / "model", layers=layers, hidden=128, heads=4, vocabulary=vocabulary
        )
        write_rows(folder / "data", 40 * now["rows"], now["width"])
        settings: dict[str, Any] = {
            "train.batch_size": now["rows"],
            "train.max_seq_length": now["width"],
            "train.epochs": 1,
        }
        told = train(folder, model, **settings)
        seconds = statistics.median(e["seconds"] for e in told if e["type"] == "step")
        peak = max(e["peak_memory"] for e in told if e["type"] == "step")
        first = first or seconds
        what = f"{name} x{factor}" if name else f"{base}"
        print(f"  {what:70} {seconds * 1e3:7.1f} ms  {seconds / first:5.2f}x  {peak / 1e6:7.1f} MB")


def steps(place: Path) -> None:
    """Memory of a worker over 10,000 steps."""
    model = micro_model.make(place / "model")
    write_rows(place / "data", 100, 24)
    settings: dict[str, Any] = {"train.batch_size": 4, "train.epochs": 400}
    told = train(place, model, **settings)
    beats = [(e["step"], e["rss"], e["active_memory"]) for e in told if e["type"] == "heartbeat"]
    last = max(e["step"] for e in told if e["type"] == "step")
    for share in (0.1, 0.25, 0.5, 0.75, 1.0):
        step, rss, active = [beat for beat in beats if beat[0] <= share * last][-1]
        print(f"  step {step:6}: process {rss / 1e6:7.1f} MB, MLX active {active / 1e6:6.2f} MB")


def rows(place: Path) -> None:
    """From the start to the first step, first without and then with cached tokens."""
    model = micro_model.make(place / "model")
    for count in (1_000, 10_000, 100_000, 1_000_000):
        folder = place / str(count)
        write_rows(folder / "data", count, 48)
        size = (folder / "data" / "train.jsonl").stat().st_size
        for cache in ("tokens made", "tokens cached"):
            began = time.time()
            events = start(folder, model, place / "cache", None, **{"train.batch_size": 8})
            most = 0
            for event, rss in events:
                most = max(most, rss)
                if event["type"] == "step":
                    events.close()
                    break
            print(
                f"  {count:9} rows ({size / 1e6:6.1f} MB), {cache:13}: first step after "
                f"{event['time'] - began:6.2f} s, process at most {most / 1e6:7.1f} MB"
            )


def deep(place: Path) -> None:
    """Train the top of a deep model: as a whole, and with its trunk computed in groups."""
    model = micro_model.make(place / "model", layers=64, hidden=512, heads=8)
    weights = (model / "model.safetensors").stat().st_size
    write_rows(place / "data", 64, 64)
    print(f"  64 layers, 4 trained, weights {weights / 1e6:.0f} MB")
    settings: dict[str, Any] = {"lora.num_layers": 4, "train.batch_size": 4, "train.epochs": 2}
    for name, more in (
        ("as a whole", {"train.trunk_cache": "off"}),
        ("trunk at once", {"train.trunk_cache": "on"}),
        ("trunk in groups", {"train.trunk_cache": "on", "memory.limit_gb": 0.5}),
    ):
        told = train(place / name.replace(" ", "-"), model, place / "data", **settings, **more)
        taken = [e for e in told if e["type"] == "step"]
        beats = [e["rss"] for e in told if e["type"] == "heartbeat"]
        seconds = statistics.median(e["seconds"] for e in taken)
        print(
            f"  {name:16} MLX peak {max(e['peak_memory'] for e in taken) / 1e6:6.0f} MB, while "
            f"training {taken[-1]['active_memory'] / 1e6:6.0f} MB, process at most "
            f"{max(beats) / 1e6:6.0f} MB, step {seconds:.3f} s, last loss {taken[-1]['loss']!r}"
        )


def train(folder: Path, model: Path, data: Path | None = None, **settings: Any) -> list[Event]:
    """Train to the end; all events."""
    return [event for event, _ in start(folder, model, None, data, **settings)]


def start(
    folder: Path, model: Path, cache: Path | None, data: Path | None = None, **settings: Any
) -> Generator[tuple[Event, int]]:
    """Train, and give each event with the worker's memory; closing it ends the run."""
    given = {
        "train.grad_accumulation": 1,
        "train.rollbacks": 0,
        "checkpoint.every": 100_000,
        "report.eval_every": 100_000,
        "report.questions": "0",
        **settings,
    }
    runs = folder / "runs"
    command = [sys.executable, "-m", "farense_tui", "train", "--profile", "demo", "--json"]
    command += ["--model", str(model), "--data", str(data or folder / "data")]
    command += ["--runs-dir", str(runs), "--name", f"run-{time.time_ns()}"]
    command += [f"--set={name}={value}" for name, value in given.items()]
    environment = {**os.environ, "FARENSE_CACHE": str(cache) if cache else "off"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    worker = 0
    try:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            worker = event.get("pid", worker) if event["type"] == "run_started" else worker
            yield event, _most_memory(worker) if worker else event.get("rss", 0)
    except GeneratorExit:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        raise
    finally:
        process.wait()


def _most_memory(pid: int) -> int:
    """The most that a process has had in memory, in bytes; what it has now, where no /proc is."""
    if sys.platform != "linux":
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)
        return 0
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) * 1024 if found else 0


def write_rows(folder: Path, count: int, width: int) -> None:
    """Write chats of about `width` tokens, and a few to validate on."""
    folder.mkdir(parents=True)
    words = "o Farense joga em Faro e ganha ao domingo com golos de cabeça na segunda parte "
    for split, many in (("train", count), ("valid", 4)):
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for at in range(many):
                answer = (f"{at} " + words * (1 + width // len(words)))[: max(4, width - 12)]
                turns = [("user", f"q{at % 97}?"), ("assistant", answer)]
                row = {"messages": [{"role": role, "content": text} for role, text in turns]}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
