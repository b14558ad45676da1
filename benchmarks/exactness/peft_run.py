"""The same training in torch, transformers and peft, for benchmarks/exactness/against_peft.py.

Nothing of the trainer is used here but the profile's settings: what they mean is written down once
more, in torch's words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from farense_worker.protocol.settings.profile import Profile, Train
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from torch.optim import lr_scheduler

from tests import micro_model

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
USED = ("torch", "transformers", "peft")
Weights = dict[str, NDArray[np.float32]]

_SIZES = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 288, "max_position_embeddings": 512,
    "tie_word_embeddings": True, "pad_token_id": 0, "bos_token_id": 0,
    "initializer_range": 0.1,  # with the usual 0.02 so narrow a model gives next to nothing
}  # fmt: skip
_GEMMA = {"head_dim": 16, "query_pre_attn_scalar": 16}
_ROPE = {"rope_type": "default", "rope_theta": 50_000.0}
_LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 50_000.0, "factor": 4.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip
_TWO_ROPES = {"full_attention": _ROPE, "sliding_attention": _ROPE | {"rope_theta": 5_000.0}}
# Name: transformers' configuration and what it takes besides the sizes.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {"rope_parameters": _ROPE}),
    "llama3": ("LlamaConfig", {"rope_parameters": _LLAMA3}),
    "qwen2": ("Qwen2Config", {"rope_parameters": _ROPE}),
    "qwen3": ("Qwen3Config", {"rope_parameters": _ROPE, "head_dim": 24}),
    # mlx_lm's has no sliding window: 4,096 in Google's models, out of reach here.
    "gemma2": ("Gemma2Config", _GEMMA | {"attn_logit_softcapping": 5.0, "sliding_window": 512}),
    # One layer of six sees all; seven have both kinds at the top.
    "gemma3": (
        "Gemma3TextConfig",
        _GEMMA | {"sliding_window": 24, "num_hidden_layers": 7, "rope_parameters": _TWO_ROPES},
    ),
    "phi3": ("Phi3Config", {"rope_parameters": _ROPE, "sliding_window": None}),
}

# Our names of an adapter's tensors, and peft's.
_TENSORS = {"lora_a": "lora_A.default.weight", "lora_b": "lora_B.default.weight",
            "m": "lora_magnitude_vector.default.weight"}  # fmt: skip
_PREFIX = "base_model.model."


@dataclass(frozen=True)
class Theirs:
    """What came of it; weights under our names, and as we have them (MLX's A is theirs turned)."""

    losses: list[float]
    norms: list[float]
    weights: Weights


def make_model(family: str, folder: Path) -> Path:
    """Write a toy with random weights, as transformers saves it."""
    micro_model.make(folder)  # for its tokenizer
    end = json.loads((folder / "config.json").read_text())["eos_token_id"]
    name, more = FAMILIES[family]
    torch.manual_seed(7)
    config = getattr(transformers, name)(**_SIZES | more, eos_token_id=end)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():  # norms of 1 and biases of 0 would hide much
        for tensor in model.parameters():
            if tensor.ndim == 1:
                tensor.add_(0.1 * torch.randn_like(tensor))
    model.save_pretrained(folder)
    return folder


def train(model: Path, base: Weights, profile: Profile, begin: Weights, data: Path) -> Theirs:
    """Train from the weights `begin`; base: weights to compute with in place of the model's."""
    torch.set_num_threads(2)
    network: Any = transformers.AutoModelForCausalLM.from_pretrained(
        model, dtype=torch.float32, attn_implementation="eager"
    )
    _put(dict(network.named_parameters()), base)
    trained, names = _trainable(network, profile, begin)
    _put(trained, {names[name]: _turned(name, value) for name, value in begin.items()})
    optimizer = _optimizer(profile.train, list(trained.values()))
    examples = list(_examples(model, data, profile.train))
    size = profile.effective_batch
    per_epoch = -(-len(examples) // size)
    total = per_epoch * profile.train.epochs
    schedule = _schedule(profile.train, optimizer, total)
    losses, norms = [], []
    for step in range(total):
        epoch, at = divmod(step, per_epoch)
        order = np.random.default_rng([profile.train.seed, epoch]).permutation(len(examples))
        rows = [examples[i] for i in order[at * size : (at + 1) * size]]
        optimizer.zero_grad()
        loss = _loss(network, rows)
        loss.backward()
        most = profile.train.max_grad_norm or float("inf")
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained.values(), most)))
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    ended = {
        name: _turned(name, trained[there].detach().numpy()).copy() for name, there in names.items()
    }
    return Theirs(losses, norms, ended)


