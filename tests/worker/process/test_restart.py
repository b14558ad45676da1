"""A GPU that is taken away: the worker starts again by itself, and the curve is the same."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.messages.events import Checkpoint, RunStarted, Step

from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import supervisor
from tests import holding, micro_model
from tests.real_runs import RunMaker, finish, state_of

WATCHDOG = (
    "[METAL] Command buffer execution failed: Impacting Interactivity (0000000e:"
    "kIOGPUCommandBufferCallbackErrorImpactingInteractivity)."
)


def test_it_goes_on_from_its_checkpoint_with_half_the_tokens(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"lora__dropout": 0.0, "checkpoint__every": 2, "train__epochs": 2}
    plain, taken = make_run("plain", **settings), make_run("taken", **settings)
    finish(plain)
    holding.fail(monkeypatch, r'"type":"step",.*"step":3,', WATCHDOG, times=2)
    finish(taken)
    state = state_of(taken)
    assert [notice.code for notice in state.notices].count("gpu_restart") == 2
    losses = [value for _, value in state_of(plain).loss]
    assert [value for _, value in state.loss] == pytest.approx(losses, rel=1e-5)
    events = Tail(taken.events).read_all()
    started = [event for event in events if isinstance(event, RunStarted)]
    assert [event.resumed_from_step for event in started] == [0, 2, 2]
    assert len({event.pid for event in started}) == 1
    saved = [event.step for event in events if isinstance(event, Checkpoint)]
    assert len(saved) == len(set(saved))  # none is written again that it went back to
    thirds = [
        event.micro_batches for event in events if isinstance(event, Step) and event.step == 3
    ]
    assert thirds[0] <= thirds[1] <= thirds[2]
    assert thirds[0] < thirds[2]


def test_after_three_tries_it_ends(make_run: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run("run", train__epochs=1)
    holding.fail(monkeypatch, r'"type":"step",.*"step":1,', WATCHDOG, times=9)
    assert supervisor.launch(folder).wait() == 1
    state = state_of(folder)
    assert [notice.code for notice in state.notices].count("gpu_restart") == 3
    assert state.failure is not None
    assert state.failure.kind == "gpu_watchdog"
    assert "AGX_RELAX_CDM_CTXSTORE_TIMEOUT=1" in state.failure.hint
    assert "display sleep" in state.failure.hint


def test_a_stop_in_the_step_that_fails_is_a_stop(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It started again, forgot the stop and trained on."""
    folder = make_run("run", train__epochs=1)
    after = r'"type":"step",.*"step":1,'
    holding.fail(monkeypatch, after, WATCHDOG, times=1, asked=signal.SIGTERM)
    assert supervisor.launch(folder).wait() == 1
    state = state_of(folder)
    assert not [n for n in state.notices if n.code == "gpu_restart"]
    assert state.failure is not None
    assert state.failure.kind == "gpu_watchdog"


def test_a_stop_while_it_starts_again_is_a_stop(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed by it: nothing listens while Python starts."""
    folder = make_run("run", train__epochs=1)
    after = r'"type":"step",.*"step":1,'
    holding.fail(monkeypatch, after, WATCHDOG, times=1, asked_anew=signal.SIGTERM)
    assert supervisor.launch(folder).wait() == 130
    state = state_of(folder)
    assert [n.code for n in state.notices].count("gpu_restart") == 1
    assert state.status == "stopped"


def test_what_is_no_error_of_the_gpu_ends_at_once(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run("run", train__epochs=1)
    holding.fail(monkeypatch, r'"type":"step",.*"step":1,', "something else", times=9)
    assert supervisor.launch(folder).wait() == 1
    assert not [n for n in state_of(folder).notices if n.code == "gpu_restart"]


def test_what_overflows_in_float16_goes_on_in_bfloat16(make_run: RunMaker, tmp_path: Path) -> None:
    """The last norm is beyond float16's range: no rate would help."""
    model = micro_model.make(tmp_path / "large", gain=1e5)
    folder = make_run("run", model__repo=str(model), model__dtype="float16", train__epochs=1)
    finish(folder)
    state = state_of(folder)
    assert [notice.code for notice in state.notices].count("float16") == 1
    assert "rollback" not in [notice.code for notice in state.notices]
    assert all(math.isfinite(value) for _, value in state.loss)
    assert state.step == 3
    assert folder.read_config().model.dtype == "bfloat16"


def test_where_it_cannot_start_again_both_are_told(make_run: RunMaker, tmp_path: Path) -> None:
    """The run's last event was missing: nobody was told of either."""
    model = micro_model.make(tmp_path / "large", gain=1e5)
    folder = make_run("run", model__repo=str(model), model__dtype="float16", train__epochs=1)
    (folder.path / ".config.toml.tmp").mkdir()  # its settings cannot be written
    assert supervisor.launch(folder).wait() == 1
    failure = state_of(folder).failure
    assert failure is not None
    assert failure.kind == "float16"
    assert ".config.toml.tmp: " in failure.detail
    assert "bfloat16 has the range" in failure.hint
