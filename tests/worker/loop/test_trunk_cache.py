"""The frozen layers computed once: the same run, to the last digit."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from farense_worker.data import batching, shared_prefix
from farense_worker.data.examples import Examples
from farense_worker.loop import trunk_cache
from farense_worker.loop.activations import Stored
from farense_worker.loop.checks import Checks
from farense_worker.model import model, split_forward
from farense_worker.process.output import Output
from farense_worker.protocol.messages.events import Phase, Progress, Sample
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import describe, supervisor
from tests import micro_model
from tests.real_runs import RunMaker, finish, results, state_of, until_state

PROMPTS = ("Hello?",)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return micro_model.make(tmp_path_factory.mktemp("deep") / "model", layers=5)


@pytest.fixture(autouse=True)
def _one_way_of_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenBLAS rounds a small product by how many rows are computed at once; MLX's own does not."""
    monkeypatch.setenv("FARENSE_BLAS", "off")


@pytest.fixture
def make_deep(tmp_path: Path, deep: Path, data: Path) -> Any:
    maker = RunMaker(tmp_path, deep, data)

    def make(name: str, **settings: Any) -> RunFolder:
        given = {"lora__num_layers": 2, "report__prompts": PROMPTS, "report__sample_tokens": 5}
        return maker(name, **{**given, **settings})

    return make


def phases(folder: RunFolder) -> list[str]:
    return [e.name for e in Tail(folder.events).read_all() if isinstance(e, Phase)]


def samples(folder: RunFolder) -> list[tuple[int, str]]:
    return [(e.step, e.text) for e in Tail(folder.events).read_all() if isinstance(e, Sample)]


def codes(folder: RunFolder) -> list[str]:
    return [notice.code for notice in state_of(folder).notices]


def assert_same(one: RunFolder, other: RunFolder, *, adapters: bool = True) -> None:
    """To the last digit; on a GPU, whose kernels go by how many rows there are, to rounding."""
    here, there = results(one), results(other)
    if mx.default_device() == mx.Device(mx.gpu):
        for (step, found), (at, wanted) in zip(here["losses"], there["losses"], strict=True):
            assert step == at
            assert float.fromhex(found) == pytest.approx(float.fromhex(wanted), rel=1e-3)
    elif adapters:
        assert here == there
    else:
        assert here["losses"] == there["losses"]


def test_cached_equals_computed(make_deep: Any) -> None:
    plain, cached = make_deep("plain", train__trunk_cache="off"), make_deep("cached")
    finish(plain)
    state = finish(cached)
    assert "precomputing" in phases(cached)
    assert "precomputing" not in phases(plain)
    assert_same(cached, plain)
    # the answers take the whole model, the released layers read again
    assert samples(cached) == samples(plain)
    assert len(samples(cached)) == len(state.validations)
    started, before = state.started, state_of(plain).started
    assert started is not None
    assert before is not None
    assert started.total_parameters == before.total_parameters
    assert not cached.trunk.exists()  # the run is at its end


def test_with_any_blas_it_is_the_same_to_rounding(
    make_deep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FARENSE_BLAS")
    plain, cached = make_deep("plain", train__trunk_cache="off"), make_deep("cached")
    there, here = finish(plain), finish(cached)
    assert [value for _, value in here.loss] == pytest.approx(
        [value for _, value in there.loss], rel=1e-4
    )


@pytest.mark.parametrize(("bits", "alike"), [(4, 0), (0, 0), (0, 20)])
def test_layer_by_layer_equals_at_once(
    make_deep: Any, tmp_path: Path, bits: int, alike: int
) -> None:
    folder = micro_model.make(tmp_path / "model", layers=5, hidden=64, bits=bits)
    config = make_deep("run", model__repo=str(folder)).read_config()
    rng = np.random.default_rng(0)
    bounds = np.array([0, 29, 60, 90, 140, 200], np.int64)
    tokens = rng.integers(1, 280, 200).astype(np.int32)
    for start in bounds[:4]:  # the last one begins in its own way
        tokens[start : start + alike] = 7
    is_label = np.ones(200, np.bool_)
    is_label[bounds[:-1]] = False
    examples = {"train": Examples(tokens, bounds, is_label, 0)}
    shared = {"train": shared_prefix.find(examples["train"], 5)} if alike else {}
    found = []
    for room in (0, 1 << 40):
        network = model.load(folder, config.model)
        parts = split_forward.find(network)
        assert parts is not None
        place = tmp_path / str(room) / "trunk"
        place.parent.mkdir()
        made = trunk_cache.plan(config, parts, examples, shared, "model", place)
        with (tmp_path / "events").open("ab") as events:
            output = Output(os.dup(events.fileno()), tmp_path / "events")
            own = Checks(None, output)
            stored = trunk_cache.prepare(config, parts, made, room, 64, own, output)
        assert stored is not None
        assert stored.start == 3
        assert sum(trunk_cache.nbytes(layer) for layer in parts.layers[:3]) == 0
        found.append(np.array(stored.stored["train"].read(tuple(range(5)), 60)))
        assert sum(path.stat().st_size for path in place.iterdir()) == pytest.approx(
            made.bytes, abs=200
        )
    assert found[0].any()
    assert np.array_equal(found[0], found[1])
    network = model.load(folder, config.model)
    parts = split_forward.find(network)
    assert parts is not None
    whole = batching.collate(examples["train"], range(5))
    entering = np.array(parts.trunk(mx.array(whole.inputs), None, 0, 3))
    for row, length in enumerate(np.diff(bounds) - 1):
        there = entering[row, :length]
        assert np.abs(found[0][row, :length] - there).max() < 1e-5 * np.abs(there).max()


def test_killed_and_resumed_takes_what_is_stored(make_deep: Any) -> None:
    plain, killed = make_deep("plain", train__trunk_cache="off"), make_deep("killed")
    finish(plain)
    worker = supervisor.launch(killed)
    until_state(worker, lambda state: state.step >= 5)
    worker.process.send_signal(signal.SIGKILL)
    worker.wait()
    if describe.summarise(killed).status == "completed":
        pytest.skip("the run was faster than the kill")
    (stored,) = killed.trunk.glob("*.train.npy")
    written = stored.stat().st_mtime_ns
    worker = supervisor.launch(killed)
    until_state(worker, lambda state: len(state.segments) > 1)
    assert not stored.exists() or stored.stat().st_mtime_ns == written
    assert worker.wait() == 0
    assert phases(killed).count("precomputing") == 1
    assert_same(killed, plain)


def test_stopped_while_it_is_computed_leaves_nothing_half_done(make_deep: Any) -> None:
    folder = make_deep("stopped")
    worker = supervisor.launch(folder)
    until_state(worker, lambda state: state.phase == "precomputing" or state.started is not None)
    worker.process.send_signal(signal.SIGKILL)
    worker.wait()
    plain = make_deep("plain", train__trunk_cache="off")
    finish(plain)
    finish(folder)
    assert_same(folder, plain)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"memory__trunk_cache_gb": 0.0}, "memory.trunk_cache_gb is 0"),
        ({"lora__num_layers": -1}, "all layers are trained"),
    ],
)
def test_on_is_refused_where_it_cannot_be(make_deep: Any, settings: Any, why: str) -> None:
    folder = make_deep("refused", train__trunk_cache="on", **settings)
    assert supervisor.launch(folder).wait() == 3
    failure = state_of(folder).failure
    assert failure is not None
    assert why in failure.detail