def _put(parameters: dict[str, Any], values: Weights) -> None:
    with torch.no_grad():
        for name, value in values.items():
            parameters[name].copy_(torch.from_numpy(value))


def _turned(name: str, value: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(value.T) if name.endswith(("lora_a", "lora_b")) else value


def _trainable(
    network: Any, profile: Profile, begin: Weights
) -> tuple[dict[str, Any], dict[str, str]]:
    """What is trained, by their names, and their names by ours."""
    settings, count = profile.lora, network.config.num_hidden_layers
    if profile.train.fine_tune_type == "full":
        for name, tensor in network.named_parameters():
            tensor.requires_grad_(name in begin)
        names = {name: name for name in begin}
        holder = network
    else:
        top = count if settings.num_layers < 0 else settings.num_layers
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.scale * settings.rank,
            target_modules=list(settings.keys),
            layers_to_transform=list(range(count - top, count)),
            use_dora=profile.train.fine_tune_type == "dora",
            task_type="CAUSAL_LM",
        )
        holder = get_peft_model(network, config)
        names = {}
        for name in begin:
            module, _dot, kind = name.rpartition(".")
            names[name] = f"{_PREFIX}{module}.{_TENSORS[kind]}"
    trained = {name: p for name, p in holder.named_parameters() if p.requires_grad}
    assert set(trained) == set(names.values()), set(trained) ^ set(names.values())
    return trained, names


def _optimizer(settings: Train, parameters: list[Any]) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    match settings.optimizer:
        case "adam":
            return torch.optim.Adam(parameters, lr=rate)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, weight_decay=decay)
        case "adafactor":
            adafactor: torch.optim.Optimizer = transformers.Adafactor(
                parameters, lr=rate, weight_decay=decay, scale_parameter=False, relative_step=False
            )
            return adafactor
    raise ValueError(settings.optimizer)


def _schedule(settings: Train, optimizer: torch.optim.Optimizer, total: int) -> Any:
    warm = min(settings.warmup_steps, int(settings.warmup_cap * total))
    rest, last = total + 1 - max(1, warm), settings.final_learning_rate
    after: Any = lr_scheduler.ConstantLR(optimizer, factor=1.0)
    if settings.schedule == "cosine":
        after = lr_scheduler.CosineAnnealingLR(optimizer, T_max=rest, eta_min=last)
    elif settings.schedule == "linear":
        share = last / settings.learning_rate
        after = lr_scheduler.LinearLR(optimizer, 1.0, share, total_iters=rest)
    if warm < 2:
        return after
    grow = lr_scheduler.LinearLR(optimizer, 1.0 / warm, 1.0, total_iters=warm - 1)
    return lr_scheduler.SequentialLR(optimizer, [grow, after], milestones=[warm - 1])


def _examples(model: Path, data: Path, settings: Train) -> Iterator[tuple[list[int], list[int]]]:
    """Tokens and labels (-100: none) of each row."""
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(model)

    def tokens(messages: list[dict[str, str]], *, asks: bool) -> list[int]:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    for line in (data / "train.jsonl").read_text(encoding="utf-8").splitlines():
        messages = json.loads(line)["messages"]
        whole = tokens(messages, asks=False)
        answers = [i for i, each in enumerate(messages) if each["role"] == "assistant"]
        labels = [-100] * len(whole)
        for i in answers[-1:] if settings.answers == "last" else answers:
            start, end = (
                len(tokens(messages[:i], asks=True)),
                len(tokens(messages[: i + 1], asks=False)),
            )
            labels[start:end] = whole[start:end]
        if not settings.mask_prompt:
            labels = list(whole)
        most = settings.max_seq_length
        if any(label >= 0 for label in labels[1:most]):
            yield whole[:most], labels[:most]


def _loss(network: Any, rows: list[tuple[list[int], list[int]]]) -> Any:
    """Mean over the label tokens of all rows, in one batch padded on the right."""
    width = max(len(tokens) for tokens, _ in rows)
    inputs = torch.tensor([tokens + [0] * (width - len(tokens)) for tokens, _ in rows])
    there = torch.tensor([[1] * len(tokens) + [0] * (width - len(tokens)) for tokens, _ in rows])
    labels = torch.tensor([wanted + [-100] * (width - len(wanted)) for _, wanted in rows])
    logits = network(input_ids=inputs, attention_mask=there, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100
    )
