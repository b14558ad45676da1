"""Train every text model of mlx_lm that can be built small, and write docs/families.md.

    python benchmarks/families/families.py              all of them, each in a process of its own
    python benchmarks/families/families.py llama qwen3  some of them, printed and not written

Each gets random weights and four layers, of which the upper two get adapters on every linear layer.
It takes three steps, once in a go and once saved and restored after two, and mlx_lm reads the
adapter: the weights must be equal to the last bit, the logits to 1e-4.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from farense_worker.protocol.errors import FarenseError

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "families.md"
LAYERS = 4
_LARGEST = 5_000_000  # parameters; what comes out larger has sizes that no rule below knows
_SECONDS = 120
FAILURES = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip

# Small sizes by the names that model files give them; the first that matches counts.
SIZES: tuple[tuple[str, Any], ...] = (
    (r"^(hidden_size|n_embd|d_model|dim|model_dim|emb_dim|block_dim|dim_model_base)$", 32),
    (r"^(num_hidden_layers|n_layers?|num_layers|num_transformer_layers)$", LAYERS),
    (r"^vocab_size(_per_layer_input)?$", 288),
    (r"(num_(global_)?key_value_heads|n_kv_heads?|num_kv_heads|num_query_groups)$", 2),
    (r"^(num_attention_heads|n_heads?|num_heads|num_query_heads|swa_num_attention_heads)$", 2),
    (r"(linear_num_(key|value)_heads|index_n_heads)$", 2),
    (r"(index_topk|conv_kernel|d_conv|linear_conv_kernel|conv_L_cache|conv1d_width)", 4),
    (r"^(num_experts|n_routed_experts|num_local_experts|moe_num_experts|n_experts)$", 4),
    (r"(experts_per_tok(en)?|moe_k|moe_topk|num_selected_experts|block_multiple_of)$", 2),
    (r"^(n_group|topk_group|num_expert_group|group_norm_size|scale_depth|scale_emb)$", 1),
    (r"^(n_shared_experts|num_shared_experts?|moe_num_shared_experts|moe_layer_freq)$", 1),
    (r"^(first_k_dense_replace|num_dense_layers|moe_layer_start_index|decoder_sparse_step)$", 1),
    (r"^(attn_layer_offset|expert_layer_offset)$", 1),
    (r"^(attn_layer_period|expert_layer_period|cla_share_factor|conv_window)$", 2),
    (r"(moe_|shared_|expert_)\w*(intermediate|hidden)_size|moe_ffn_hidden_size|n_inner", 32),
    (r"(intermediate_size|ffn_dim|ffn_hidden_size|mlp_hidden_size|inner_dim|d_ff)", 64),
    (r"q_lora_rank|kv_lora_rank|index_head_dim|state_size|d_state|low_rank_dim", 16),
    (r"qk_rope_head_dim|rotary_dim|rotary_ndims|hidden_size_per_layer_input", 8),
    (r"head_dim|head_size|dim_head|kv_channels|query_pre_attn_scalar", 16),
    (r"(sliding_window_pattern|full_attention_interval|layer_group_size|every_n_layers)$", 2),
    (r"sliding_window|window_size|block_size|chunk_size", 8),
    (r"num_kv_(shared|reuse)_layers", 0),
    (r"(max_position_embeddings|n_positions|n_ctx|max_seq\w*|model_max_length)$", 512),
    (r"(eps|epsilon)$", 1e-5),
    (r"(rope_theta|rotary_emb_base|rope_base)", 10_000.0),
    (r"(mamba_n_heads|mamba_num_heads|time_step_rank|dt_rank)", 4),
    (r"^(mamba_|ssm_)?n_groups$", 1),
    (r"(multiplier|logits_scaling|routed_scaling_factor)$", 1.0),
    (r"partial_rotary_factor|rotary_pct", 0.5),
    (r"(norm_topk_prob|use_qk_norm|qk_norm|use_conv_bias|use_expert_bias)$", True),
    (r"(_bias|^bias|post_norm|neg_eigval|use_mixed_mlp_moe|use_cla|auto_adjust_ff_dim)$", False),
    (r"^(mlp_only_layers|no_rope_layers)$", []),
    (r"^layer_types$", ["full_attention"] * LAYERS),
    (r"^hidden_act$", "silu"),
    (r"^scoring_func$", "sigmoid"),
    (r"^topk_method$", "noaux_tc"),
    (r"^(gegelu_limit|logits_soft_cap)$", 20.0),
    (r"^time_step_limit$", [0.0, 1e9]),
    (r"^rope_parameters$", {"rope_type": "default", "rope_theta": 10_000.0}),
)
# What no rule gives.
OWN: dict[str, dict[str, Any]] = {
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_d_head": 16},
    "gemma3_text": {"sliding_window_pattern": 2},
    "gemma4_text": {"layer_types": ["sliding_attention", "full_attention"] * 2},
    "mamba": {"intermediate_size": 64},
    # With the head tied, mlx_lm adds a lm_head.weight that the model has no place for.
    "minicpm": {"tie_word_embeddings": False},
    "mistral4": {
        "rope_parameters": {
            "rope_theta": 10_000.0,
            "llama_4_scaling_beta": 0.1,
            "original_max_position_embeddings": 512,
        }
    },
    "muse_glimmer": {"layer_rope_theta": [10_000.0] * LAYERS},
    "nemotron": {"hidden_act": "relu2"},
    "plamo": {"n_shared_head": 1},
    "rwkv7": {"head_dim": 16},
}

# Weights that mlx_lm begins with 0, where the gradient of a norm is no number.
NUDGED = ("rwkv7",)
# Why it is as it is, where the error alone does not say it.
REASONS = {
    "bitnet": "its layers are Metal kernels: none on a CPU, and without a gradient on a Mac",
    "deepseek_v41": "mlx_lm lets a gradient into the choice of indices, which has none",
    "olmo": "mlx_lm's file ends Python without the package ai2-olmo; here it is told",
    "rwkv7": "on a Mac mlx_lm trains it by a Metal kernel without a gradient as well: CPU alone",
}


@dataclass(frozen=True)
class Result:
    """What was seen of a family; `fault` says what failed."""

    kind: str
    parameters: int = 0
    adapted: int = 0
    apart: bool = False
    split: bool = False
    resumes: bool = False
    read: bool = False
    fault: str = ""

    @property
    def good(self) -> bool:
        """Whether all that is looked at was seen."""
        return self.apart and self.split and self.resumes and self.read


def main() -> int:
    """Try them, and write or print what was seen."""
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        print(json.dumps(asdict(one(sys.argv[2]))))
        return 0
    chosen = sys.argv[1:] or list(kinds())
    found = []
    for kind in chosen:
        found.append(apart(kind))
        print(found[-1], flush=True)
    if not sys.argv[1:]:
        PAGE.write_text(page(found), encoding="utf-8")
    return 0


def kinds() -> Iterator[str]:
    """Name the model files."""
    import mlx_lm.models

    for module in pkgutil.iter_modules(mlx_lm.models.__path__):
        yield module.name


def apart(kind: str) -> Result:
    """Try one in a process of its own: some never come back, some end Python."""
    command = [sys.executable, __file__, "--one", kind]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        return Result(**json.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        return Result(kind, fault="takes too long to build")
    except (IndexError, ValueError, TypeError):
        lines = done.stderr.strip().splitlines()
        return Result(kind, fault=lines[-1][:90] if lines else "no answer")


def configured(kind: str, arguments: Any) -> dict[str, Any]:
    """Make a small configuration, by the names of what the class takes."""
    made: dict[str, Any] = {"model_type": kind, "tie_word_embeddings": True}
    for name, parameter in inspect.signature(arguments).parameters.items():
        value = next((value for pattern, value in SIZES if re.search(pattern, name)), None)
        given = parameter.default
        needed = given is inspect.Parameter.empty
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if needed or (number and not isinstance(given, bool | list | dict | str)):
            if value is not None:
                made[name] = value
            elif needed and name not in made:
                made[name] = None
    return made | OWN.get(kind, {})


def one(kind: str) -> Result:
    """Build, train, resume, and let mlx_lm read it."""
    sys.path.insert(0, str(ROOT))
    try:
        family = importlib.import_module(f"mlx_lm.models.{kind}")
        arguments = family.ModelArgs
        config = configured(kind, arguments)
        size = _size(family.Model(arguments.from_dict(config)))
    except FAILURES as error:
        return Result(kind, fault=f"not built: {type(error).__name__}: {error}"[:90])
    if size > _LARGEST:
        return Result(kind, fault="not built: its sizes have other names")
    try:
        return _trained(kind, config, size)
    except (*FAILURES, FarenseError) as error:
        return Result(kind, size, fault=" ".join(f"{type(error).__name__}: {error}".split())[:120])


def _size(network: Any) -> int:
    from mlx.utils import tree_flatten

    return sum(value.size for _, value in tree_flatten(network.parameters()))


def _trained(kind: str, config: dict[str, Any], size: int) -> Result:
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.utils import load_adapters, load_model

    from benchmarks.families.training import Training, read
    from tests import micro_model

    with tempfile.TemporaryDirectory() as place:
        folder = micro_model.make(Path(place) / "model", **({"kind": kind} | config))
        if kind in NUDGED:
            _nudge(folder / "model.safetensors")
        whole, broken = Training(folder), Training(folder)
        whole.steps(1, 3)
        broken.steps(1, 2)
        resumed = Training(folder)
        resumed.take_over(broken, Path(place) / "run")
        resumed.steps(3, 3)
        here, there = (dict(tree_flatten(each.trainable())) for each in (whole, resumed))
        same = all(bool(mx.array_equal(here[name], there[name]).item()) for name in here)
        adapter = whole.save(Path(place) / "adapter")
        theirs, _config = load_model(folder)
        load_adapters(theirs, str(adapter))
        equal = read(whole.network, theirs)
        return Result(
            kind, size, len(here) // 2, whole.parts is not None, whole.splits(), same, equal
        )


def _nudge(file: Path) -> None:
    import mlx.core as mx

    weights: Any = mx.load(str(file))
    moved = {name: w + 0.1 * mx.random.normal(w.shape, w.dtype) for name, w in weights.items()}
    mx.eval(moved)
    mx.save_safetensors(str(file), moved)


def page(found: list[Result]) -> str:
    """Write the table."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("mlx", "mlx-lm"))
    tried = [each for each in found if not each.fault.startswith("not built")]
    plain = [each for each in tried if each.kind and each.good and each.kind not in REASONS]
    rows = [
        f"| {each.kind} | {_mark(each.apart)} | {_mark(each.split)} | {_mark(each.resumes)} "
        f"| {_mark(each.read)} | {REASONS.get(each.kind, each.fault)} |"
        for each in tried
        if each.kind and each not in plain
    ]
    left = sorted(
        each.kind
        for each in found
        if each.fault.startswith("not built") and "'ModelArgs'" not in each.fault  # a helper
    )
    return _PAGE.format(
        versions=versions,
        n=len(tried),
        all_of_it=len(plain),
        plain=", ".join(each.kind for each in plain),
        rows="\n".join(rows),
        left=", ".join(left),
    )


def _mark(yes: bool) -> str:
    return "yes" if yes else "no"


_PAGE = """\
# Families

`benchmarks/families/families.py` made this table ({versions}, CPU). It builds every model file of
mlx_lm that it can make small, with random weights and four layers, puts adapters on every linear
layer of the upper two (experts and routers included), takes three steps, and has mlx_lm read the
adapter.

- **loss without logits**: body and head come apart, so that only label positions get logits.
- **trunk**: the layers below the trained ones can be computed once and stored, or in groups.
- **resumes**: saved after two steps, restored and continued, the weights are equal to the last bit.
- **mlx_lm reads it**: mlx_lm's model with the adapter gives the same logits, to 1e-4.

What does not come apart is trained the plain way, and a run says so.

What mlx_lm leaves out of a family it leaves out here: its gemma2 has no sliding window (4,096
tokens in Google's models; shorter rows are not touched), and a minicpm with a tied head is
refused with mlx_lm's own words.

Of {n} model files these {all_of_it} do all four: {plain}.

| the others | loss without logits | trunk | resumes | mlx_lm reads it | remark |
| --- | --- | --- | --- | --- | --- |
{rows}

Not built small by this script, so not tried: {left}.
"""


if __name__ == "__main__":
    raise SystemExit(main())
