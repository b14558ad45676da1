"""Configurations of mlx_lm.lora: every key finds its place or is told of."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from farense_worker.protocol import run_folder
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.settings.profile_file import load

from farense_tui.cli import main
from farense_tui.engine.profiles import import_mlx_lm
from farense_tui.engine.profiles.import_mlx_lm import Imported
from farense_tui.engine.profiles.mlx_lm_keys import DEFAULTS
from tests.tokenizers import chat, write

# What the command for the hub's rows needs of the library that fetches them.
HUB = """
class Rows:
    def __init__(self, path, split, name=None, columns={}):
        self.said = (path, split, name, columns)

    def rename_columns(self, columns):
        return Rows(*self.said[:3], columns)

    def to_json(self, file):
        file.write((" ".join(map(str, self.said)) + "\\n").encode())


load_dataset = Rows
"""


@pytest.fixture
def data_of_40(tmp_path: Path) -> str:
    write(tmp_path / "rows/train.jsonl", *(chat(str(at), "a") for at in range(40)))
    return str(tmp_path / "rows")


def read(tmp_path: Path, text: str) -> Imported:
    path = tmp_path / "lora.yaml"
    path.write_text(text, encoding="utf-8")
    return import_mlx_lm.read(path)


def left_out(made: Imported) -> dict[str, str]:
    return {remark.key: remark.what for remark in made.left_out}


def changed(made: Imported) -> dict[str, str]:
    return {remark.key: remark.what for remark in made.changed}


def test_the_defaults_are_mlx_lms() -> None:
    from mlx_lm.lora import CONFIG_DEFAULTS

    assert DEFAULTS == CONFIG_DEFAULTS


def test_every_key_of_mlx_lm_is_taken_or_told_of(tmp_path: Path, data_of_40: str) -> None:
    """Each key with another value than its default either changes the profile or is in a list."""
    other: dict[str, Any] = {
        "model": "a/b",
        "train": False,
        "fine_tune_type": "dora",
        "optimizer": "sgd",
        "optimizer_config": {"adam": {"eps": 1e-5}},
        "data": data_of_40,
        "learning_rate": 3e-4,
        "resume_adapter_file": "old/adapters.safetensors",
        "config": "x.yaml",
        "lr_schedule": {"name": "cosine_decay", "arguments": [1e-4, 100], "warmup": 5},
        "lora_parameters": {"rank": 2, "scale": 3.0, "dropout": 0.5},
        "report_to": "wandb",
        "project_name": "x",
        "adapter_path": "elsewhere",
    }
    plain = read(tmp_path, "")
    for key, default in DEFAULTS.items():
        value = other.get(key, not default if isinstance(default, bool) else None)
        if value is None:
            value = 12
        made = read(tmp_path, yaml.safe_dump({key: value}))
        lists = changed(made) | left_out(made)
        told = any(name.split(".")[0] == key for name in lists)
        assert told or made.profile != plain.profile, key


def test_a_whole_configuration(tmp_path: Path, data_of_40: str) -> None:
    made = read(
        tmp_path,
        f"""
model: mlx-community/Mistral-7B-Instruct-v0.3-4bit
train: true
data: {data_of_40}
fine_tune_type: dora
optimizer: AdamW
optimizer_config:
  adamw:
    weight_decay: 0.1
    bias_correction: true
seed: 7
num_layers: 8
batch_size: 4
iters: 62
learning_rate: 2e-5
steps_per_report: 4
steps_per_eval: 40
save_every: 20
val_batches: -1
resume_adapter_file: old/adapters.safetensors
adapter_path: adapters
max_seq_length: 1024
grad_checkpoint: true
grad_accumulation_steps: 4
lora_parameters:
  keys: [self_attn.q_proj, self_attn.v_proj]
  rank: 16
  scale: 10.0
  dropout: 0.05
lr_schedule:
  name: cosine_decay
  warmup: 10
  arguments: [1e-4, 100, 1e-6]
