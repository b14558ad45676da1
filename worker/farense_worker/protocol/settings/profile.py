"""The profile: every setting of a run, declared once, with its bounds and its help.

The resolved profile is written into the run folder as config.toml, which is what a worker reads.
fields.py looks at these declarations one by one, profile_file.py reads and writes them as TOML.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from farense_worker.protocol.hosts import Backend
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.upgrade import FORMAT

# Which answers of a conversation are labels.
Answers = Literal["all", "last"]
Dtype = Literal["auto", "model", "float32", "float16", "bfloat16"]


class About(Struct, frozen=True, forbid_unknown_fields=True):
    """[profile]: what the card says."""

    title: Annotated[str, Meta(description=_("name on the card"))] = _("My profile")
    description: Annotated[str, Meta(description=_("one line under the name"))] = ""
    memory_gb: Annotated[
        int, Meta(ge=0, le=1024, description=_("the machine it is for, 0 for any"))
    ] = 0


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """[model]: what is trained."""

    repo: Annotated[
        str, Meta(min_length=1, description=_("Hugging Face repository, folder, or `embedded`"))
    ] = "embedded"
    fallback: Annotated[str, Meta(description=_("a smaller one, offered beside it"))] = ""
    revision: Annotated[str, Meta(description=_("branch, tag or commit; empty for the newest"))] = (
        ""
    )
    dtype: Annotated[
        Dtype,
        Meta(
            description=_(
                "what it computes in: auto is float32 on a CPU, float16 on an M1 or M2, "
                "which have no bfloat16, and else what the model comes in, as model is everywhere"
            )
        ),
    ] = "auto"
    trust_remote_code: Annotated[
        bool, Meta(description=_("run Python code that comes with the model"))
    ] = False
    adapter: Annotated[
        str, Meta(description=_("folder of an adapter to start from, ours or mlx_lm's"))
    ] = ""


class Features(Struct, frozen=True, kw_only=True):
    """Keys that hold what is trained on in each row, under mlx_lm's names for them."""

    prompt_feature: Annotated[
        str, Meta(min_length=1, description=_("key of a row that holds the question"))
    ] = "prompt"
    completion_feature: Annotated[
        str, Meta(min_length=1, description=_("key of a row that holds the answer to it"))
    ] = "completion"
    chat_feature: Annotated[
        str, Meta(min_length=1, description=_("key of a row that holds a conversation"))
    ] = "messages"
    text_feature: Annotated[
        str, Meta(min_length=1, description=_("key of a row that holds plain text"))
    ] = "text"

    @property
    def features(self) -> Features:
        """These four alone."""
        return Features(**{name: getattr(self, name) for name in Features.__struct_fields__})


class Data(Features, frozen=True, forbid_unknown_fields=True):
    """[data]: what it is trained on."""

    path: Annotated[
        str,
        Meta(min_length=1, description=_("folder with train.jsonl and valid.jsonl, or `embedded`")),
    ] = "embedded"
    valid_fraction: Annotated[
        float,
        Meta(
            ge=0, le=0.5, description=_("of train.jsonl to validate on if there is no valid.jsonl")
        ),
    ] = 0.0
    skip: Annotated[
        bool,
        Meta(
            description=_(
                "leave out the rows that cannot be trained on, even if they are over a tenth"
            )
        ),
    ] = False
    keep_mb: Annotated[
        float,
        Meta(
            ge=0,
            le=1024,
            description=_("of data, up to which the run folder keeps a copy; 0 for none"),
        ),
    ] = 4.0
    append_end: Annotated[
        bool,
        Meta(
            description=_("end an answer with the eos as a label where the template writes no end")
        ),
    ] = True


