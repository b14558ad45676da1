"""What is trained and what is written of it: the plan's figures are those of the real thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.loop import checkpoint, optimizer
from farense_worker.loop.checkpoint import TrainingState
from farense_worker.loop.master_weights import where_needed
from farense_worker.model import model, trainable
from farense_worker.protocol import checkpoint_files
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.plan import adapter, disk, model_shape
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config, Profile, Run, replace_setting
from mlx.utils import tree_flatten

from farense_tui.engine.forecast.forecast import Place, forecast
from farense_tui.engine.models.locate import ModelState
from farense_tui.engine.preflight.disk_need import disk_need

KINDS = ("lora", "dora", "full")
OPTIMIZERS = ("adam", "adamw", "sgd", "adafactor", "muon")


def trained(profile: Profile, folder: Path) -> tuple[Any, Any]:
    """The network and the optimizer's state, as the trainer has them before the first step."""
    network = model.load(folder, profile.model)
    sections = {name: getattr(profile, name) for name in profile.__struct_fields__}
    trainable.make_trainable(network, Config(**sections, run=Run("r")), None)  # type: ignore[arg-type]
    chosen = where_needed(optimizer.make(profile.train), network.trainable_parameters())
    chosen.init(network.trainable_parameters())
    return network, chosen.state


def profile_of(kind: str, folder: Path, chosen: str = "adam", layers: int = -1) -> Profile:
    made = Profile()
    for name, value in (
        ("train.fine_tune_type", kind),
        ("train.optimizer", chosen),
        ("lora.num_layers", layers),
        ("model.repo", str(folder)),
    ):
        made = replace_setting(made, name, value)
    return made


