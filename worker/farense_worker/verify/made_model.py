"""A model of any size with random weights and byte tokens: for tests, and to measure speed.

    python -m farense_worker.verify.made_model FOLDER '{"layers": 2, "hidden": 512, ...}'

As it is made without a word, a real training run of it takes a second.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from farense_worker.protocol.processes import leash

_TEMPLATE = (
    # not translated: a chat template
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SPECIAL = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]


def make(
    folder: Path,
    *,
    layers: int = 2,
    hidden: int = 32,
    heads: int = 2,
    vocabulary: int = 288,
    bits: int = 0,
    gain: float = 1.0,
    kind: str = "llama",
    **more: Any,
) -> Path:
    """Write the model into `folder`.

    vocabulary: ids that the tokenizer does not know are never used. bits: quantised in groups of
    32. gain: of the last norm; 1e38 makes every loss infinite. kind: which of mlx_lm's model files;
    more: of its config.json.
    """
    import mlx.core as mx
    import mlx.nn as nn
    from mlx.utils import tree_flatten
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": "<|end|>",
                "chat_template": _TEMPLATE,
            }
        )
    )
    config = {
        "model_type": kind,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "intermediate_size": 2 * hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": max(1, heads // 2),
        "rms_norm_eps": 1e-5,
        "vocab_size": vocabulary,
        "tie_word_embeddings": True,
        "eos_token_id": tokenizer.token_to_id("<|end|>"),
    } | more
    mx.random.seed(7)
    family = importlib.import_module(f"mlx_lm.models.{kind}")
    model = family.Model(family.ModelArgs.from_dict(config))
    if gain != 1.0:
        model.model.norm.weight = gain * model.model.norm.weight
    if bits:
        nn.quantize(model, group_size=32, bits=bits)
        config["quantization"] = {"group_size": 32, "bits": bits}
    mx.eval(model.parameters())
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


if __name__ == "__main__":
    leash.follow_if_named()
    make(Path(sys.argv[1]), **json.loads(sys.argv[2]))
