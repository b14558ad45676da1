"""The shape of a model: what its memory and its time follow from. Read without loading a weight."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from farense_worker.protocol import plain_file
from farense_worker.protocol.plan import adapter, precision
from farense_worker.protocol.plan.adapter import Trained
from farense_worker.protocol.settings.profile import Profile

# Tensors of 64 quantised weights share a scale and a bias of 16 bits: MLX's default.
_GROUP = 64
_BYTES = {"F64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "U16": 2, "I8": 1, "U8": 1}
_FLOATS = ("F32", "F16", "BF16")
_LAYER = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\.(.+)$")


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder. Bytes are of the weights as stored.

    linear: the linear layers of the first layer by name (self_attn.q_proj ...), each (inputs,
    outputs); other: weights of that layer besides (norms and the like).
    experts: those of it that are of several, each (experts, inputs, outputs). beside: shapes of the
    weights that stand in no layer, by module (lm_head ...).
    layer_bytes: of each layer; outer_bytes: of all else (embedding, norm, head).
    half: whether it computes in 16 bits. layer_floats, outer_floats: of the bytes those that are
    numbers of that kind, not packed integers.
    tokenizer: bytes of its tokenizer.json, 0 if that is not here.
    """

    kind: str
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocabulary: int
    linear: Mapping[str, tuple[int, int]]
    other: int
    layer_bytes: tuple[int, ...]
    outer_bytes: int
    half: bool
    layer_floats: tuple[int, ...]
    outer_floats: int
    experts: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    beside: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tokenizer: int = 0

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self.layer_bytes)

    @property
    def bytes(self) -> int:
        """Of all weights."""
        return self.outer_bytes + sum(self.layer_bytes)

    @property
    def layer_weights(self) -> int:
        """Weights of the linear layers of one layer, which most of the time is spent on."""
        return sum(inputs * outputs for inputs, outputs in self.linear.values())

    def computed(self, profile: Profile, *, gpu: bool, room: int = 0) -> Shape:
        """The same as a run of this profile has it in memory: in the type that it computes in.

        room: bytes that weights may take. On a CPU quantised ones are unpacked where they fit.
        """
        shape = self._of_type(profile, gpu=gpu)
        whole = shape if gpu else shape._unpacked()
        return whole if whole.bytes <= room else shape

    def _unpacked(self) -> Shape:
        """The same with numbers in place of packed integers, their scales and biases."""
        size, packed = (2 if self.half else 4), self.layer_bytes[0] - self.layer_floats[0]
        if packed <= 0 or self.experts:
            return self
        numbers = self.layer_weights / packed  # that a byte stands for
        scales = (self.layer_floats[0] - self.other * size) / packed  # bytes to a byte

        def whole(all_bytes: int, floats: int) -> int:
            return int(floats + (all_bytes - floats) * (numbers * size - scales))

        sizes = zip(self.layer_bytes, self.layer_floats, strict=True)
        layers = tuple(whole(*each) for each in sizes)
        outer = whole(self.outer_bytes, self.outer_floats)
        return replace(
            self,
            layer_bytes=layers,
            layer_floats=layers,
            outer_bytes=outer,
            outer_floats=outer,
        )

    def _of_type(self, profile: Profile, *, gpu: bool) -> Shape:
        comes = "float16" if self.half else "float32"  # or bfloat16, which is as large
        chosen = precision.choose(profile.model, comes, self.kind, gpu=gpu, architecture="")
        if (chosen != "float32") == self.half:
            return self
        layers = tuple(2 * n if self.half else n // 2 for n in self.layer_floats)
        outer = 2 * self.outer_floats if self.half else self.outer_floats // 2
        changes = zip(self.layer_bytes, layers, self.layer_floats, strict=True)
        return replace(
            self,
            half=not self.half,
            layer_bytes=tuple(size + now - then for size, now, then in changes),
            outer_bytes=self.outer_bytes + outer - self.outer_floats,
            layer_floats=layers,
            outer_floats=outer,
        )

    def trained(self, profile: Profile) -> Trained:
        """How much a run of this profile trains."""
        size = 2 if self.half else 4
        return adapter.trained(
            profile,
            self.linear,
            self.layers,
            other=self.other,
            size=size,
            experts=self.experts,
            beside=self.beside,
        )


def read(folder: Path) -> Shape | None:
    """Read a model's folder: config.json and the headers of its weights; None if it is unlike."""
    try:
        config = json.loads(plain_file.text(folder / "config.json"))
        tensors = [t for path in sorted(folder.glob("model*.safetensors")) for t in _header(path)]
        shape, tokenizer = _of(config, tensors), folder / "tokenizer.json"
        if shape and tokenizer.is_file():
            return replace(shape, tokenizer=tokenizer.stat().st_size)
        return shape
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ):
        return None


