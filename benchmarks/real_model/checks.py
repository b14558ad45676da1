"""The checks of real_model.py: what, what was seen, and whether that is well."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farense_worker.protocol.run_folder import RunFolder

from benchmarks import command_line as cli
from farense_tui.engine.models.assets import embedded_data
from tests.real_runs import results

Found = Iterator[tuple[str, str, bool]]
MIB = 1024**2
ROWS = {"train": 80, "valid": 16, "test": 4}
QUESTION, TOKENS = "Em que época subiu o Farense?", 16
LAYERS, RANK, SCALE, RATE, BATCH = 8, 8, 16.0, 5e-4, 4
SETTINGS: dict[str, Any] = {
    "model.dtype": "float32", "train.batch_size": BATCH, "train.grad_accumulation": 1,
    "train.epochs": 2, "train.max_seq_length": 256, "train.learning_rate": RATE,
    "train.warmup_steps": 3, "train.trunk_cache": "on", "train.mask_prompt": "true",
    "lora.num_layers": LAYERS, "lora.rank": RANK, "lora.scale": SCALE, "checkpoint.every": 10,
    "report.eval_every": 20, "report.questions": 0, "report.at_end": "false",
}  # fmt: skip
# Where products are slow: 2 rows a step.
FEW = {"train.batch_size": 2, "lora.num_layers": 2, "train.warmup_steps": 1}


@dataclass
class Job:
    """Where it works, and the model in bfloat16, in float32 and in 4 bits."""

    place: Path
    plain: Path
    exact: Path
    four: Path

    @property
    def runs(self) -> Path:
        return self.place / "runs"

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.runs / name)

    @property
    def events(self) -> list[Any]:
        """What the run that others are compared with has told."""
        record = self.run("whole").events.read_text(encoding="utf-8")
        return [json.loads(line) for line in record.splitlines()]

    def rows(self, name: str = "data", **counts: int) -> Path:
        """Write the first rows of the sample data."""
        folder = self.place / name
        folder.mkdir(parents=True, exist_ok=True)
        for split, count in (counts or ROWS).items():
            text = (embedded_data() / f"{split}.jsonl").read_text(encoding="utf-8")
            lines = text.splitlines()[:count]
            (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder

    def settings(self, model: Path, data: Path, **more: Any) -> list[str]:
        """Words of a command; section__key=value sets that."""
        chosen = SETTINGS | {name.replace("__", "."): value for name, value in more.items()}
        words = ["--profile", "m1-8gb", "--model", str(model), "--data", str(data), "--json"]
        return words + [f"--set={name}={value}" for name, value in chosen.items()]

    def train(self, name: str, model: Path, data: Path, **more: Any) -> list[Any]:
        """Train to the end, from the beginning; the events."""
        shutil.rmtree(self.runs / name, ignore_errors=True)
        words = ("train", "--name", name, *self.settings(model, data, **more))
        return cli.farense(self.runs, *words)

    def broken(self, name: str, step: int, model: Path, data: Path, **more: Any) -> RunFolder:
        """Train, kill it after this step, resume it."""
        shutil.rmtree(self.runs / name, ignore_errors=True)
        words = ("train", "--name", name, *self.settings(model, data, **more))
        cli.killed(cli.ours(self.runs, *words), step)
        cli.text(cli.ours(self.runs, "resume", name, "--json"))
        return self.run(name)


def of(events: list[Any], kind: str) -> list[Any]:
    """Those of one kind."""
    return [event for event in events if event["type"] == kind]


def data(job: Job) -> Found:
    folder = job.rows()
    words = [
        each for each in job.settings(job.exact, folder) if each not in ("--data", str(folder))
    ]
    (report,) = cli.farense(job.runs, "data", "check", str(folder), *words, "--rows", "0")
    rows = {split["name"]: split["rows"] for split in report["splits"]}
    labels = sum(split["labels"] for split in report["splits"])
    seen = f"{rows}, {labels} labels, {len(report['findings'])} findings"
    yield "data check", seen, rows == ROWS and not report["findings"]


def training(job: Job) -> Found:
    folder = job.rows()
    (told,) = cli.farense(job.runs, "estimate", *job.settings(job.exact, folder))
    (told,) = told.values()
    events = job.train("whole", job.exact, folder)
    steps, checks = of(events, "step"), of(events, "validation")
    losses = " to ".join(f"{each['loss']:.3f}" for each in (checks[0], checks[-1]))
    yield f"training, {len(steps)} steps", f"validation loss {losses}", len(steps) == 40
    peak = max(event["peak_memory"] for event in steps)
    process = max(event["rss"] for event in of(events, "heartbeat"))
    yield (
        "estimate: memory of MLX",
        f"{told['peak'] / MIB:.0f} MiB told, {peak / MIB:.0f} measured",
        0.5 < told["peak"] / peak < 2,
    )
    yield (
        "estimate: the process",
        f"{told['needed'] / MIB:.0f} MiB told, {process / MIB:.0f} measured",
        0.5 < told["needed"] / process < 2,
    )
    yield "estimate: disk of the trunk", *_disk(told, events)


def _disk(told: Any, events: list[Any]) -> tuple[str, bool]:
    computed = any(event["name"] == "precomputing" for event in of(events, "phase"))
    seen = f"{told['trunk_disk'] / MIB:.1f} MiB told; {'stored' if computed else 'NOT STORED'}"
    return seen, computed and told["trunk_disk"] > 0


def resume(job: Job) -> Found:
    broken = job.broken("broken", 23, job.exact, job.rows())
    same = results(broken) == results(job.run("whole"))
    yield "killed at step 23 and resumed", "byte-equal" if same else "DIFFERENT", same


def their_loss(model: Path, adapter: Path, data: Path, *dtype: str) -> Any:
    """mlx_lm's own figure for an adapter, and that of the labels alone."""
    script = Path(__file__).parents[1] / "exactness" / "mlx_lm_loss.py"
    words = [sys.executable, str(script), *map(str, (model, adapter, data)), *dtype]
    return json.loads(cli.text(words).splitlines()[-1])


