"""The process in the forecast: what MLX has, what it keeps, the program, and files in memory."""

from __future__ import annotations

from dataclasses import replace

from farense_worker.protocol.messages.estimation import Rows
from farense_worker.protocol.plan import memory
from farense_worker.protocol.plan.model_shape import known
from farense_worker.protocol.settings.profile import Profile, replace_setting

from farense_tui.engine.forecast import workload
from farense_tui.engine.forecast.forecast import Forecast, Place, forecast

MIB = 1 << 20
ROWS = {"train": Rows((30, 200, 45, 120, 60, 33, 90, 70) * 10, (10,) * 80, 80)}


def made(*, gpu: bool, layers: int = 8, tokenizer: int = 0) -> Forecast:
    """Forecast a 1B of which so many layers are trained."""
    shape = known("Llama-3.2-1B-Instruct-4bit")
    assert shape is not None
    profile = replace_setting(Profile(), "lora.num_layers", layers)
    place = Place(32 << 30, None, 100 << 30, gpu=gpu)
    return forecast(replace(shape, tokenizer=tokenizer), profile, place, ROWS, {})


def test_the_program_grows_with_the_tokenizer() -> None:
    assert memory.program(0, gpu=False) < memory.PROCESS < memory.program(11 * MIB, gpu=False)
    assert memory.program(0, gpu=True) == memory.PROCESS  # nobody has measured it there
    small, large = (made(gpu=False, tokenizer=size * MIB) for size in (0, 10))
    assert large.peak == small.peak
    assert large.process - small.process == large.needed - small.needed == 150 * MIB


def test_the_process_is_its_greatest_moment() -> None:
    stored, whole = made(gpu=False), made(gpu=False, layers=-1)
    assert stored.trunk_disk > 0 == whole.trunk_disk
    assert whole.process == whole.needed + whole.cache
    most = max(stored.parts.total + stored.cache, stored.precompute + stored.pass_cache)
    assert stored.process == most + stored.program + stored.trunk_disk
    assert stored.pass_cache < stored.cache
    assert made(gpu=True).mapped == 0  # macOS does not count them


def test_a_pass_takes_as_many_rows_as_go_through_at_once() -> None:
    profile = replace_setting(Profile(), "train.shared_prefix", "off")
    few = workload.once(profile, ROWS, {}, 1024)
    assert sum(batch.rows for batch in few) <= 80
    assert max(batch.rows * batch.width for batch in few) <= 1024
    many = replace_total(ROWS["train"], 80_000)
    found = workload.once(profile, {"train": many}, {}, 1024)
    assert {batch.width for batch in found} == {32, 48, 64, 72, 96, 120, 200}
    assert all(1024 - batch.width < batch.rows * batch.width <= 1024 for batch in found)
    (unknown,) = workload.once(profile, {}, {"train": 3}, 8192)
    assert (unknown.rows, unknown.width) == (3, 512)


def replace_total(rows: Rows, total: int) -> Rows:
    return Rows(rows.tokens, rows.context, total)