def test_auto_says_why_it_does_without(make_deep: Any) -> None:
    folder = make_deep("without", memory__trunk_cache_gb=0.0)
    finish(folder)
    assert "trunk_cache" in codes(folder)
    assert "precomputing" not in phases(folder)


def test_a_disk_that_does_not_take_it_is_told_and_it_is_done_without(make_deep: Any) -> None:
    """A mapped file without its space ends the process by SIGBUS once the disk is full."""
    folder = make_deep("run", train__epochs=2)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limit[1]))  # the worker inherits it
    try:
        state = finish(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    (told,) = [each.message for each in state.notices if each.code == "trunk_cache"]
    assert told.endswith("File too large")
    assert not folder.trunk.exists()


def test_one_epoch_needs_no_cache(make_deep: Any) -> None:
    folder = make_deep("once", train__epochs=1)
    finish(folder)
    assert "trunk_cache" not in codes(folder)
    assert "precomputing" not in phases(folder)


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
def test_what_is_stored_comes_back_to_the_bit(dtype: mx.Dtype) -> None:
    bounds = np.array([0, 4, 9, 12], np.int64)
    examples = Examples(np.arange(12, dtype=np.int32), bounds, np.ones(3, np.int32), 0)
    kind = np.float32 if dtype == mx.float32 else np.uint16
    stored = Stored(examples, np.zeros((9, 6), kind), dtype)
    values = mx.random.normal((2, 8, 6)).astype(dtype)
    stored.write((2, 0), values)
    stored.write((1,), values[:1])
    back = stored.read((0, 2), 8)
    assert back.dtype == dtype
    assert mx.array_equal(back[0, :3], values[1, :3])
    assert mx.array_equal(back[1, :2], values[0, :2])
    assert not back[0, 3:].any()
    assert mx.array_equal(stored.read((1,), 4)[0], values[0, :4])


def test_progress_is_told(make_deep: Any, data: Path) -> None:
    folder = make_deep("progress")
    finish(folder)
    told = [e for e in Tail(folder.events).read_all() if isinstance(e, Progress)]
    assert all(e.done <= e.total for e in told)


def test_a_head_is_trained_above_the_trunk_and_an_embedding_below_it(
    tmp_path: Path, data: Path
) -> None:
    untied = micro_model.make(tmp_path / "untied", layers=3, tie_word_embeddings=False)
    maker = RunMaker(tmp_path, untied, data)
    settings: dict[str, Any] = {"lora__num_layers": 1, "train__epochs": 2, "lora__dropout": 0.0}
    above = ("q_proj", "lm_head")
    stored = maker("stored", **settings, lora__keys=above)
    plain = maker("plain", **settings, lora__keys=above, train__trunk_cache="off")
    for folder in (stored, plain):
        finish(folder)
    assert_same(stored, plain, adapters=False)
    assert "precomputing" in phases(stored)
    below = maker("below", **settings, lora__keys=("q_proj", "embed_tokens"))
    finish(below)
    assert "precomputing" not in phases(below)
    (notice,) = [each for each in state_of(below).notices if each.code == "trunk_cache"]
    assert "model.embed_tokens below them is trained" in notice.message