class Train(Struct, frozen=True, forbid_unknown_fields=True):
    """[train]: how."""

    batch_size: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            description=_(
                "examples of max_seq_length that go through the model at once, if they fit; of "
                "shorter ones, as many as take the same tokens"
            ),
        ),
    ] = 4
    grad_accumulation: Annotated[
        int, Meta(ge=1, le=4096, description=_("times batch_size is the effective batch of a step"))
    ] = 2
    max_seq_length: Annotated[
        int, Meta(ge=8, le=131072, description=_("tokens; longer examples are cut off"))
    ] = 512
    fine_tune_type: Annotated[
        Literal["lora", "dora", "full"],
        Meta(
            description=_(
                "low-rank adapter, the same with magnitudes, or all weights of the layers"
            )
        ),
    ] = "lora"
    modules: Annotated[
        tuple[str, ...],
        Meta(
            description=_(
                "with full: what is trained beside the layers, such as embed_tokens, norm, lm_head"
            )
        ),
    ] = ()
    optimizer: Annotated[
        Literal["adam", "adamw", "sgd", "adafactor", "muon"],
        Meta(
            description=_(
                "of MLX: its Muon decays weights before they are orthogonalised, its SGD is taken "
                "without momentum"
            )
        ),
    ] = "adam"
    weight_decay: Annotated[float, Meta(ge=0, le=10, description=_("of the optimizer"))] = 0.0
    learning_rate: Annotated[float, Meta(gt=0, le=1, description=_("after the warm-up"))] = 2e-4
    warmup_steps: Annotated[
        int, Meta(ge=0, le=1_000_000, description=_("in which the rate grows from 0"))
    ] = 100
    warmup_cap: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description=_("share of all steps that the warm-up takes at most; 0 for no cap"),
        ),
    ] = 0.1
    schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        Meta(description=_("of the rate after the warm-up")),
    ] = "constant"
    final_learning_rate: Annotated[
        float, Meta(ge=0, le=1, description=_("where linear and cosine end"))
    ] = 0.0
    max_grad_norm: Annotated[
        float, Meta(ge=0, le=1e6, description=_("longer gradients are scaled to it; 0 for never"))
    ] = 0.0
    epochs: Annotated[int, Meta(ge=1, le=10_000, description=_("passes over all examples"))] = 3
    seed: Annotated[
        int, Meta(ge=0, le=2**32 - 1, description=_("of order, dropout and weights"))
    ] = 0
    mask_prompt: Annotated[bool, Meta(description=_("train on the answers only"))] = True
    answers: Annotated[
        Answers,
        Meta(description=_("of a conversation, those that mask_prompt trains on: all or the last")),
    ] = "all"
    grad_checkpoint: Annotated[
        bool, Meta(description=_("compute activations again: less memory, more time"))
    ] = False
    trunk_cache: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description=_(
                "compute the layers below the trained ones once, not in every epoch: auto "
                "does so where it can"
            )
        ),
    ] = "auto"
    shared_prefix: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description=_(
                "compute what rows begin with alike, such as a system prompt, once for all of "
                "them: auto does so where it saves time and changes nothing"
            )
        ),
    ] = "auto"
    early_stopping: Annotated[
        int, Meta(ge=0, le=10_000, description=_("validations without a better one; 0 for never"))
    ] = 0
    rollbacks: Annotated[
        int,
        Meta(ge=0, le=100, description=_("times to go back with half the rate after NaN or Inf")),
    ] = 2
    compile: Annotated[
        Literal["auto", "on", "off"],
        Meta(description=_("mx.compile: auto is on for a GPU, off for a CPU")),
    ] = "auto"


class Lora(Struct, frozen=True, forbid_unknown_fields=True):
    """[lora]: what is added to the model."""

    rank: Annotated[int, Meta(ge=1, le=1024, description=_("inner size of the adapter"))] = 8
    scale: Annotated[float, Meta(gt=0, le=1000, description=_("factor on the adapter"))] = 16.0
    dropout: Annotated[float, Meta(ge=0, lt=1, description=_("on the adapter's input"))] = 0.0
    num_layers: Annotated[
        int, Meta(ge=-1, le=10_000, description=_("top layers that get one, -1 for all"))
    ] = -1
    keys: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description=_(
                "modules that get one, by name or its end: q_proj, experts' gate_proj, a router's "
                "gate, lm_head; all-linear for every one of a layer"
            ),
        ),
    ] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Memory(Struct, frozen=True, forbid_unknown_fields=True):
    """[memory]: limits. Fractions are of the limit that the machine sets to MLX."""

    cache_limit_gb: Annotated[
        float, Meta(ge=0, le=1024, description=_("buffers that MLX keeps for reuse, 0 for none"))
    ] = 1.0
    wired_limit_gb: Annotated[
        float, Meta(ge=0, le=1024, description=_("memory that MLX pins, 0 leaves it unpinned"))
    ] = 0.0
    limit_gb: Annotated[
        float,
        Meta(
            ge=0, le=1024, description=_("memory the run may take, 0 for what the machine allows")
        ),
    ] = 0.0
    trunk_cache_gb: Annotated[
        float, Meta(ge=0, le=65536, description=_("disk that train.trunk_cache may take"))
    ] = 16.0
    warning: Annotated[float, Meta(gt=0, le=1, description=_("fraction at which it warns"))] = 0.8
    critical: Annotated[
        float, Meta(gt=0, le=1, description=_("fraction at which it checkpoints and stops"))
    ] = 0.95
    keep_free_gb: Annotated[
        float,
        Meta(ge=0, le=1024, description=_("with less free on the machine it cuts finer, or stops")),
    ] = 0.2


class CheckpointSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[checkpoint]: what is kept."""

    every: Annotated[int, Meta(ge=1, le=1_000_000, description=_("steps between two"))] = 200
    at_least: Annotated[
        int, Meta(ge=0, le=1000, description=_("times in a run, however short; 0 for none"))
    ] = 4
    minutes: Annotated[
        float,
        Meta(ge=0, le=1_000_000, description=_("after which it saves at the latest; 0 for never")),
    ] = 15.0
    keep: Annotated[int, Meta(ge=1, le=1000, description=_("newest ones kept, and the best"))] = 3


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """[report]: what is told on the way."""

    eval_every: Annotated[int, Meta(ge=1, le=1_000_000, description=_("steps between two"))] = 200
    eval_at_least: Annotated[
        int, Meta(ge=0, le=1000, description=_("times in a run, however short; 0 for none"))
    ] = 4
    log_every: Annotated[
        int, Meta(ge=1, le=1_000_000, description=_("steps between two lines of the log"))
    ] = 10
    prompts: Annotated[
        tuple[str, ...],
        Meta(description=_("asked at each validation, with the rows' system prompt; may be empty")),
    ] = ()
    questions: Annotated[
        int,
        Meta(
            ge=0,
            le=20,
            description=_(
                "asked in place of prompts where there are none: the first ones of the data's own "
                "test.jsonl, else valid.jsonl, else train.jsonl"
            ),
        ),
    ] = 0
    sample_tokens: Annotated[int, Meta(ge=1, le=4096, description=_("longest answer"))] = 60
    at_end: Annotated[bool, Meta(description=_("write report.html and plots when a run ends"))] = (
        True
    )
    trackers: Annotated[
        tuple[Literal["tensorboard", "wandb"], ...],
        Meta(
            description=_(
                "what else is written while it trains: for TensorBoard, for offline wandb"
            )
        ),
    ] = ()


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

    name: Annotated[str, Meta(min_length=1, description=_("name of the run and of its folder"))]
    profile_name: Annotated[str, Meta(description=_("profile it was started with"))] = ""
    created: Annotated[float, Meta(ge=0, le=32_503_680_000, description=_("Unix seconds"))] = 0.0
    app_version: Annotated[str, Meta(description=_("of farense-tui"))] = ""
    model_sha256: Annotated[
        str, Meta(description=_("of what tells models apart; empty where it was to be downloaded"))
    ] = ""
    tokenizer_sha256: Annotated[
        str, Meta(description=_("of tokenizer and chat template; empty as above"))
    ] = ""
    data_sha256: Annotated[str, Meta(description=_("of what tells data sets apart"))] = ""
    format: Annotated[int, Meta(ge=1, le=FORMAT, description=_("of the run folder"))] = FORMAT
    ranks: Annotated[int, Meta(ge=1, le=1024, description=_("processes that train together"))] = 1
    hosts: Annotated[
        str, Meta(description=_("hosts.json; empty for all ranks on this machine"))
    ] = ""
    backend: Annotated[Backend, Meta(description=_("of mx.distributed"))] = "ring"


class Config(Profile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config.toml of a run: the profile as it was asked for, and whose run it is."""

    run: Run


P = TypeVar("P", bound=Profile)


def replace_setting(profile: P, name: str, value: Any) -> P:
    """Give a profile with one setting changed. The value must have been parsed before."""
    section, _dot, key = name.partition(".")
    changed = msgspec.structs.replace(getattr(profile, section), **{key: value})
    return msgspec.structs.replace(profile, **{section: changed})
