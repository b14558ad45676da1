"""Health: every scenario ends in its card, healthy runs in none."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from farense_worker.protocol.errors import LIMIT
from farense_worker.protocol.messages import events
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings import recipe
from farense_worker.protocol.settings.profile import Config, Run, Train
from farense_worker.protocol.simulation import SCENARIOS
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from farense_tui.engine import health
from farense_tui.engine.health import RULES, Facts, Finding
from farense_tui.engine.health.observe import Observer
from farense_tui.engine.health.remedies import halve_rate, smaller_steps
from farense_tui.engine.machine.vitals import Vitals
from farense_tui.engine.record.series import Series
from farense_tui.engine.record.state import RunState, fold, reduce
from farense_tui.engine.record.tail import Tail
from farense_tui.engine.record.unaccounted_time import Gap
from farense_tui.engine.runs import played, supervisor
from farense_tui.engine.runs.describe import status
from farense_tui.engine.runs.supervisor import Worker
from farense_tui.engine.runs.watch import Snapshot, Watch
from tests.events import heartbeat, started, step, validation
from tests.real_runs import RunMaker, finish
from tests.ui import recorded

FAST = 2000.0
# What a scenario has to be found out by; more may be found besides.
CARDS = {
    "ok": "", "flood": "",
    "slow": "slower", "nan": "ended-not-finite", "diverge": "diverging", "explode": "huge-loss",
    "flat": "not-learning", "overfit": "overfitting", "memory": "memory", "oom": "out-of-memory",
    "oom-kill": "worker-gone", "crash": "worker-gone", "watchdog": "gpu", "disk-full": "disk",
    "cpu": "cpu", "truncated": "truncated", "sleep": "gap", "clock": "gap",
    "stall-download": "download", "stall-load": "loading", "stall-tokenize": "tokenizing",
    "stall-validation": "validation", "stall-compile": "first-step", "stall-step": "step",
    "stall-save": "saving", "frozen": "silent", "deaf": "deaf",
}  # fmt: skip
ENDLESS = {"disk-full", "frozen", *(name for name in SCENARIOS if name.startswith("stall"))}


def facts(state: RunState, config: Config, *, alive: bool = True, now: float = 0.0) -> Facts:
    return Facts(state, config, alive, status(state, alive), now or state.last_time)


class Moments:
    """A run as a watcher with a perfect clock sees it: after every `step`th event that comes."""

    def __init__(self, folder: RunFolder, step: int = 5) -> None:
        self.state = RunState()
        self.config = folder.read_config()
        self._tail = Tail(folder.events)
        self._step = step
        self._seen = 0

    def __iter__(self) -> Iterator[Facts]:
        for event in self._tail.read_all():
            self.state = reduce(self.state, event)
            self._seen += 1  # over all readings: one may bring a single event
            if self._seen % self._step == 0:
                yield facts(self.state, self.config)


def found(run: Facts) -> list[Finding]:
    return list(health.examine(run))


@pytest.fixture
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Worker]:
    folder = played.prepare_scenario(request.param, FAST, tmp_path)
    process = supervisor.launch(folder)
    yield process
    process.process.kill()
    process.wait()


def test_every_scenario_is_known_here() -> None:
    assert CARDS.keys() == SCENARIOS.keys()
    assert {name for name in CARDS.values() if name} <= {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("worker", "card"),
    [(name, card) for name, card in CARDS.items() if name not in ("frozen", "deaf")],
    indirect=["worker"],
)
def test_a_scenario_ends_in_its_card(worker: Worker, card: str) -> None:
    run = Moments(worker.folder, 1000 if "flood" in worker.folder.name else 5)
    seen: set[str] = set()
    code = None
    while code is None and not (card in seen and worker.folder.name[5:] in ENDLESS):
        code = worker.poll()
        for now in run:
            seen |= {finding.rule for finding in found(now)}
    end = facts(run.state, run.config, alive=code is None)
    seen |= {finding.rule for finding in found(end)}
    leads_there = {
        "ended-not-finite": {"not-finite"},
        "huge-loss": {"diverging"},
        "diverging": {"diverged"},  # where it went on to its end; so the next
        "overfitting": {"overfitted"},
    }
    assert seen - leads_there.get(card, set()) == ({card} if card else set())


@pytest.mark.parametrize("worker", ["frozen"], indirect=True)
def test_a_worker_that_is_frozen_is_found_by_its_silence(worker: Worker) -> None:
    state, tail, config = RunState(), Tail(worker.folder.events), worker.folder.read_config()
    while state.step < 60:
        for event in tail.read_all():
            state = reduce(state, event)
    assert not found(facts(state, config, now=state.last_time + 5))
    assert [f.rule for f in found(facts(state, config, now=state.last_time + 300))] == ["silent"]


@pytest.mark.parametrize("worker", ["deaf"], indirect=True)
def test_a_deaf_worker_is_found_once_it_was_asked(worker: Worker) -> None:
    state, tail, config = RunState(), Tail(worker.folder.events), worker.folder.read_config()
    while state.step < 60 or state.phase in ("saving", "sampling"):
        for event in tail.read_all():
            state = reduce(state, event)
    at = state.last_time
    asked = [Facts(state, config, True, "running", at, stop_asked=at - ago) for ago in (5, 60)]
    assert [[f.rule for f in found(each)] for each in asked] == [[], ["deaf"]]


@pytest.mark.parametrize(("phase", "still"), [("saving", 0.0), ("sampling", 30.0)])
def test_a_worker_that_saves_or_answers_before_it_stops_is_not_deaf(
    phase: str, still: float
) -> None:
    state = structs.replace(training(), phase=phase)
    now = state.last_time
    state = structs.replace(state, moved=now - still)
    assert "deaf" not in rules(state, now, stop_asked=now - 60)
    hangs = structs.replace(state, moved=now - 300)
    assert rules(hangs, now, stop_asked=now - 60).keys() & {"deaf", "saving"}


# ---- no alarm on a healthy run ----------------------------------------------------------------


def test_a_recorded_run_is_healthy(tmp_path: Path) -> None:
    run = recorded.live(tmp_path)
    for now in Moments(run.folder):
        assert found(now) == []


def test_a_real_run_is_healthy(make_run: RunMaker) -> None:
    folder = make_run(train__epochs=30, train__max_seq_length=128, report__eval_every=10)
    finish(folder)
    for now in Moments(folder):
        assert found(now) == []


CONFIG = Config(run=Run(name="x"), train=Train(warmup_steps=20))


def curve(
    steps: int, *, start: float, end: float, half: float, noise: float, pace: float, seed: int
) -> Iterator[events.Event]:
    """A run whose loss falls from `start` towards `end`, half of the way in `half` steps."""
    dice, time, seq = random.Random(seed), 1e9, 0
    best = float("inf")

    def stamped(event: events.Event) -> events.Event:
        nonlocal seq
        seq += 1
        return structs.replace(event, time=time, seq=seq)

    def passing(seconds: float) -> Iterator[events.Event]:
        """Time goes by, with the heartbeats that fall into it."""
        nonlocal time
        until = time + seconds
        while time // 2 < until // 2:
            time = (time // 2 + 1) * 2
            yield stamped(heartbeat(step=0, rss=4 << 30, monotonic=time))
        time = until

    yield stamped(events.Phase(name="starting"))
    yield stamped(
        started(
            device="gpu (Apple M1)",
            total_steps=steps,
            train_examples=1000,
            truncated_examples=20,
            memory_limit=10 << 30,
        )
    )
    for at in range(1, steps + 1):
        yield stamped(events.Phase(name="training"))
        loss = end + (start - end) * 0.5 ** (at / half)
        seconds = pace * dice.uniform(0.7, 1.5)
        yield from passing(seconds)
        yield stamped(
            step(
                at,
                loss=max(0.0, loss * (1 + dice.gauss(0, noise))),
                grad_norm=abs(dice.gauss(1, 0.3)),
                seconds=seconds,
                tokens_per_second=100 / seconds,
            )
        )
        if at % 50 == 0:
            valid = loss * 1.1 * (1 + dice.gauss(0, 0.005)) + 0.05
            yield stamped(events.Phase(name="validating"))
            yield from passing(pace * 10)
            yield stamped(validation(at, valid, seconds=pace * 10, best=valid < best))
            best = min(best, valid)


@settings(max_examples=100)
@given(
    steps=st.integers(250, 900),
    start=st.floats(2.0, 11.0),
    share=st.floats(0.02, 0.6),
    half=st.floats(10, 200),
    noise=st.floats(0, 0.2),
    pace=st.floats(0.05, 5.0),
    seed=st.integers(0, 10_000),
)
def test_a_healthy_curve_raises_nothing(
    steps: int, start: float, share: float, half: float, noise: float, pace: float, seed: int
) -> None:
    state = RunState()
    stream = curve(
        steps, start=start, end=share * start, half=half, noise=noise, pace=pace, seed=seed
    )
    for number, event in enumerate(stream):
        state = reduce(state, event)
        if number % 31 == 0 or state.step == steps:
            assert found(facts(state, CONFIG)) == []


# ---- after a resume ----------------------------------------------------------------------------


def gone_on(
    state: RunState, upto: int, loss: Callable[[int], float], pace: float = 1.0, **about: Any
) -> RunState:
    """The run, resumed where it is, by a worker whose settings are `about`; to step `upto`."""
    stream = resumed(state, upto, loss, pace, **about)
    return fold(stream, state)


def resumed(
    state: RunState, upto: int, loss: Callable[[int], float], pace: float, **about: Any
) -> Iterator[events.Event]:
    dice, time, seq = random.Random(state.step), state.last_time + 60, state.last_seq
    base = state.started
    assert base
    start: list[events.Event] = [
        events.Phase(name="starting"),
        structs.replace(base, resumed_from_step=state.step, **about),
        events.Phase(name="training"),
    ]
    for event in start:
        seq += 1
        yield structs.replace(event, time=time, seq=seq)
    for at in range(state.step + 1, upto + 1):
        seconds = pace * dice.uniform(0.8, 1.2)
        time, seq = time + seconds, seq + 1
        yield step(
            at,
            loss=loss(at) * (1 + dice.gauss(0, 0.05)),
            seconds=seconds,
            tokens_per_second=100 / seconds,
            time=time,
            seq=seq,
        )


def begun(steps: int = 300, settings: dict[str, Any] | None = None) -> RunState:
    """A healthy run of one step a second, whose worker told its settings."""
    stream = curve(steps, start=3.0, end=0.5, half=30, noise=0.05, pace=1.0, seed=3)
    told = recipe.steerable(CONFIG) if settings is None else settings
    return fold(
        structs.replace(event, settings=told) if isinstance(event, events.RunStarted) else event
        for event in stream
    )


def rises(state: RunState) -> Callable[[int], float]:
    """A loss that climbs from where it is, by a nat in 25 steps."""
    return lambda step: 0.5 + (step - state.step) / 25


def named(state: RunState) -> set[str]:
    return {finding.rule for finding in found(facts(state, CONFIG))}


def test_a_loss_that_rose_is_still_told_after_a_resume() -> None:
    before = begun()
    risen = gone_on(before, 340, rises(before))  # too short for this worker alone
    again = gone_on(risen, 380, lambda _step: 2.1)
    assert "diverging" in named(again)
    further = gone_on(again, 600, lambda _step: 2.1)  # this worker has seen nothing else
    assert "diverging" in named(further)


def test_a_loss_that_comes_down_again_is_not_told_and_one_that_stays_up_is() -> None:
    before = begun()
    risen = gone_on(before, 400, rises(before))
    assert "diverging" in named(risen)
    for at in range(401, 520, 7):
        better = gone_on(risen, at, lambda at: 0.5 + 4 * 0.5 ** ((at - 400) / 30))
        assert "diverging" not in named(better)
    stuck = gone_on(risen, 900, lambda step: 2.0 + 2.5 * 0.5 ** ((step - 400) / 10))
    assert "diverging" in named(stuck)


def test_a_worker_that_still_loads_is_not_told_by_what_the_one_before_did() -> None:
    before = begun()
    risen = gone_on(before, 400, rises(before))
    at: dict[str, Any] = {"time": risen.last_time + 1, "seq": risen.last_seq + 1}
    assert "diverging" not in named(reduce(risen, events.Phase(name="starting", **at)))


def test_a_run_resumed_on_a_machine_that_has_become_slow_is_told() -> None:
    before = begun()
    assert not named(gone_on(before, 400, lambda _step: 0.5))
    assert named(gone_on(before, 400, lambda _step: 0.5, pace=3.0)) == {"slower"}
    again = gone_on(gone_on(before, 310, lambda _step: 0.5, pace=3.0), 400, lambda _step: 0.5, 3.0)
    assert named(again) == {"slower"}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("train.learning_rate", 1e-5, True),
        ("report.eval_every", 77, True),
        ("train.batch_size", 1, False),
        ("train.grad_checkpoint", True, False),
        ("memory.cache_limit_gb", 0.0, False),
    ],
)
def test_a_run_made_slower_on_purpose_is_not_told(name: str, value: Any, told: bool) -> None:
    before = begun()
    assert before.started
    assert before.started.settings[name] != value
    changed = before.started.settings | {name: value}
    after = gone_on(before, 400, lambda _step: 0.5, pace=3.0, settings=changed)
    assert named(after) == ({"slower"} if told else set())
    other = gone_on(before, 400, lambda _step: 0.5, pace=3.0, device="gpu (Apple M4)")
    assert not named(other)


def test_a_record_that_does_not_tell_the_settings_compares_no_workers() -> None:
    assert not named(gone_on(begun(settings={}), 400, lambda _step: 0.5, pace=3.0))


@settings(max_examples=50)
@given(
    start=st.floats(2.0, 11.0),
    share=st.floats(0.02, 0.6),
    half=st.floats(10, 200),
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
)
def test_a_healthy_curve_that_is_cut_anywhere_raises_nothing(
    start: float, share: float, half: float, cuts: list[int], seed: int
) -> None:
    end = share * start
    state = fold(curve(60, start=start, end=end, half=half, noise=0.05, pace=1.0, seed=seed))
    for length in cuts:
        stream = resumed(
            state, state.step + length, lambda at: end + (start - end) * 0.5 ** (at / half), 1.0
        )
        for number, event in enumerate(stream):
            state = reduce(state, event)
            if number % 13 == 0:
                assert not named(state) - {"not-learning"}  # which looks at the whole run
        assert not named(state) - {"not-learning"}


# ---- what a record alone does not show --------------------------------------------------------


def training(**about: Any) -> RunState:
    """A state in the middle of a training step that has just begun."""
    stream = curve(60, start=3.0, end=0.5, half=30, noise=0.05, pace=1.0, seed=1)
    return structs.replace(fold(stream), **about)


def rules(state: RunState, now: float, **about: Any) -> dict[str, Finding]:
    moment = dataclasses.replace(facts(state, CONFIG, now=now), **about)
    return {finding.rule: finding for finding in found(moment)}


def later(state: RunState, seconds: float) -> RunState:
    """As `state`, but the newest heartbeat and nothing else came `seconds` later."""
    assert state.heartbeat
    beat = structs.replace(state.heartbeat, time=state.last_time + seconds, monotonic=0.0)
    return structs.replace(state, heartbeat=beat, last_time=beat.time)


@pytest.mark.parametrize(
    ("device", "compile", "compiles"),
    [("gpu (Apple M1)", "auto", True), ("gpu (Apple M1)", "off", False), ("cpu", "auto", False)],
)
def test_a_long_first_step_is_called_compiling_where_it_compiles(
    device: str, compile: Literal["auto", "off"], compiles: bool
) -> None:
    state = later(fold([started(device=device), events.Phase(name="training", time=101.0)],
                       structs.replace(training(), step=0)), 0.0)  # fmt: skip
    config = structs.replace(CONFIG, train=structs.replace(CONFIG.train, compile=compile))
    told = rules(state, state.last_time + 0.1, config=config)
    assert not told
    late = structs.replace(state, moved=state.last_time - 90)
    finding = rules(late, late.last_time, config=config)["first-step"]
    assert ("It is compiled" in finding.remedy) == compiles


def test_a_step_that_does_not_end_is_told_with_what_the_processor_does() -> None:
    state = later(training(), 120.0)
    for cpu, gpu, word in (
        (0.0, None, "a deadlock, or it waits for the GPU"),
        (0.0, 0.0, "does not end: a deadlock"),
        (0.0, 0.9, "though it computes"),
        (0.98, None, "though it computes"),
        (None, None, "does not end"),
    ):
        finding = rules(state, state.last_time, cpu=cpu, gpu=gpu)["step"]
        assert word in finding.title
        assert finding.severity == "alarm"
        assert finding.action
        assert finding.action.deed == "stacks"


def test_a_step_may_take_as_long_as_this_runs_steps_take() -> None:
    slow = fold(curve(40, start=3.0, end=0.5, half=30, noise=0.05, pace=60.0, seed=1))
    assert not rules(later(slow, 120.0), slow.last_time + 120)
    assert "step" in rules(later(slow, 1200.0), slow.last_time + 1200)


def test_swap_that_grows_is_told_before_what_it_slows() -> None:
    state = later(training(), 120.0)
    told = rules(state, state.last_time, swap_rate=20 << 20)
    assert told.keys() == {"swapping"}
    assert told["swapping"].severity == "alarm"
    calm = training()
    assert rules(calm, calm.last_time, swap_rate=20 << 20)["swapping"].severity == "warning"
    assert not rules(calm, calm.last_time, swap_rate=1 << 20)
    pressed = rules(calm, calm.last_time, pressure="critical")["swapping"]
    assert "critical" in pressed.evidence
    assert not rules(calm, calm.last_time, pressure="warning")


def test_a_disk_without_room_for_two_checkpoints_is_told() -> None:
    state = training()
    assert "disk" in rules(state, state.last_time, disk_free=100 << 20)
    assert not rules(state, state.last_time, disk_free=10 << 30)
    small, large = (
        events.Checkpoint(time=0.0, seq=1, step=1, path="a", bytes=size, seconds=1.0, best=False)
        for size in (1 << 20, 1 << 30)
    )
    for found in ((small, large), (large, small)):  # the next one may be as large as any
        grown = structs.replace(state, checkpoints=found)
        assert "disk" in rules(grown, grown.last_time, disk_free=2 << 30)


@pytest.mark.parametrize(
    ("gap", "title", "evidence"),
    [
        (Gap(0.0, 7, silent=90.0), "it stood still for a while", "no heartbeat for 1:30"),
        (Gap(0.0, 7, asleep=-90.0), "the clock was set back", "by 1:30 at step 7"),
        (Gap(0.0, 7, asleep=90.0), "the machine slept", "for 1:30 at step 7"),
    ],
)
def test_a_gap_is_told_for_what_it_was(gap: Gap, title: str, evidence: str) -> None:
    state = training()
    state = structs.replace(state, gaps=(structs.replace(gap, time=state.last_time),))
    told = rules(state, state.last_time)["gap"]
    assert told.title == title
    assert evidence in told.evidence


def test_a_step_that_hangs_is_found_though_the_clock_was_set_back() -> None:
    state = training()
    back = state.last_time - 3600
    gap = Gap(back, state.step, asleep=-3600.0)
    state = structs.replace(state, gaps=(gap,), last_time=back + 200)
    assert Facts(state, CONFIG, True, "running", back + 200).still == 200
    assert "step" in rules(state, back + 200)
    assert "step" not in rules(structs.replace(state, last_time=back + 5), back + 5)


def test_a_full_disk_is_told_and_not_the_silence_that_follows_from_it() -> None:
    state = training()
    told = rules(state, state.last_time + 120, disk_free=4096, stop_asked=state.last_time)
    assert told.keys() == {"disk"}
    assert told["disk"].severity == "alarm"
    assert told["disk"].title == "no space on the disk"


def test_a_process_that_grows_is_still_loading() -> None:
    folded = RunState()
    for number in range(120):
        beat = heartbeat(
            phase="loading_model",
            step=0,
            rss=number << 25,
            active_memory=0,
            cache_memory=0,
            monotonic=2.0 * number + 1,
            time=1e9 + 2 * number,
        )
        if number == 0:
            folded = reduce(folded, events.Phase(name="loading_model", time=1e9))
        folded = reduce(folded, beat)
    assert not rules(folded, folded.last_time)
    flat = structs.replace(folded, memory=Series().appended(folded.last_time, 1.0))
    assert rules(flat, folded.last_time).keys() == {"loading"}


def test_memory_is_an_alarm_only_close_to_where_it_ends() -> None:
    state = training()
    assert state.heartbeat
    assert state.started
    assert state.last_step
    tokens = 4 * CONFIG.train.max_seq_length
    whole = structs.replace(state.last_step, padded_tokens=tokens, micro_batches=1)
    for share, severity in ((0.85, "warning"), (0.93, "alarm")):
        rss = int(share * state.started.memory_limit)
        beat = structs.replace(state.heartbeat, rss=rss)
        full = structs.replace(state, heartbeat=beat, last_step=whole)
        finding = rules(full, full.last_time)["memory"]
        assert finding.severity == severity
        assert finding.action
        assert dict(finding.action.changes) == {
            "train.batch_size": 2, "train.grad_accumulation": 4,
        }  # fmt: skip


def test_no_gradient_at_all_is_told_at_once() -> None:
    norms = Series()
    for at in range(10):
        norms = norms.appended(at, 0.0)
    state = training(grad_norm=norms)
    assert rules(state, state.last_time)["not-learning"].severity == "alarm"


@given(st.integers(1, 64), st.integers(1, 64))
def test_a_smaller_micro_batch_keeps_the_effective_batch(batch: int, accumulation: int) -> None:
    config = Config(
        run=Run(name="x"), train=Train(batch_size=batch, grad_accumulation=accumulation)
    )
    action = smaller_steps(config, RunState())
    assert action
    changes = dict(action.changes)
    if batch == 1:
        assert changes == {"train.grad_checkpoint": True}
    else:
        assert changes["train.batch_size"] < batch
        product = changes["train.batch_size"] * changes["train.grad_accumulation"]
        assert product == config.effective_batch


def test_a_smaller_micro_batch_is_smaller_than_what_goes_through_at_once() -> None:
    train = Train(batch_size=16, grad_accumulation=1, max_seq_length=100)
    config, state = Config(run=Run(name="x"), train=train), training()
    assert state.last_step
    cut = structs.replace(state.last_step, padded_tokens=1600, micro_batches=4)
    action = smaller_steps(config, structs.replace(state, last_step=cut))
    assert action
    assert dict(action.changes)["train.batch_size"] == 2
    one_row = structs.replace(cut, micro_batches=16)
    action = smaller_steps(config, structs.replace(state, last_step=one_row))
    assert action
    assert dict(action.changes) == {"train.grad_checkpoint": True}


def test_nothing_is_advised_that_takes_no_less() -> None:
    """Our own limit ends a run when each row goes alone: a smaller batch would change nothing."""
    for kind, checkpointing, wanted in (
        (LIMIT, False, {"train.grad_checkpoint": True}),
        (LIMIT, True, None),
        ("memory", True, {"train.batch_size": 2, "train.grad_accumulation": 4}),
        ("gpu_memory", True, {"train.batch_size": 2, "train.grad_accumulation": 4}),
    ):
        train = Train(batch_size=4, grad_accumulation=2, grad_checkpoint=checkpointing)
        config = Config(run=Run(name="x"), train=train)
        end = events.RunFailed(kind=kind, title="it ended", detail="", hint="", step=9)
        state = structs.replace(training(), failure=end, last_step=None)
        (finding,) = found(Facts(state, config, False, "failed", state.last_time))
        assert finding.action
        assert dict(finding.action.changes) == (wanted or {})
        assert ("train.max_seq_length" in finding.remedy) == (wanted is None)
        said = "Close other programs. A checkpoint was saved."
        state = structs.replace(state, failure=structs.replace(end, hint=said))
        (finding,) = found(Facts(state, config, False, "failed", state.last_time))
        assert (finding.remedy == said) == (wanted is None)  # which has taken the memory


@pytest.mark.parametrize(
    ("best", "later", "advised", "not_advised"),
    [
        (10, [20, 30, 40], ["train.epochs 1 ", "train.early_stopping 2,"], []),
        (10, [15, 20, 25, 30, 40], ["train.epochs 1 ", "train.early_stopping 3,"], []),
        (35, [40], [], ["train.epochs", "early_stopping"]),  # neither would have ended it sooner
        (20, [40], ["train.epochs 2,"], ["early_stopping"]),
    ],
)
def test_what_ends_an_overfitted_run_sooner_is_what_would_have(
    best: int, later: list[int], advised: list[str], not_advised: list[str]
) -> None:
    losses = {0: 3.0, best: 1.0} | dict.fromkeys(later, 2.0)
    told = [validation(at, loss, epoch=at / 10) for at, loss in losses.items()]
    state = fold([started(), *told, step(40, epoch=4.0)])
    (finding,) = found(Facts(state, CONFIG, False, "completed", state.last_time))
    assert finding.rule == "overfitted"
    assert all(each in finding.remedy for each in advised)
    assert not any(each in finding.remedy for each in not_advised)


def test_no_patience_is_advised_that_ends_before_the_best() -> None:
    def remedy(*told: tuple[int, float]) -> str:
        told = ((0, 3.0), (10, 1.5), (15, 1.6), (20, 1.0), *told)
        events_ = [validation(at, loss, epoch=at / 10) for at, loss in told]
        state = fold([started(), *events_, step(40, epoch=4.0)])
        (finding,) = found(Facts(state, CONFIG, False, "completed", state.last_time))
        return finding.remedy

    short = remedy((30, 2.0), (40, 2.0))
    assert "train.epochs 2" in short
    assert "early_stopping" not in short  # one of 1 would have ended it at step 15
    assert "train.early_stopping 2" in remedy((30, 2.0), (35, 2.0), (40, 2.0))


def test_half_the_rate_is_half_of_where_it_ends_too() -> None:
    train = Train(learning_rate=2e-4, schedule="cosine", final_learning_rate=1.5e-4)
    config = Config(run=Run(name="x"), train=train)
    action = halve_rate(config, RunState())
    assert action
    assert dict(action.changes) == {
        "train.learning_rate": 1e-4, "train.final_learning_rate": 1e-4,
    }  # fmt: skip


def test_half_the_rate_is_half_of_what_rollbacks_have_left() -> None:
    """Of a rate that a rollback has halved already, half of the settings' would change nothing."""

    def worker(seq: int, rate: float) -> events.RunStarted:
        return started(seq=seq, settings={"train.learning_rate": rate})

    workers = (worker(1, 4e-4), worker(2, 4e-4), worker(3, 4e-4))
    for segments, rollbacks, rate, half in (
        (workers[:1], (), 4e-4, 2e-4),
        (workers, (2, 3), 4e-4, 5e-5),
        (workers, (2,), 4e-4, 1e-4),  # and then a resume, which keeps what is left
        ((*workers, worker(4, 1e-4)), (2, 3), 1e-4, 5e-5),  # a rate that is set is taken whole
    ):
        state = RunState(segments=segments, rollbacks=rollbacks)
        config = Config(run=Run(name="x"), train=Train(learning_rate=rate))
        action = halve_rate(config, state)
        assert action
        assert dict(action.changes) == {"train.learning_rate": half}


