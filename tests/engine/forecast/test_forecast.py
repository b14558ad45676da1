"""The forecast: what it counts, how it moves with each setting, and what it would change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages.estimation import Facts, Probed, Rows
from farense_worker.protocol.plan import cadence, model_shape, step_memory, steps
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.plan.step_memory import MicroBatch
from farense_worker.protocol.settings.profile import Profile, replace_setting
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.forecast import gather, safer_settings, summary, workload
from farense_tui.engine.forecast.forecast import Measured, Place, forecast, minimum, published
from farense_tui.engine.forecast.workload import flops

MAC_8 = Place(5461 << 20, None, None, gpu=True, chip="Apple M1")
MAC_32 = Place(21845 << 20, None, None, gpu=True, chip="Apple M1 Max")
MISTRAL = "mlx-community/Mistral-7B-Instruct-v0.3-4bit"

ROWS = {"train": Rows((30, 200, 45, 120, 60, 33, 90, 70) * 10, (10,) * 80, 80)}


def profile(**settings: object) -> Profile:
    made = Profile()
    for key, value in settings.items():
        made = replace_setting(made, key.replace("__", "."), value)
    return made


def known(repo: str) -> model_shape.Shape:
    found = model_shape.known(repo)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("repo", "gigabytes"),
    [
        (MISTRAL, 4.08),
        ("mlx-community/Llama-3.2-1B-Instruct-4bit", 0.695),
        ("mlx-community/Llama-3.2-3B-Instruct-4bit", 1.81),
        ("mlx-community/Qwen2.5-0.5B-Instruct-4bit", 0.278),
        ("mlx-community/Qwen2.5-1.5B-Instruct-4bit", 0.868),
        ("mlx-community/Qwen3-4B-4bit", 2.26),
    ],
)
def test_models_that_are_not_here_have_the_size_that_the_hub_lists(
    repo: str, gigabytes: float
) -> None:
    assert known(repo).bytes / 1e9 == pytest.approx(gigabytes, rel=0.01)


def test_of_an_unknown_model_nothing_is_known() -> None:
    assert model_shape.known("somebody/Something-4bit") is None


def test_a_shape_read_from_files_has_every_byte(micro: Path, micro_4bit: Path) -> None:
    for folder in (micro, micro_4bit):
        found = model_shape.read(folder)
        assert found is not None
        header = int.from_bytes((folder / "model.safetensors").read_bytes()[:8], "little")
        assert found.bytes == (folder / "model.safetensors").stat().st_size - header - 8
        assert found.linear["self_attn.q_proj"] == (32, 32)
        assert found.linear["mlp.down_proj"] == (64, 32)
        assert found.layers == 2


def test_damaged_files_have_no_shape(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 8}')
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 40)
    assert model_shape.read(tmp_path) is None


@pytest.mark.parametrize(
    ("value", "ffn"), [([64, 128], 128), ([], None), (None, None), ([None], None), (64.0, 64)]
)
def test_a_size_for_each_layer_is_the_largest(
    micro: Path, tmp_path: Path, value: object, ffn: int | None
) -> None:
    """As OpenELM and Gemma 3n write it; of a size that is none nothing is forecast."""
    for path in micro.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((micro / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "intermediate_size": value}))
    found = model_shape.read(tmp_path)
    assert (found and found.ffn) == ffn
    gather.refuse_hopeless(replace_setting(Profile(), "model.repo", str(tmp_path)))


GROWING = {
    "lora.rank": [1, 4, 8, 32, 256],
    "lora.num_layers": [1, 2, 8, 31, -1],
    "train.batch_size": [1, 2, 3, 8],
    "train.max_seq_length": [32, 64, 100, 128, 512],
}


@given(
    st.sampled_from(sorted(GROWING)),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["off", "auto"]),
    st.sampled_from([{}, ROWS]),
)
def test_memory_grows_with_what_it_is_made_of(
    name: str, checkpoints: bool, gpu: bool, trunk: str, rows: dict[str, Rows]
) -> None:
    made = profile(train__grad_checkpoint=checkpoints, train__trunk_cache=trunk)
    model, place = known(MISTRAL), replace(MAC_8, gpu=gpu, limit=1 << 50)
    needs = []
    for value in GROWING[name]:
        changed = replace_setting(made, name, value)
        if name == "train.batch_size":
            changed = replace_setting(changed, "train.grad_accumulation", 24 // value)
        if name != "lora.num_layers" or value != -1 or trunk == "off":
            needs.append(forecast(model, changed, place, rows, {"train": 80}).parts.total)
    assert needs == sorted(needs)


@given(st.integers(1, 8), st.integers(1, 64), st.integers(1, 4000), st.booleans(), st.booleans())
def test_checkpointing_never_keeps_more(
    rows: int, eighths: int, labels: int, gpu: bool, half: bool
) -> None:
    model = replace(known(MISTRAL), half=half)
    batch = MicroBatch(rows, 8 * eighths, labels)
    kept = step_memory.saved(model, profile(), batch, gpu=gpu)
    assert kept >= batch.tokens * model.hidden * (2 if half else 4)
    lowest = step_memory.saved(model, profile(), batch, gpu=gpu, lowest=True)
    assert lowest <= kept


def test_saved_counts_the_graph_of_a_layer() -> None:
    """Measured: 6547 floats a token (all keys, rank 1), 5341 (queries only), 7871 with dropout."""
    sizes = {"q_proj": (256, 256), "k_proj": (256, 256), "v_proj": (256, 256)}
    sizes |= {"o_proj": (256, 256), "gate_proj": (256, 688), "up_proj": (256, 688)}
    sizes |= {"down_proj": (688, 256)}
    eight = (1,) * 8
    model = model_shape.Shape(
        "llama", 256, 8, 8, 32, 688, 512, sizes, 512, eight, 1, False, eight, 1
    )
    batch = MicroBatch(4, 128, 64)
    for settings, floats in (
        ({"lora__rank": 1}, 6547),
        ({"lora__rank": 64}, 6988),
        ({"lora__rank": 1, "lora__keys": ("q_proj",)}, 5341),
        ({"lora__rank": 1, "lora__keys": ("down_proj",)}, 5773),
        ({"lora__rank": 1, "lora__dropout": 0.1}, 7871),
    ):
        counted = step_memory.saved(model, profile(**settings), batch, gpu=False)
        assert counted / 4 / batch.tokens == pytest.approx(floats, rel=0.015)


@pytest.mark.parametrize("setting", ["auto", "off"])
def test_the_micro_batches_are_those_of_the_training(setting: str) -> None:
    from farense_worker.data import batching, shared_prefix
    from farense_worker.data.examples import Builder
    from farense_worker.data.labels import Encoded

    builder = Builder(100)
    for tokens, context in zip(ROWS["train"].tokens, ROWS["train"].context, strict=True):
        builder.add(Encoded(list(range(tokens)), ((context, tokens),)))
    examples = builder.build()
    made = profile(train__max_seq_length=100, train__batch_size=2, train__grad_accumulation=4)
    made = replace_setting(made, "train.shared_prefix", setting)
    shared = shared_prefix.find(examples, 8)  # the rows count up, so all begin alike
    groups = tuple(shared.of_row.tolist())
    train = msgspec.structs.replace(ROWS["train"], groups=groups, shared=shared.lengths)
    seen = workload.look_ahead(made, {"train": train}, {}, 200)
    assert (seen.saved > 0) == (setting == "auto")
    told = summary.sharing(forecast(known(MISTRAL), made, MAC_32, {"train": train}, {}))
    assert ("computed once a step" in told) == (setting == "auto")
    drops = replace_setting(made, "lora.dropout", 0.1)
    told = summary.sharing(forecast(known(MISTRAL), drops, MAC_32, {"train": train}, {}))
    assert ("lora.dropout" in told) == (setting == "auto")
    assert seen.steps == 30
    assert len(seen.batches) == 30
    for step, batches in enumerate(seen.batches, start=1):
        drawn = steps.draw(steps.position(step, 10), 80, 8, made.train.seed)
        real = batching.batches(examples, drawn, 200, shared if setting == "auto" else None)
        assert [(b.rows, b.width, b.labels, b.prefix, b.passes) for b in batches] == [
            (*b.inputs.shape, b.label_tokens, b.behind, b.passes) for b in real
        ]
    total = sum(min(n, 100) - 1 for n in ROWS["train"].tokens)
    assert workload.tokens(made, ROWS, {}) == total


def test_a_stored_trunk_needs_the_trained_layers_alone() -> None:
    made = profile(lora__num_layers=4, train__grad_checkpoint=True, train__batch_size=1)
    cached = forecast(known(MISTRAL), made, MAC_8, ROWS, {})
    whole = forecast(
        known(MISTRAL), replace_setting(made, "train.trunk_cache", "off"), MAC_8, ROWS, {}
    )
    layer = known(MISTRAL).layer_bytes[0]
    assert whole.parts.weights - cached.parts.weights == 28 * layer
    assert cached.trunk_disk > 0
    assert whole.trunk_disk == 0
    assert cached.needed < whole.needed
    assert minimum(known(MISTRAL), made) < cached.needed


def test_verdicts_follow_the_limit() -> None:
    made = profile(train__batch_size=1, train__grad_accumulation=8, train__max_seq_length=200)
    needed = forecast(known(MISTRAL), made, MAC_32, ROWS, {}).needed
    said = [
        forecast(known(MISTRAL), made, replace(MAC_32, limit=int(needed * share)), ROWS, {}).verdict
        for share in (3.0, 1.1, 1.0)
    ]
    assert said == ["fits", "tight", "will not fit"]
    busy = replace(MAC_32, available=needed // 2)
    assert forecast(known(MISTRAL), made, busy, ROWS, {}).verdict == "tight"


@given(
    st.integers(1, 8),
    st.sampled_from([1, 2, 3, 4]),
    st.booleans(),
    st.sampled_from([-1, 8, 20]),
    st.sampled_from([64, 300, 512]),
)
def test_the_ladder_keeps_the_effective_batch_and_takes_the_first_that_fits(
    batch: int, accumulation: int, checkpoints: bool, layers: int, length: int
) -> None:
    made = profile(
        train__batch_size=batch,
        train__grad_accumulation=accumulation,
        train__grad_checkpoint=checkpoints,
        lora__num_layers=layers,
        train__max_seq_length=length,
        lora__rank=16,
    )
    seen = []

    def judge(changed: Profile) -> object:
        assert changed.effective_batch == made.effective_batch
        seen.append(forecast(known(MISTRAL), changed, MAC_8, {}, {"train": 80}))
        return seen[-1]

    found = safer_settings.remedy(made, judge)  # type: ignore[arg-type]
    assert found is not None
    if found.forecast.verdict == "fits":
        assert found.forecast is seen[-1]
        assert all(each.verdict != "fits" for each in seen[:-1])


def test_a_probe_corrects_memory_and_gives_the_time() -> None:
    made = profile(train__grad_checkpoint=True)
    guess = forecast(known(MISTRAL), made, MAC_32, ROWS, {})
    took = guess.parts.total - guess.parts.resident
    probed = Probed(
        device="gpu",
        resident=10 * GIB,
        peak=10 * GIB + took // 2,
        first_seconds=3.0,
        seconds=2.0,
        lowest=1.9,
        highest=2.2,
        steps=5,
    )
    exact = forecast(known(MISTRAL), made, MAC_32, ROWS, {}, Measured(guess.batch, False, probed))
    assert exact.parts.total - exact.parts.resident == pytest.approx(took / 2, rel=0.2)
    assert exact.speed_from == "measured"
    assert exact.step_seconds is not None
    assert exact.step_seconds > 0


def test_a_probe_sends_no_prefix_ahead() -> None:
    last = MicroBatch(3, 40, 47, prefix=501, passes=2)  # of a step; the others were handed it
    assert last.alone == replace(last, passes=1)
    handed = replace(last, passes=0)
    assert handed.alone == handed
    made, shape = profile(), known(MISTRAL)
    alone, both = (flops(shape, made, each, cached=True) for each in (last.alone, last))
    assert 1.1 < both / alone < 1.5


def test_speed_is_unknown_where_nobody_has_measured() -> None:
    found = forecast(known(MISTRAL), profile(), replace(MAC_8, chip="AMD EPYC"), ROWS, {})
    assert found.step_seconds is None
    assert found.run_seconds is None
    assert forecast(known(MISTRAL), profile(), MAC_8, ROWS, {}).run_seconds is not None


def test_the_time_of_a_run_counts_its_validations() -> None:
    """A forward pass over as many tokens takes half of a step's time, less what that pads."""
    shape, made = known(MISTRAL), profile(train__epochs=2, train__trunk_cache="off")
    without = forecast(shape, made, MAC_8, ROWS, {})
    found = forecast(shape, made, MAC_8, ROWS | {"valid": ROWS["train"]}, {})
    assert without.run_seconds
    assert without.step_seconds
    assert found.run_seconds
    assert without.run_seconds == pytest.approx(without.steps * without.step_seconds)
    assert (without.steps, cadence.validations(made.report, without.steps)) == (20, 5)
    one = (found.run_seconds - without.run_seconds) / 5
    assert 0.8 < one / (without.per_epoch * without.step_seconds / 2) < 1
    often = replace_setting(made, "report.eval_every", 1)
    more = forecast(shape, often, MAC_8, ROWS | {"valid": ROWS["train"]}, {})
    assert more.run_seconds == pytest.approx(without.run_seconds + 21 * one)
    counted = [forecast(shape, made, MAC_8, {}, {"train": 80, "valid": n}) for n in (0, 80)]
    assert counted[0].run_seconds
    assert counted[1].run_seconds
    assert counted[1].run_seconds > 1.5 * counted[0].run_seconds