def known(repo: str) -> Shape | None:
    """Give the shape of a repository that is not here, by its name; None if it is not known."""
    name = repo.rpartition("/")[2]
    found = re.fullmatch(r"(.+?)(?:-MLX)?-(?:(\d)-?bit|bf16|fp16)", name, re.IGNORECASE)
    base, bits = (found[1], int(found[2] or 16)) if found else (name, 16)
    sizes = _KNOWN.get(re.sub(r"-(instruct|it|chat)(?=-|$)", "", base.lower()))
    return _dense(*sizes, bits=bits) if sizes else None


def _header(path: Path) -> Iterable[tuple[str, tuple[int, ...], str]]:
    """Names, shapes and types of a file's tensors: the safetensors format begins with them."""
    with plain_file.reading(path) as file:
        size = int.from_bytes(file.read(8), "little")
        if size > 100 << 20:
            raise ValueError("no safetensors file")  # not translated: `read` catches it
        header = json.loads(file.read(size))
    for name, about in header.items():
        if name != "__metadata__":
            yield name, tuple(about["shape"]), about["dtype"]


def _of(config: dict[str, Any], tensors: list[tuple[str, tuple[int, ...], str]]) -> Shape | None:
    config = {**config, **config.get("text_config", {})}
    quantised = config.get("quantization") or {}
    bits = int(quantised.get("bits", 0))
    layers: dict[int, int] = {}
    floats: dict[int, int] = {}
    outer_floats = 0
    linear: dict[str, tuple[int, int]] = {}
    experts: dict[str, tuple[int, int, int]] = {}
    beside: dict[str, tuple[int, ...]] = {}
    outer = other = 0
    types = set()
    for name, shape, kind in tensors:
        size = _BYTES[kind] * math.prod(shape)
        found = _LAYER.search(name)
        real = size if kind in _FLOATS else 0
        if not found:
            outer += size
            outer_floats += real
            if name.endswith(".weight"):
                beside[name.removesuffix(".weight")] = _numbers(shape, kind, bits)
            continue
        at, inner = int(found[1]), found[2]
        layers[at] = layers.get(at, 0) + size
        floats[at] = floats.get(at, 0) + real
        if kind in _FLOATS:
            types.add(kind)
        if at == 0 and len(shape) in (2, 3) and inner.endswith(".weight"):
            *several, outputs, inputs = _numbers(shape, kind, bits)
            of = inner.removesuffix(".weight")
            if several:
                experts[of] = (several[0], inputs, outputs)
            else:
                linear[of] = (inputs, outputs)
        elif at == 0 and not inner.endswith((".scales", ".biases")):
            other += math.prod(shape)
    if not layers or not linear:
        return None
    hidden, heads = _size(config, "hidden_size"), _size(config, "num_attention_heads")
    return Shape(
        kind=config.get("model_type", ""),
        hidden=hidden,
        heads=heads,
        kv_heads=_size(config, "num_key_value_heads", heads),
        head_dim=_size(config, "head_dim", hidden // heads),
        ffn=_size(config, "intermediate_size"),
        vocabulary=_size(config, "vocab_size"),
        linear=linear,
        other=other,
        layer_bytes=tuple(layers[at] for at in sorted(layers)),
        outer_bytes=outer,
        half="F32" not in types,
        layer_floats=tuple(floats[at] for at in sorted(layers)),
        outer_floats=outer_floats,
        experts=experts,
        beside=beside,
    )


def _size(config: dict[str, Any], key: str, otherwise: int = 0) -> int:
    """Give a size of the configuration; where each layer has its own, the largest."""
    value = config.get(key) or otherwise
    size = max(map(int, value)) if isinstance(value, list) else int(value)
    if size < 1:
        raise ValueError(key)
    return size


def _numbers(shape: tuple[int, ...], kind: str, bits: int) -> tuple[int, ...]:
    """The shape of the numbers that a tensor stands for: quantised ones are packed in words."""
    return (*shape[:-1], shape[-1] * 32 // bits) if kind == "U32" else shape


def _dense(
    kind: str, hidden: int, layers: int, heads: int, kv_heads: int, ffn: int, vocabulary: int,
    head_dim: int, tied: bool, *, bits: int
) -> Shape:  # fmt: skip
    """Work out a Llama-like model: 4 bits take 4.5, the scales of each group of 64 included.

    That gives the sizes that Hugging Face lists to the third digit (five of five looked at).
    """
    query, key = heads * head_dim, kv_heads * head_dim
    linear = {
        "self_attn.q_proj": (hidden, query),
        "self_attn.k_proj": (hidden, key),
        "self_attn.v_proj": (hidden, key),
        "self_attn.o_proj": (query, hidden),
        "mlp.gate_proj": (hidden, ffn),
        "mlp.up_proj": (hidden, ffn),
        "mlp.down_proj": (ffn, hidden),
    }
    scales = 2.0 if bits == 16 else 4 / _GROUP  # bytes a weight that are floats
    packed = 0.0 if bits == 16 else bits / 8
    weights, tables = sum(i * o for i, o in linear.values()), vocabulary * hidden * (2 - tied)
    norms = 2 * hidden
    floats, outer_floats = weights * scales + 2 * norms, tables * scales + norms
    return Shape(
        kind, hidden, heads, kv_heads, head_dim, ffn, vocabulary, linear, norms,
        (int(weights * packed + floats),) * layers, int(tables * packed + outer_floats), True,
        (int(floats),) * layers, int(outer_floats),
    )  # fmt: skip


# kind, hidden, layers, heads, key and value heads, ffn, vocabulary, head size, tied head:
# from the config.json of each.
_KNOWN: dict[str, tuple[str, int, int, int, int, int, int, int, bool]] = {
    "mistral-7b-v0.3": ("mistral", 4096, 32, 32, 8, 14336, 32768, 128, False),
    "mistral-7b-v0.2": ("mistral", 4096, 32, 32, 8, 14336, 32000, 128, False),
    "llama-3.2-1b": ("llama", 2048, 16, 32, 8, 8192, 128256, 64, True),
    "llama-3.2-3b": ("llama", 3072, 28, 24, 8, 8192, 128256, 128, True),
    "meta-llama-3-8b": ("llama", 4096, 32, 32, 8, 14336, 128256, 128, False),
    "llama-3-8b": ("llama", 4096, 32, 32, 8, 14336, 128256, 128, False),
    "meta-llama-3.1-8b": ("llama", 4096, 32, 32, 8, 14336, 128256, 128, False),
    "llama-3.1-8b": ("llama", 4096, 32, 32, 8, 14336, 128256, 128, False),
    "qwen2.5-0.5b": ("qwen2", 896, 24, 14, 2, 4864, 151936, 64, True),
    "qwen2.5-1.5b": ("qwen2", 1536, 28, 12, 2, 8960, 151936, 128, True),
    "qwen2.5-3b": ("qwen2", 2048, 36, 16, 2, 11008, 151936, 128, True),
    "qwen2.5-7b": ("qwen2", 3584, 28, 28, 4, 18944, 152064, 128, False),
    "qwen3-0.6b": ("qwen3", 1024, 28, 16, 8, 3072, 151936, 128, True),
    "qwen3-1.7b": ("qwen3", 2048, 28, 16, 8, 6144, 151936, 128, True),
    "qwen3-4b": ("qwen3", 2560, 36, 32, 8, 9728, 151936, 128, True),
    "qwen3-4b-2507": ("qwen3", 2560, 36, 32, 8, 9728, 151936, 128, True),
    "qwen3-8b": ("qwen3", 4096, 36, 32, 8, 12288, 151936, 128, False),
    "qwen3-14b": ("qwen3", 5120, 40, 40, 8, 17408, 151936, 128, False),
    "eurollm-9b": ("llama", 4096, 42, 32, 8, 12288, 128000, 128, False),
    # trained on from EuroLLM-9B; its 18.3 GB in 16 bits are this shape's
    "amalia-9b-0626-sft": ("llama", 4096, 42, 32, 8, 12288, 128000, 128, False),
}