mask_prompt: true
trust_remote_code: true
""",
    )
    profile = made.profile
    assert profile.model.repo == "mlx-community/Mistral-7B-Instruct-v0.3-4bit"
    assert profile.model.trust_remote_code
    assert profile.model.adapter == "old"
    assert profile.data.path == data_of_40
    train = profile.train
    assert (train.fine_tune_type, train.optimizer, train.weight_decay) == ("dora", "adamw", 0.1)
    assert (train.seed, train.batch_size, train.grad_accumulation) == (7, 4, 4)
    assert (train.learning_rate, train.final_learning_rate) == (1e-4, 1e-6)
    assert (train.schedule, train.warmup_steps) == ("cosine", 10)
    assert train.warmup_cap == 0  # it is as long as mlx_lm's
    assert (train.max_seq_length, train.mask_prompt, train.grad_checkpoint) == (1024, True, True)
    assert train.answers == "last"  # as mlx_lm has it
    assert "the last answer of a conversation alone" in changed(made)["mask_prompt"]
    assert train.epochs == 6  # 62 micro-batches of 4 over 40 rows are 6.2
    lora = profile.lora
    assert (lora.rank, lora.scale, lora.dropout, lora.num_layers) == (16, 10.0, 0.05, 8)
    assert lora.keys == ("self_attn.q_proj", "self_attn.v_proj")
    report = profile.report
    assert (report.log_every, report.eval_every, profile.checkpoint.every) == (1, 10, 5)
    assert "6.20 passes over 40 rows" in changed(made)["iters"]
    assert changed(made)["steps_per_eval"] == "40 micro-batches are report.eval_every = 10 steps"
    assert set(left_out(made)) == {"learning_rate", "val_batches"}


def test_a_model_that_is_not_named_is_told(tmp_path: Path) -> None:
    """As in a configuration of another program, which calls it base_model."""
    made = read(tmp_path, "base_model: a/b\n")
    assert made.profile.model.repo == DEFAULTS["model"]
    assert f"none: mlx_lm takes {DEFAULTS['model']}" in [each.what for each in made.changed]


def test_what_is_not_given_is_as_in_mlx_lm(tmp_path: Path) -> None:
    profile = read(tmp_path, "# nothing\n").profile
    assert profile.model.repo == DEFAULTS["model"]
    assert (profile.train.learning_rate, profile.train.warmup_steps) == (1e-5, 0)
    assert (profile.train.schedule, profile.train.mask_prompt) == ("constant", False)
    assert (profile.lora.rank, profile.lora.scale, profile.lora.num_layers) == (8, 20.0, 16)
    assert profile.train.max_seq_length == 2048


@pytest.mark.parametrize(
    ("name", "decay"), [("adam", 0.0), ("adamw", 0.01), ("muon", 0.01), ("sgd", 0.0)]
)
def test_weight_decay_that_mlx_adds_by_itself(tmp_path: Path, name: str, decay: float) -> None:
    import inspect

    import mlx.optimizers as optim

    made = read(tmp_path, f"optimizer: {name}")
    assert made.profile.train.weight_decay == decay
    kinds = {"adam": optim.Adam, "adamw": optim.AdamW, "muon": optim.Muon, "sgd": optim.SGD}
    theirs = inspect.signature(kinds[name].__init__).parameters.get("weight_decay")
    assert decay == (theirs.default if theirs else 0.0)


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ("steps_per_evl: 3", "steps_per_evl", "Did you mean steps_per_eval?"),
        (
            "lora_parameters: {rank: 8, scale: 1.0, dropout: 0.0, alpha: 16}",
            "alpha",
            "alpha / rank",
        ),
        ("optimizer: adamw\noptimizer_config: {adamw: {betas: [0.9, 0.98]}}", "betas", "always"),
        ("optimizer_config: {adam: {weight_decay: 0.1}}", "weight_decay", "no such option"),
        ("optimizer_config: {sgd: {momentum: 0.9}}", "sgd", "the optimizer is adam"),
        ("lr_schedule: {name: exponential_decay, arguments: [0.1, 0.9]}", "lr_schedule", "offered"),
        ("resume_adapter_file: a/0000100_adapters.safetensors", "resume", "under that name"),
        ("hf_dataset: {path: x/y}", "hf_dataset", "DIR/train.jsonl"),
        ("data: no/where", "data", "there is no folder no/where here"),
        ("data: " + "d" * 5000, "data", "there is no folder dddd"),
        ("iters: 5", "iters", "train.epochs is left at 3"),
        ("train: false", "train", "for training"),
        ("seed: 1\nseed: 2", "seed", "more than once"),
        ("clear_cache_threshold: 100", "clear_cache", "memory.cache_limit_gb"),
        ("fine_tune_type: full\nlora_parameters: {rank: 8}", "lora_parameters", "full"),
    ],
)
def test_what_has_no_place_is_told(tmp_path: Path, text: str, key: str, what: str) -> None:
    remarks = [remark for remark in read(tmp_path, text).left_out if key in remark.key]
    assert remarks
    assert what in remarks[0].what
    if remarks[0].key in text:
        assert remarks[0].line == 1 + text[: text.rindex(remarks[0].key)].count("\n")


def test_schedules(tmp_path: Path) -> None:
    linear = "lr_schedule: {name: linear_schedule, arguments: [1e-3, 1e-5, 50], warmup: 7}"
    train = read(tmp_path, linear).profile.train
    assert (train.schedule, train.learning_rate, train.final_learning_rate) == (
        "linear",
        1e-3,
        1e-5,
    )
    level = "lr_schedule: {name: linear_schedule, arguments: [1e-3, 1e-3, 1], warmup: 7}"
    train = read(tmp_path, level).profile.train
    assert (train.schedule, train.learning_rate, train.warmup_steps) == ("constant", 1e-3, 7)


@pytest.mark.parametrize("layers", [-1, 0, -5])
def test_all_layers(tmp_path: Path, layers: int) -> None:
    assert read(tmp_path, f"num_layers: {layers}").profile.lora.num_layers == -1


_BOMB = "a0: &a0 {x: 1, y: 1, z: 1}\n" + "".join(
    f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}, z: [*a{n - 1}]}}\n" for n in range(1, 31)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_BOMB, "more than 20 aliases"),
        ("lora_parameters: &a\n  x: *a", "is not YAML"),
        ("a: " + "[" * 20_000, "nested more than 50 deep"),
        ("a: " + "[" * 5_000 + "]" * 5_000, "nested more than 50 deep"),
        ("a: " + "x" * (1 << 18), "longer than 256 KiB"),
        ("a: b\n c: [1\n", "lora.yaml:2: mapping values are not allowed here"),
        ("- a\n- b\n", "lora.yaml:1: it holds no keys"),
        ("just words", "lora.yaml:1: it holds no keys"),
        ("a: !!python/object/apply:os.system ['true']", "lora.yaml:1: could not determine"),
        ("a: \x01", "special characters are not allowed"),
        ("\n\nbatch_size: four", "lora.yaml:3: batch_size must be a whole number from 1 to 1024"),
        ("seed: 1\niters: 0", "lora.yaml:2: iters must be a whole number from 1, not 0"),
        (
            "lora_parameters:\n  rank: 0\n  scale: 1\n  dropout: 0",
            "lora.yaml:2: lora_parameters.rank",
        ),
        ("optimizer: lion", 'lora.yaml:1: optimizer must be "adam", "adamw",'),
        ("lora_parameters: [1]", "lora.yaml:1: lora_parameters must be keys with values"),
        ("lr_schedule: {name: x}", "lora.yaml:1: lr_schedule needs"),
        ("learning_rate: true", "lora.yaml:1: learning_rate must be a number"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FarenseError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert caught.value.exit_code == 3


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="has 2 faults") as caught:
        read(tmp_path, "batch_size: x\nseed: -1\n")
    assert caught.value.detail.count("lora.yaml:") == 2


def test_numbers_as_mlx_lm_reads_them(tmp_path: Path) -> None:
    for text, value in (("1e-5", 1e-5), ("1.5e-4", 1.5e-4), ("2E-3", 2e-3), ("0.001", 1e-3)):
        assert read(tmp_path, f"learning_rate: {text}").profile.train.learning_rate == value
    code = "import yaml, farense_tui.engine.profiles.yaml_file; print(repr(yaml.safe_load('1e-5')))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "'1e-5'"  # PyYAML's own loader is left as it was


# ---- the command --------------------------------------------------------------------------------


def test_the_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    data_of_40: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "lora.yaml"
    config.write_text(f"data: {data_of_40}\niters: 20\nreport_to: 'wandb\\e[2J'\nodd\u202e: 1\n")
    assert main(["import", "lora.yaml"]) == 0
    out, _ = capfd.readouterr()
    assert "profiles/lora.toml is written" in out
    assert "lora.yaml:2: iters: 20 micro-batches of 4 are 2.00 passes over 40 rows" in out
    assert "lora.yaml:3: report_to" in out
    assert not set(out) & {"\x1b", "\u202e"}
    assert load(tmp_path / "profiles/lora.toml").train.epochs == 2
    assert main(["profiles"]) == 0
    assert "lora " in capfd.readouterr()[0]

    before = (tmp_path / "profiles/lora.toml").read_bytes()
    config.write_text("iters: 1")
    assert main(["import", "lora.yaml"]) == 3
    assert "there is a profile lora already" in capfd.readouterr()[1]
    assert (tmp_path / "profiles/lora.toml").read_bytes() == before
    assert main(["import", "lora.yaml", "--name", "two", "--to", "own/place"]) == 0
    assert load(tmp_path / "own/place/two.toml").train.epochs == 3


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere.yaml"], "there is no nowhere.yaml"),
        (["."], "cannot read ."),
        (["lora.yaml", "--name", "../x"], "cannot be the name"),
        (["lora.yaml", "--to", "lora.yaml"], "cannot write"),
    ],
)
def test_what_the_command_refuses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    args: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lora.yaml").write_text("seed: 1")
    before = sorted(tmp_path.rglob("*"))
    assert main(["import", *args]) == 3
    assert message in capfd.readouterr()[1]
    assert sorted(tmp_path.rglob("*")) == before


def test_what_the_disk_has_not_confirmed_is_not_called_unwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lora.yaml").write_text("seed: 1")

    def fails(path: Path) -> None:
        if path.is_dir():
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(run_folder, "sync", fails)
    assert main(["import", "lora.yaml"]) == 3
    told = " ".join(capfd.readouterr()[1].split())
    assert "lora.toml is written, but the disk may not keep it" in told
    assert load(tmp_path / "profiles" / "lora.toml").train.seed == 1


def test_an_imported_profile_trains(
    tmp_path: Path, micro: Path, monkeypatch: pytest.MonkeyPatch, data_of_40: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lora.yaml").write_text(
        f"model: {micro}\ndata: {data_of_40}\niters: 10\nnum_layers: -1\nmask_prompt: true\n"
        "lora_parameters: {rank: 2, scale: 2.0, dropout: 0.0, keys: [self_attn.q_proj]}\n"
    )
    assert main(["import", "lora.yaml"]) == 0
    assert main(["train", "--profile", "lora", "--name", "r"]) == 0
    assert (tmp_path / "checkpoints/r/adapters/adapters.safetensors").is_file()


def test_names_that_mlx_lm_had_before(tmp_path: Path) -> None:
    text = """
