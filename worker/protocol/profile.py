"""The profile: every setting of a run, declared once, with its bounds and its help.

A profile is TOML. `parse` reads one and refuses, all faults at once, what it does not know or
what is out of bounds, naming the file, the line, the key and what would be right. The resolved
profile is written into the run folder as config.toml and is the worker's only input.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import tomli_w
from msgspec import Meta, Struct

from worker.protocol.errors import refused
from worker.protocol.hosts import Backend


class About(Struct, frozen=True, forbid_unknown_fields=True):
    """[profile]: what the card says."""

    title: Annotated[str, Meta(description="name on the card")] = "My profile"
    description: Annotated[str, Meta(description="one line under the name")] = ""
    memory_gb: Annotated[
        int, Meta(ge=0, le=1024, description="the machine it is for, 0 for any")
    ] = 0


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """[model]: what is trained."""

    repo: Annotated[
        str, Meta(min_length=1, description="Hugging Face repository, folder, or `embedded`")
    ] = "embedded"
    fallback: Annotated[str, Meta(description="a smaller one, offered beside it")] = ""
    revision: Annotated[str, Meta(description="branch, tag or commit; empty for the newest")] = ""
    trust_remote_code: Annotated[
        bool, Meta(description="run Python code that comes with the model")
    ] = False
    adapter: Annotated[
        str, Meta(description="folder of an adapter to start from, ours or mlx_lm's")
    ] = ""


class Data(Struct, frozen=True, forbid_unknown_fields=True):
    """[data]: what it is trained on."""

    path: Annotated[
        str,
        Meta(min_length=1, description="folder with train.jsonl and valid.jsonl, or `embedded`"),
    ] = "embedded"
    valid_fraction: Annotated[
        float,
        Meta(ge=0, le=0.5, description="of train.jsonl to validate on if there is no valid.jsonl"),
    ] = 0.0


class Train(Struct, frozen=True, forbid_unknown_fields=True):
    """[train]: how."""

    batch_size: Annotated[
        int, Meta(ge=1, le=1024, description="most examples that go through the model at once")
    ] = 4
    grad_accumulation: Annotated[
        int, Meta(ge=1, le=4096, description="times batch_size is the effective batch of a step")
    ] = 2
    max_seq_length: Annotated[
        int, Meta(ge=8, le=131072, description="tokens; longer examples are cut off")
    ] = 512
    fine_tune_type: Annotated[
        Literal["lora", "dora", "full"],
        Meta(description="low-rank adapter, the same with magnitudes, or all weights"),
    ] = "lora"
    optimizer: Annotated[
        Literal["adam", "adamw", "sgd", "adafactor", "muon"], Meta(description="of MLX")
    ] = "adam"
    weight_decay: Annotated[float, Meta(ge=0, le=10, description="of the optimizer")] = 0.0
    learning_rate: Annotated[float, Meta(gt=0, le=1, description="after the warm-up")] = 2e-4
    warmup_steps: Annotated[
        int, Meta(ge=0, le=1_000_000, description="in which the rate grows from 0")
    ] = 100
    schedule: Annotated[
        Literal["constant", "linear", "cosine"], Meta(description="of the rate after the warm-up")
    ] = "constant"
    final_learning_rate: Annotated[
        float, Meta(ge=0, le=1, description="where linear and cosine end")
    ] = 0.0
    max_grad_norm: Annotated[
        float, Meta(ge=0, le=1e6, description="longer gradients are scaled to it; 0 for never")
    ] = 0.0
    epochs: Annotated[int, Meta(ge=1, le=10_000, description="passes over all examples")] = 3
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1, description="of order, dropout and weights")] = 0
    mask_prompt: Annotated[bool, Meta(description="train on the answers only")] = True
    grad_checkpoint: Annotated[
        bool, Meta(description="compute activations again: less memory, more time")
    ] = False
    early_stopping: Annotated[
        int, Meta(ge=0, le=10_000, description="validations without a better one; 0 for never")
    ] = 0
    rollbacks: Annotated[
        int,
        Meta(ge=0, le=100, description="times to go back with half the rate after NaN or Inf"),
    ] = 2
    compile: Annotated[
        Literal["auto", "on", "off"],
        Meta(description="mx.compile: auto is on for a GPU, off for a CPU"),
    ] = "auto"


class Lora(Struct, frozen=True, forbid_unknown_fields=True):
    """[lora]: what is added to the model."""

    rank: Annotated[int, Meta(ge=1, le=1024, description="inner size of the adapter")] = 8
    scale: Annotated[float, Meta(gt=0, le=1000, description="factor on the adapter")] = 16.0
    dropout: Annotated[float, Meta(ge=0, lt=1, description="on the adapter's input")] = 0.0
    num_layers: Annotated[
        int, Meta(ge=-1, le=10_000, description="top layers that get one, -1 for all")
    ] = -1
    keys: Annotated[
        tuple[str, ...], Meta(min_length=1, description="linear layers that get one")
    ] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Memory(Struct, frozen=True, forbid_unknown_fields=True):
    """[memory]: limits. Fractions are of the limit that the machine sets to MLX."""

    cache_limit_gb: Annotated[
        float, Meta(ge=0, le=1024, description="buffers that MLX keeps for reuse, 0 for none")
    ] = 1.0
    wired_limit_gb: Annotated[
        float, Meta(ge=0, le=1024, description="memory that MLX pins, 0 leaves it unpinned")
    ] = 0.0
    warning: Annotated[float, Meta(gt=0, le=1, description="fraction at which it warns")] = 0.8
    critical: Annotated[
        float, Meta(gt=0, le=1, description="fraction at which it checkpoints and stops")
    ] = 0.95


class CheckpointSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[checkpoint]: what is kept."""

    every: Annotated[int, Meta(ge=1, le=1_000_000, description="steps between two")] = 200
    keep: Annotated[int, Meta(ge=1, le=1000, description="newest ones kept, and the best")] = 3


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """[report]: what is told on the way."""

    eval_every: Annotated[int, Meta(ge=1, le=1_000_000, description="steps between two")] = 200
    log_every: Annotated[
        int, Meta(ge=1, le=1_000_000, description="steps between two lines of the log")
    ] = 10
    prompts: Annotated[
        tuple[str, ...], Meta(description="asked at each validation; may be empty")
    ] = ()
    sample_tokens: Annotated[int, Meta(ge=1, le=4096, description="longest answer")] = 60


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole profile. The attributes are the sections of the file."""

    profile: About = About()
    model: Model = Model()
    data: Data = Data()
    train: Train = Train()
    lora: Lora = Lora()
    memory: Memory = Memory()
    checkpoint: CheckpointSettings = CheckpointSettings()
    report: Report = Report()

    @property
    def effective_batch(self) -> int:
        """Examples in one optimizer step."""
        return self.train.batch_size * self.train.grad_accumulation


class Run(Struct, frozen=True, forbid_unknown_fields=True):
    """[run]: what `train` adds to the profile."""

    name: Annotated[str, Meta(min_length=1, description="name of the run and of its folder")]
    profile_name: Annotated[str, Meta(description="profile it was started with")] = ""
    created: Annotated[float, Meta(ge=0, description="Unix seconds")] = 0.0
    app_version: Annotated[str, Meta(description="of farense-tui")] = ""
    format: Annotated[int, Meta(ge=1, le=1, description="of the run folder")] = 1
    ranks: Annotated[int, Meta(ge=1, le=1024, description="processes that train together")] = 1
    hosts: Annotated[str, Meta(description="hosts.json; empty for all ranks on this machine")] = ""
    backend: Annotated[Backend, Meta(description="of mx.distributed")] = "ring"


class Config(Profile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config.toml of a run: the profile with its paths resolved, and whose run it is."""

    run: Run