@pytest.mark.parametrize("chosen", OPTIMIZERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [-1, 1, 9])
def test_estimate_doctor_and_trainer_count_what_there_is(
    kind: str, chosen: str, layers: int, micro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = profile_of(kind, micro, chosen, layers)
    network, state = trained(profile, micro)
    weights = [value for _, value in tree_flatten(network.trainable_parameters())]
    real = adapter.of(profile, [each.shape for each in weights], weights[0].dtype.size)
    assert real.parameters == model.count(network).trainable
    assert real.bytes == sum(each.nbytes for each in weights)
    assert real.optimizer == kept_bytes(state)

    shape = model_shape.read(micro)
    assert shape is not None
    assert shape.trained(profile) == real
    written = disk.checkpoints(real, profile.checkpoint.keep)
    place = Place(1 << 30, None, None, gpu=False)
    assert forecast(shape, profile, place, {}, {"train": 8}).checkpoint_disk == written
    assert disk_need(profile, ModelState(str(micro), "here", micro)) == disk.RECORD + written

    monkeypatch.setattr(checkpoint, "free_space", lambda _folder: written)
    checkpoint.check_space(RunFolder(micro), real, profile.checkpoint.keep)
    monkeypatch.setattr(checkpoint, "free_space", lambda _folder: written - 1)
    with pytest.raises(FarenseError, match="no space"):
        checkpoint.check_space(RunFolder(micro), real, profile.checkpoint.keep)


@pytest.mark.parametrize(
    ("kind", "setting", "names"),
    [
        ("lora", "lora.keys", ("q_proj", "embed_tokens")),
        ("dora", "lora.keys", ("down_proj", "embed_tokens")),
        ("full", "train.modules", ("norm",)),
        ("full", "train.modules", ("embed_tokens", "norm")),
    ],
)
def test_what_is_trained_beside_the_layers_is_counted_once(
    kind: str, setting: str, names: tuple[str, ...], micro: Path
) -> None:
    profile = replace_setting(profile_of(kind, micro), setting, names)
    network, _state = trained(profile, micro)
    shape = model_shape.read(micro)
    assert shape is not None
    assert shape.trained(profile).parameters == model.count(network).trainable


@pytest.mark.parametrize("chosen", OPTIMIZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_16_bits_are_kept_in_32_too(kind: str, chosen: str, micro: Path) -> None:
    profile = replace_setting(profile_of(kind, micro, chosen), "model.dtype", "float16")
    network, state = trained(profile, micro)
    weights = [value for _, value in tree_flatten(network.trainable_parameters())]
    real = adapter.of(profile, [each.shape for each in weights], weights[0].dtype.size)
    assert real.bytes == sum(each.nbytes for each in weights)
    assert real.optimizer == kept_bytes(state)


def kept_bytes(state: Any) -> int:
    """What the optimizer keeps of the weights."""
    counters = ("step", "learning_rate")
    named: dict[str, mx.array] = dict(tree_flatten(state))
    return sum(v.nbytes for name, v in named.items() if name.rpartition(".")[2] not in counters)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_an_adapter_on_4_bit_weights_is_as_large(kind: str, micro: Path, micro_4bit: Path) -> None:
    profile = profile_of(kind, micro_4bit)
    network, _state = trained(profile, micro_4bit)
    shape = model_shape.read(micro_4bit)
    assert shape is not None
    assert shape.trained(profile).parameters == model.count(network).trainable


@pytest.mark.parametrize("dtype", ["auto", "model", "float32", "float16", "bfloat16"])
def test_the_bytes_are_those_of_the_type_that_it_computes_in(
    dtype: str, micro: Path, micro_4bit: Path
) -> None:
    for folder in (micro, micro_4bit):
        profile = replace_setting(profile_of("lora", folder), "model.dtype", dtype)
        shape = model_shape.read(folder)
        assert shape is not None
        computed = shape.computed(profile, gpu=False)
        assert computed.bytes == model.count(model.load(folder, profile.model)).bytes
        assert computed.half == (dtype in ("float16", "bfloat16"))
        back = replace_setting(profile, "model.dtype", "float32")
        assert computed.computed(back, gpu=False) == shape


def test_on_a_cpu_quantised_weights_are_unpacked_where_they_fit(micro_4bit: Path) -> None:
    profile = profile_of("lora", micro_4bit)
    shape = model_shape.read(micro_4bit)
    assert shape is not None
    network = model.load(micro_4bit, profile.model)
    tokens = mx.array([[5, 6, 7, 8]])
    before = network(tokens)
    assert not model.dequantise(network, 1 << 10)
    assert model.dequantise(network, 1 << 40)
    assert not tree_flatten(network.trainable_parameters())
    assert mx.allclose(network(tokens), before, atol=1e-5)
    unpacked = shape.computed(profile, gpu=False, room=1 << 40)
    assert unpacked.bytes == model.count(network).bytes
    assert shape.computed(profile, gpu=False, room=1 << 10).bytes < unpacked.bytes
    assert shape.computed(profile, gpu=True, room=1 << 40).bytes < unpacked.bytes


def test_on_a_cpu_a_model_of_16_bits_takes_twice_as_much() -> None:
    shape = model_shape.known("mlx-community/Llama-3.2-1B-Instruct-bf16")
    assert shape is not None
    assert shape.computed(Profile(), gpu=True) == shape
    assert shape.computed(Profile(), gpu=False).bytes == 2 * shape.bytes


@pytest.mark.parametrize("keep", [1, 2])
def test_the_disk_is_fullest_when_a_better_adapter_is_published(
    keep: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look at what lies there whenever a file is brought to the disk, over some checkpoints."""
    folder, most = RunFolder(tmp_path), [0]

    def look(_path: Path) -> None:
        there = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        most[0] = max(most[0], there)

    monkeypatch.setattr(checkpoint, "sync", look)
    weights = {"a": mx.zeros((256, 512))}
    moments = {"a": {"m": mx.zeros((256, 512)), "v": mx.zeros((256, 512))}}
    best = 0
    for step in range(8):
        if step in (0, 7):
            best = step  # and between the two none is better, so the best is an old one
        path, _bytes = checkpoint.save(folder, TrainingState(step=step), weights, moments, {})
        if step == best:
            checkpoint.publish(folder, path)
        checkpoint_files.prune(folder.path, keep, best)
    counted = disk.checkpoints(adapter.of(Profile(), [(256, 512)], 4), keep)
    assert counted <= most[0] < counted * 1.005  # headers, manifests and the like