model: some/model
data: data
train: true
lora_layers: 32
adapter_file: club.npz
lora_parameters: {rank: 64, alpha: 64, dropout: 0.0}
iters: 100
"""
    made = read(tmp_path, text)
    lora = made.profile.lora
    assert (lora.num_layers, lora.rank, lora.scale) == (32, 64, 1.0)
    assert lora.keys == ("all-linear",)
    changed = {each.key: each.what for each in made.changed}
    assert changed["lora_layers"] == "read as num_layers, which it is called now"
    assert "alpha / rank = 1" in changed["lora_parameters.alpha"]
    left = {each.key: each.what for each in made.left_out}
    assert "RUN/adapters" in left["adapter_file"]
    assert "lora_parameters.alpha" not in left


def test_a_data_set_of_the_hub_is_told_with_its_columns(tmp_path: Path) -> None:
    text = """
train: true
hf_dataset:
  path: some/questions
  prompt_feature: pergunta
  completion_feature: resposta
lora_parameters: {keys: [router.proj, lm_head], rank: 8, scale: 2.0, dropout: 0.0}
"""
    made = read(tmp_path, text)
    assert made.profile.lora.keys == ("router.proj", "lm_head")
    (remark,) = [each for each in made.left_out if each.key == "hf_dataset"]
    assert 'l("some/questions", split=s)' in remark.what
    assert '{"pergunta": "prompt", "resposta": "completion"}' in remark.what
    assert '{"train": "train[:80%]", "valid": "train[-10%:]"}' in remark.what  # as mlx_lm


def test_the_command_for_the_hub_writes_what_mlx_lm_would_read(tmp_path: Path) -> None:
    text = """