class Setting(Struct, frozen=True):
    """One declared setting, as a form or a reference shows it."""

    section: str
    key: str
    type: Any
    description: str
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`section.key`, as `--set` takes it."""
        return f"{self.section}.{self.key}"

    def parse(self, value: Any) -> Any:
        """Check one value; ValueError with a sentence that says what would be right."""
        if isinstance(value, list):
            value = tuple(value)
        try:
            return msgspec.convert(value, self.type)
        except msgspec.ValidationError:
            raise ValueError(f"must be {self.rule()}, not {_shown(value)}") from None

    def parse_text(self, text: str) -> Any:
        """Check a value that was typed: as TOML where it is TOML, else as a string."""
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        if get_origin_type(self.type) is str and not isinstance(value, str):
            value = text
        if get_origin_type(self.type) is tuple and isinstance(value, str):
            value = text.replace(",", " ").split()
        return self.parse(value)

    def rule(self) -> str:
        """What a right value is, in words: `a whole number from 1 to 1024`."""
        if self.choices:
            return " or ".join(f'"{choice}"' for choice in self.choices)
        origin = get_origin_type(self.type)
        noun = _NOUNS[origin]
        meta = next(
            (m for m in getattr(self.type, "__metadata__", ()) if isinstance(m, Meta)), Meta()
        )
        low = f"from {_bound(meta.ge)}" if meta.ge is not None else ""
        low = f"above {_bound(meta.gt)}" if meta.gt is not None else low
        high = f"to {_bound(meta.le)}" if meta.le is not None else ""
        high = f"below {_bound(meta.lt)}" if meta.lt is not None else high
        if meta.min_length and origin in (str, tuple):
            return f"{noun} that is not empty"
        joiner = " and " if "above" in low or "below" in high else " "
        return " ".join(
            part for part in (noun, joiner.join(filter(None, (low, high))).strip()) if part
        )


_NOUNS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a string",
    tuple: "a list of strings",
}


def _bound(value: float) -> str:
    """Write a bound with all its digits, also a large one."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def get_origin_type(annotation: Any) -> type:
    """Give the plain type under `Annotated`, `Literal` and `tuple[...]`."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    origin = get_origin(annotation)
    if origin is Literal:
        return str
    return origin or annotation


def _shown(value: Any) -> str:
    return tomli_w.dumps({"v": value if not isinstance(value, tuple) else list(value)})[4:].strip()


def _settings(root: type[Struct]) -> dict[str, dict[str, Setting]]:
    """Every setting that `root` declares, by section and key, in order."""
    declared: dict[str, dict[str, Setting]] = {}
    for section, section_type in get_type_hints(root).items():
        hints = get_type_hints(section_type, include_extras=True)
        declared[section] = {}
        for key in section_type.__struct_fields__:
            meta = next(m for m in hints[key].__metadata__ if isinstance(m, Meta))
            base = get_args(hints[key])[0]
            choices = get_args(base) if get_origin(base) is Literal else ()
            declared[section][key] = Setting(
                section, key, hints[key], meta.description or "", choices
            )
    return declared


SETTINGS = _settings(Profile)
_CONFIG_SETTINGS = _settings(Config)


def setting(name: str) -> Setting:
    """Look up `section.key`; a FarenseError names the nearest one there is."""
    section, _, key = name.partition(".")
    found = SETTINGS.get(section, {}).get(key)
    if found is None:
        known = [s.name for keys in SETTINGS.values() for s in keys.values()]
        raise refused(f"there is no setting {name}", hint=_nearest(name, known), kind="profile")
    return found


def parse(text: str, source: str) -> Profile:
    """Read a profile. `source` is the file's name for the messages.

    Raises FarenseError (refused) that lists every fault with its line.
    """
    return _parse(text, source, Profile, SETTINGS)


def parse_config(text: str, source: str) -> Config:
    """Read the config.toml of a run, as `parse` reads a profile."""
    config = _parse(text, source, Config, _CONFIG_SETTINGS)
    assert isinstance(config, Config)
    return config


def load(path: Path) -> Profile:
    """Read a profile from a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise refused(f"cannot read the profile {path}", error.strerror or "") from error
    except UnicodeDecodeError as error:
        raise refused(f"{path} is not UTF-8", f"byte {error.start}", "Save it as UTF-8.") from error
    return parse(text, str(path))


