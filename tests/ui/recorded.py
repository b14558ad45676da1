"""Run folders as a worker would have written them, made in a moment and always the same."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import Event, encode
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import (
    CheckpointSettings,
    Config,
    Model,
    Report,
    Run,
    Train,
)
from farense_worker.protocol.settings.profile_file import dumps
from msgspec import structs

MIB, GIB = 1 << 20, 1 << 30
START = 1_780_000_000.0
STEP_SECONDS = 0.5
PROMPT = "Em que ano foi fundado o Sporting Clube Farense?"


class Recording:
    """Writes events one after the other, with a clock and numbers of its own."""

    def __init__(
        self,
        path: Path,
        *,
        name: str = "demo-1",
        total: int = 600,
        seed: int = 7,
        pace: float = 1.0,
        rise: float = 4e-4,
        config: Config | None = None,
    ):
        """`pace` is how fast it learns; `rise` how much the validation loss rises with a step after
        step 300; `config` is written instead of the usual one.
        """
        self.folder = RunFolder(path / name)
        self.total = total
        self.pace = pace
        self.rise = rise
        self.time = START
        self.seq = 0
        self.step = 0
        self.best = math.inf
        self.random = random.Random(seed)
        self.folder.path.mkdir(parents=True)
        self.folder.config.write_text(dumps(config or config_of(name)))
        self.folder.events.touch()

    def add(self, event: Event, after: float = 0.0) -> None:
        with self.folder.events.open("ab") as file:
            file.write(encode(self.stamped(event, after)))

    def stamped(self, event: Event, after: float = 0.0) -> Event:
        from msgspec.structs import replace

        self.time += after
        self.seq += 1
        return replace(event, time=self.time, seq=self.seq)

    def phase(self, name: events.PhaseName, after: float = 0.2) -> None:
        self.add(events.Phase(name=name), after)

    def start(self, resumed_from: int = 0, settings: dict[str, Any] | None = None) -> None:
        self.phase("starting")
        self.phase("loading_model", 0.8)
        self.heartbeat("loading_model")
        self.phase("tokenizing", 1.5)
        self.add(
            events.RunStarted(
                protocol=1,
                run=self.folder.name,
                pid=4711,
                device="gpu (Apple M1)",
                versions={"mlx": "0.32.2"},
                trainable_parameters=3_145_728,
                total_parameters=1_235_814_400,
                total_steps=self.total,
                resumed_from_step=resumed_from,
                weights_bytes=712 * MIB,
                base_bytes=700 * MIB,
                adapter_bytes=36 * MIB,
                memory_limit=int(10.67 * GIB),
                settings=settings or {},
            ),
            1.0,
        )
        self.step = resumed_from

    def train(self, upto: int, *, eval_every: int = 50) -> None:
        if not self.step:
            self.validate()
            self.sample("O Farense foi fundado em 1923, em Lisboa.")
        self.phase("training")
        while self.step < upto:
            self.one_step()
            if self.step % eval_every == 0:
                self.validate()
                self.sample("Foi fundado em 1910, em Faro.")
                self.checkpoint()
                self.phase("training", 0.1)

    def one_step(self, loss: float | None = None) -> None:
        self.add(self.step_event(loss), STEP_SECONDS)
        if self.step % 4 == 0:
            self.heartbeat("training")

    def step_event(self, loss: float | None = None) -> events.Step:
        self.step += 1
        noise = self.random.gauss(0, 0.12) * (0.4 + math.exp(-self.step / 80))
        usual = 3.1 * math.exp(-self.step * self.pace / 70) + 0.28 / self.pace + noise
        return events.Step(
            step=self.step,
            epoch=self.step * 6 / self.total,
            loss=max(0.02, usual) if loss is None else events.wire(loss),
            learning_rate=min(1.0, self.step / 100) * 2e-4,
            grad_norm=0.4 + 2.2 * math.exp(-self.step / 60) + abs(self.random.gauss(0, 0.2)),
            tokens=512,
            padded_tokens=560,
            micro_batches=2,
            seconds=STEP_SECONDS,
            tokens_per_second=1010 + self.random.gauss(0, 40),
            active_memory=2100 * MIB,
            cache_memory=400 * MIB,
            peak_memory=3 * GIB,
        )

    def heartbeat(self, phase: events.PhaseName, after: float = 0.0) -> None:
        self.add(self.beat(phase), after)

    def beat(self, phase: events.PhaseName = "training") -> events.Heartbeat:
        return events.Heartbeat(
            phase=phase,
            step=self.step,
            rss=int(3.1 * GIB),
            active_memory=2100 * MIB,
            cache_memory=400 * MIB,
        )

    def validate(self) -> None:
        self.phase("validating")
        loss = 3.0 * math.exp(-self.step * self.pace / 75) + 0.41 / self.pace
        loss += max(0, self.step - 300) * self.rise * self.pace
        best = self.step > 0 and loss < self.best
        if best:
            self.best = loss
        self.add(
            events.Validation(
                step=self.step,
                epoch=self.step * 6 / self.total,
                loss=loss,
                perplexity=math.exp(loss),
                tokens=4000,
                seconds=2.0,
                best=best,
            ),
            2.0,
        )

    def sample(self, text: str) -> None:
        self.add(events.Sample(step=self.step, prompt=PROMPT, text=text), 0.4)

    def checkpoint(self) -> None:
        name = f"checkpoint_epoch{int(self.step * 6 / self.total)}_step{self.step}"
        path = self.folder.path / name
        path.mkdir(exist_ok=True)
        (path / "manifest.json").write_text("{}")
        self.folder.training_state.write_text(f'{{"step": {self.step}, "checkpoint": "{name}"}}')
        self.add(
            events.Checkpoint(step=self.step, path=name, bytes=38 * MIB, seconds=0.2, best=False),
            0.2,
        )

    def progress(self, done: int, total: int, unit: str) -> None:
        self.add(events.Progress(done=done, total=total, unit=unit), 0.5)

    def notice(self, level: events.Level, message: str, hint: str = "") -> None:
        self.add(events.Notice(level=level, code="test", message=message, hint=hint))

    def end(self, reason: events.Reason) -> None:
        self.add(events.RunStopped(reason=reason, step=self.step), 0.1)

    def fail(self) -> None:
        self.folder.log.write_text(
            "Traceback (most recent call last):\n"
            "RuntimeError: [metal::malloc] Attempting to allocate 4.2 GB\n"
        )
        self.add(
            events.RunFailed(
                kind="out_of_memory",
                title="the machine's memory ran out",
                detail="MLX asked for 4.2 GiB beside 9.8 GiB of the 10.7 GiB that it may have.",
                hint="Take batch_size 1 and grad_checkpoint on, or shorter sequences.",
                step=self.step,
            ),
            0.2,
        )


def config_of(name: str) -> Config:
    return Config(
        model=Model(repo="mlx-community/Llama-3.2-1B-Instruct-4bit"),
        train=Train(epochs=6),
        checkpoint=CheckpointSettings(every=50),
        report=Report(eval_every=50, log_every=10, prompts=(PROMPT,)),
        run=Run(name=name, profile_name="m1-16gb", created=START),
    )


def live(path: Path, *, name: str = "demo-1", upto: int = 230, rise: float = 4e-4) -> Recording:
    """A run that was resumed once and is being trained; its lock is not held here."""
    run = Recording(path, name=name, rise=rise)
    run.start()
    run.notice("info", "12 examples are longer than 512 tokens and were cut", "")
    run.train(min(upto, 165))
    if upto > 150:
        run.time += 600
        run.start(resumed_from=150)
        run.train(upto)
    return run


def scenarios() -> dict[str, object]:
    """What `play.py` can show, by name."""
    return {
        "live": live,
        "completed": completed,
        "overfitted": overfitted,
        "failed": failed,
        "killed": live,
        "paused": paused,
        "downloading": downloading,
        "nan": nan,
    }


def overfitted(path: Path) -> Recording:
    return completed(path, rise=4e-4)


def completed(path: Path, rise: float = 1e-5) -> Recording:
    run = live(path, upto=600, rise=rise)
    run.folder.adapters.mkdir()
    (run.folder.adapters / "adapters.safetensors").touch()
    run.end("completed")
    return run


def failed(path: Path) -> Recording:
    run = live(path)
    run.fail()
    return run


def paused(path: Path) -> Recording:
    run = live(path)
    run.phase("paused")
    run.heartbeat("paused", 1.0)
    return run


def downloading(path: Path) -> Recording:
    run = Recording(path)
    run.phase("starting")
    run.phase("downloading")
    run.progress(312 * MIB, 695 * MIB, "bytes")
    run.heartbeat("downloading")
    return run


def nan(path: Path) -> Recording:
    run = live(path, upto=120)
    run.one_step(math.inf)
    run.one_step(9.5)
    run.notice("error", "the loss is not finite", "Lower the learning rate.")
    for _ in range(40):
        run.one_step()
    return run


def steps_for_ever(run: Recording) -> Iterator[None]:
    """Go on training for as long as it is asked."""
    while run.step < run.total:
        run.one_step()
        if run.step % 50 == 0:
            run.validate()
            run.checkpoint()
            run.phase("training", 0.1)
        yield


def comparable(path: Path) -> list[RunFolder]:
    """Three runs whose rate, rank and name differ; the third is being trained."""
    made = []
    runs = (("demo-1", 2e-4, 8, 1.0), ("a-higher-rate", 4e-4, 8, 1.4), ("rank-16", 2e-4, 16, 0.8))
    for seed, (name, rate, rank, pace) in enumerate(runs):
        config = config_of(name)
        config = structs.replace(
            config,
            train=structs.replace(config.train, learning_rate=rate),
            lora=structs.replace(config.lora, rank=rank),
        )
        run = Recording(path, name=name, seed=seed, pace=pace, config=config)
        run.start()
        run.train(420 if name == "rank-16" else 600)
        if name != "rank-16":
            run.end("completed")
        made.append(run.folder)
    return made