def test_a_run_that_ended_well_has_no_findings(tmp_path: Path) -> None:
    run = recorded.completed(tmp_path)
    state = fold(Tail(run.folder.events).read_all())
    assert not found(facts(state, CONFIG, alive=False))


def test_every_rule_says_when_and_what_to_do() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.when and rule.remedy for rule in RULES)


# ---- the watcher ------------------------------------------------------------------------------


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """A run that is being trained and has just said so."""
    run = recorded.live(tmp_path)
    lock = run.folder.acquire()
    taken = Watch(run.folder).look(run.time)
    os.close(lock)
    return taken


def test_it_looks_once_a_second_whatever_comes(snapshot: Snapshot) -> None:
    observer = Observer(snapshot.folder)
    late = dataclasses.replace(snapshot, now=snapshot.now + 100)
    assert not observer.look(snapshot, lambda: 100.0)
    assert not observer.look(late, lambda: 100.9)
    found = observer.look(late, lambda: 101.0)
    assert [finding.rule for finding in found] == ["silent"]
    assert observer.look(snapshot, lambda: 101.5) is found


def test_a_watcher_that_slept_gives_the_worker_time_to_speak(snapshot: Snapshot) -> None:
    observer = Observer(snapshot.folder)
    observer.look(snapshot, lambda: 100.0)
    late = dataclasses.replace(snapshot, now=snapshot.now + 4000)
    assert not observer.look(late, lambda: 4000.0)
    assert observer.look(late, lambda: 4011.0)