def dumps(profile: Profile) -> str:
    """Write a profile or a config as TOML, every setting in it."""
    return tomli_w.dumps(msgspec.to_builtins(profile))


def contradictions(profile: Profile) -> list[str]:
    """Say what in a profile does not go together, each as `section.key ...`."""
    train, found = profile.train, []
    if train.weight_decay and train.optimizer == "adam":
        found.append("train.weight_decay has no effect with adam; adamw is Adam with weight decay")
    if train.schedule != "constant" and train.final_learning_rate > train.learning_rate:
        found.append("train.final_learning_rate is above train.learning_rate")
    if train.schedule == "constant" and train.final_learning_rate:
        found.append("train.final_learning_rate has no effect with a constant schedule")
    if profile.memory.warning > profile.memory.critical:
        found.append("memory.warning is above memory.critical")
    return found


def check(profile: Profile) -> None:
    """Refuse a profile whose settings do not go together."""
    found = contradictions(profile)
    if found:
        raise refused("settings contradict each other", "\n".join(found), kind="profile")


P = TypeVar("P", bound=Profile)


def replace_setting(profile: P, name: str, value: Any) -> P:
    """Give a profile with one setting changed. The value must have been parsed before."""
    section, _, key = name.partition(".")
    changed = msgspec.structs.replace(getattr(profile, section), **{key: value})
    return msgspec.structs.replace(profile, **{section: changed})