def test_only_the_hopeless_is_refused(micro: Path) -> None:
    gather.refuse_hopeless(profile(model__repo=str(micro)))
    gather.refuse_hopeless(profile(model__repo="somebody/Unknown-4bit"))
    with pytest.raises(FarenseError, match="cannot fit") as refused:
        gather.refuse_hopeless(
            profile(model__repo=MISTRAL, memory__limit_gb=1.0, train__trunk_cache="off")
        )
    assert refused.value.exit_code == ExitCode.REFUSED
    assert "--anyway" in refused.value.hint


def test_rows_without_a_label_left_are_not_counted() -> None:
    rows = Rows((30, 200, 45), (10, 150, 10), 300, (10, 150, 64))
    assert rows.within(64) == Rows((30,), (10,), 100, (10,))
    assert rows.within(512) == rows


@pytest.mark.parametrize(
    ("repo", "memory", "pages"),
    [  # what others saw on an M1 of 8 GB (docs/performance.md), and that no larger one is accused
        ("mlx-community/Llama-3.2-3B-Instruct-4bit", 8, False),
        ("mlx-community/Qwen2.5-7B-Instruct-4bit", 8, True),
        ("mlx-community/Meta-Llama-3.1-8B-Instruct-4bit", 8, True),
        ("mlx-community/Meta-Llama-3.1-8B-Instruct-4bit", 16, False),
    ],
)
def test_a_run_that_makes_the_mac_swap_is_told(repo: str, memory: int, pages: bool) -> None:
    settings = profile(
        train__batch_size=1, train__grad_accumulation=1, train__max_seq_length=512,
        lora__keys=("q_proj", "v_proj"), lora__rank=8, train__trunk_cache="off",
    )  # fmt: skip
    place = replace(MAC_8, limit=memory * GIB * 2 // 3, memory=memory * GIB)
    short = {"train": Rows((120, 80, 60, 100) * 12, (30,) * 48, 48)}
    found = forecast(known(repo), settings, place, short, {})
    assert found.pages is pages
    assert bool(summary.paging(found)) is pages


def test_a_virtual_m1_is_counted_as_one_and_what_is_not_known_as_nothing() -> None:
    assert published("Apple M1 (Virtual)") == published("Apple M1")
    assert published("Apple M4 Max")[0]
    assert published("Apple M5 Max")[0] == pytest.approx(14.3e12 * 0.45)
    assert published("Apple M9") == (None, "")


def test_rows_that_are_held_out_are_no_steps_where_lengths_are_not_known(tmp_path: Path) -> None:
    row = '{"prompt": "q", "completion": "a"}\n'
    (tmp_path / "train.jsonl").write_text(row * 200)
    profile = replace_setting(Profile(), "data.path", str(tmp_path))
    profile = replace_setting(profile, "model.repo", "Qwen/Qwen3-1.7B-MLX-4bit")
    unknown = Facts(device="gpu", gpu=True, limit=8 * GIB, available=8 * GIB, rows={}, no_rows="no")

    def steps_an_epoch(fraction: float) -> int:
        made = gather.estimate(replace_setting(profile, "data.valid_fraction", fraction), unknown)
        assert made.forecast
        return made.forecast.per_epoch

    assert (steps_an_epoch(0.0), steps_an_epoch(0.5)) == (25, 13)
    (tmp_path / "valid.jsonl").write_text(row)
    assert steps_an_epoch(0.5) == 25