def test_nor_is_a_worker_silent_that_slept_with_its_machine(snapshot: Snapshot) -> None:
    """The clock that the looks go by stood still meanwhile, the wall's did not."""
    observer = Observer(snapshot.folder)
    observer.look(snapshot, lambda: 100.0, lambda: 1e9)
    late = dataclasses.replace(snapshot, now=snapshot.now + 4000)
    assert not observer.look(late, lambda: 102.0, lambda: 1e9 + 4000)
    assert observer.look(late, lambda: 113.0, lambda: 1e9 + 4011)


def test_a_finding_keeps_the_time_at_which_it_was_first_made(snapshot: Snapshot) -> None:
    observer = Observer(snapshot.folder)
    for later in (100, 200):
        late = dataclasses.replace(snapshot, now=snapshot.now + later)
        (finding,) = observer.look(late, lambda at=100.0 + later / 50: at)  # type: ignore[misc]
        assert finding.since == snapshot.now + 100


def test_swap_is_measured_over_half_a_minute(snapshot: Snapshot) -> None:
    observer = Observer(snapshot.folder)
    for second in range(40):
        memory = dataclasses.replace(snapshot.memory, swap_used=second * (10 << 20))
        found = observer.look(dataclasses.replace(snapshot, memory=memory), lambda: 100.0 + second)  # noqa: B023
        assert [finding.rule for finding in found] == (["swapping"] if second >= 10 else [])


def test_what_goes_to_the_disk_counts_though_swap_does_not_grow(snapshot: Snapshot) -> None:
    observer = Observer(snapshot.folder)
    observer.vitals = Vitals(swap_out=30 << 20)
    for second in range(15):
        found = observer.look(snapshot, lambda at=100.0 + second: at)  # type: ignore[misc]
    assert [finding.rule for finding in found] == ["swapping"]