hf_dataset:
  - {path: "a/it's", train_split: "train[:10]", text_feature: corpo,
     config: {name: pt, "a=open('ran', 'w'), b": 1}}
  - {path: c/d, valid_split: test}
"""
    remarks = [each.what for each in read(tmp_path, text).left_out if each.key == "hf_dataset"]
    (tmp_path / "datasets.py").write_text(HUB)
    (tmp_path / "DIR").mkdir()
    for remark in remarks:
        told = remark[remark.index("python -c") :].replace("python", sys.executable, 1)
        subprocess.run(told, shell=True, check=True, cwd=tmp_path)
    rows = {name: (tmp_path / f"DIR/{name}.jsonl").read_text() for name in ("train", "valid")}
    assert rows == {
        "train": "a/it's train[:10] pt {'corpo': 'text'}\nc/d train[:80%] None {}\n",
        "valid": "a/it's train[-10%:] pt {'corpo': 'text'}\nc/d test None {}\n",
    }
    assert not (tmp_path / "ran").exists()  # a key is no program


@pytest.mark.parametrize("value", ["some/thing", "[some/thing]", "{name: a/b}"])
def test_a_hub_block_without_a_path_is_told(tmp_path: Path, value: str) -> None:
    left = {each.key: each.what for each in read(tmp_path, f"hf_dataset: {value}\n").left_out}
    assert "names no data set" in left["hf_dataset"]


def test_dora_by_its_former_name(tmp_path: Path) -> None:
    made = read(tmp_path, "use_dora: true\n")
    assert made.profile.train.fine_tune_type == "dora"
    assert "use_dora" in {each.key for each in made.changed}
    made = read(tmp_path, "use_dora: true\nfine_tune_type: lora\n")
    assert made.profile.train.fine_tune_type == "lora"
    assert {each.key: each.what for each in made.left_out}["use_dora"] == "fine_tune_type counts"
    assert read(tmp_path, "use_dora: false\n").profile.train.fine_tune_type == "lora"


def test_a_name_with_hyphens_is_told_with_the_one_that_is_meant(tmp_path: Path) -> None:
    left = {each.key: each.what for each in read(tmp_path, "lora-layers: 4\n").left_out}
    assert left["lora-layers"].endswith("Did you mean num_layers?")


@pytest.mark.parametrize("value", ["", "{a: null}"])
def test_a_value_that_toml_has_no_word_for_is_told(tmp_path: Path, value: str) -> None:
    with pytest.raises(FarenseError, match="1 fault") as caught:
        read(tmp_path, f"lora_parameters: {{rank: 8, scale: {value}}}\n")
    assert "lora_parameters.scale must be a number" in caught.value.detail


def test_a_file_in_place_of_a_folder_of_data(tmp_path: Path) -> None:
    rows = tmp_path / "club.jsonl"
    rows.write_text('{"text": "a"}\n')
    made = read(tmp_path, f"train: true\ndata: {rows}\n")
    (remark,) = [each for each in made.left_out if each.key == "data"]
    assert "farense-tui data make" in remark.what