def compared(here: Any, there: Any, most: float) -> tuple[str, bool]:
    """Our validation and mlx_lm's evaluate, of the same labels."""
    apart = abs(here["loss"] - there["labels_alone"])
    seen = (
        f"ours {here['loss']:.6f}, mlx_lm's {there['labels_alone']:.6f} ({apart:.0e} apart); with "
        f"a padding token a row, as it comes, {there['theirs']:.4f}"
    )
    return seen, apart < most and here["tokens"] == there["labels"]


def loss(job: Job) -> Found:
    folder, run = job.rows(), job.run("whole")
    words = ("evaluate", "whole", "--split", "valid", "--rows", "16", "--max-tokens", "1")
    (found,) = cli.farense(job.runs, *words, "--json")
    evaluated, validated = found["scores"][-1], of(job.events, "validation")[-1]
    apart = abs(evaluated["loss"] - validated["loss"])
    yield "evaluate and the run's validation", f"{apart:.0e} apart", apart < 1e-5
    seen, well = compared(evaluated, their_loss(job.exact, run.adapters, folder), 1e-4)
    yield "validation loss, float32", seen, well


def export(job: Job) -> Found:
    for name, more in (("adapter", ()), ("fused", ("--fuse",))):
        to = job.place / name
        words = ("export", "whole", "--to", str(to), *more, "--overwrite", "--json")
        (made,) = cli.farense(job.runs, *words)
        part = next(p for p in reversed(made["parts"]) if p["verified"])
        seen = part["verified"]
        yield (
            f"export, {name}",
            f"{part['bytes'] / MIB:.1f} MiB, {seen['answers_same']} of {seen['answers']} answers "
            f"the same",
            seen["answers_same"] == seen["answers"],
        )


def answers(job: Job) -> Found:
    ours = cli.answer(job.runs, "whole", QUESTION, TOKENS)
    yield "ask", repr(ours), bool(ours)
    adapter, fused = job.place / "adapter" / "adapter", job.place / "fused" / "model"
    there = {
        "mlx_lm.generate, adapter": cli.their_answer(job.exact, adapter, QUESTION, TOKENS),
        "mlx_lm.generate, fused": cli.their_answer(fused, None, QUESTION, TOKENS),
        "mlx_lm.server, adapter": cli.served_answer(job.exact, adapter, QUESTION, TOKENS),
    }
    for name, answer in there.items():
        yield name, "the same" if answer == ours else repr(answer), answer == ours


CHECKS: dict[str, Callable[[Job], Found]] = {
    "data": data,
    "training": training,
    "resume": resume,
    "loss": loss,
    "export": export,
    "answers": answers,
}