def _parse(
    text: str, source: str, root: type[Profile], declared: dict[str, dict[str, Setting]]
) -> Profile:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise refused(f"{source} is not TOML", str(error), kind="profile") from error
    faults: list[str] = []
    sections: dict[str, Any] = {}
    types = get_type_hints(root)
    for section, table in tables.items():
        where = f"line {_line_of(text, section)}: "
        if section not in declared:
            faults.append(f"{where}unknown section [{section}]. {_nearest(section, declared)}")
        elif not isinstance(table, dict):
            faults.append(f"{where}{section} must be a section, [{section}]")
        else:
            values = {}
            for key, value in table.items():
                where = f"line {_line_of(text, section, key)}: "
                if key not in declared[section]:
                    nearest = _nearest(key, declared[section])
                    faults.append(f"{where}unknown key {section}.{key}. {nearest}")
                    continue
                try:
                    values[key] = declared[section][key].parse(value)
                except ValueError as error:
                    faults.append(f"{where}{section}.{key} {error}")
            if not faults:
                try:
                    sections[section] = types[section](**values)
                except TypeError as error:
                    faults.append(f"[{section}]: {error}")
    missing = [name for name in declared if name == "run" and name not in tables]
    faults += [f"the section [{name}] is missing" for name in missing]
    if faults:
        raise refused(
            f"{source} has {len(faults)} fault{'s' if len(faults) > 1 else ''}",
            "\n".join(fault.strip() for fault in faults),
            kind="profile",
        )
    return root(**sections)


def _nearest(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."


def _line_of(text: str, section: str, key: str | None = None) -> int:
    """Line of a section's head or of a key in it, for messages; 1 if it is written another way."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[\s*([\w-]+)\s*\]", line)
        if head:
            inside = head[1] == section
            if inside and key is None:
                return number
        if key is None and re.match(rf"\s*{re.escape(section)}\s*[.=]", line):
            return number
        if key is not None and (
            (inside and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line))
            or re.match(rf"\s*{re.escape(section)}\s*\.\s*{re.escape(key)}\s*=", line)
        ):
            return number
    return 1
