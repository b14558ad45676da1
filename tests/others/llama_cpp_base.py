"""A made model as llama.cpp reads it, in floats, for adapters to be laid over.

For tests: names, rows and norms as llama.cpp's conversion has them; the file has no vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import mlx.core as mx
import numpy as np
from farense_worker.tasks import gguf_lora
from mlx.utils import tree_flatten


def write(path: Path, network: Any, config: dict[str, Any]) -> None:
    """Write it. config: of the model, one of `gguf_lora.ARCHITECTURES`."""
    kind, heads = config["model_type"], int(config["num_attention_heads"])
    arch, layers = gguf_lora.ARCHITECTURES[kind], int(config["num_hidden_layers"])
    width = int(config.get("head_dim") or config["hidden_size"] // heads)
    file = gguf.GGUFWriter(None, arch)
    file.add_context_length(config["max_position_embeddings"])
    file.add_embedding_length(config["hidden_size"])
    file.add_block_count(layers)
    file.add_feed_forward_length(config["intermediate_size"])
    file.add_head_count(heads)
    file.add_head_count_kv(config["num_key_value_heads"])
    file.add_key_length(width)
    file.add_value_length(width)
    file.add_rope_dimension_count(width)
    file.add_layer_norm_rms_eps(config["rms_norm_eps"])
    file.add_rope_freq_base(config["rope_theta"])
    file.add_vocab_size(config["vocab_size"])
    if kind == "gemma2":  # the defaults of its configuration
        file.add_attn_logit_softcapping(50.0)
        file.add_final_logit_softcapping(30.0)
        file.add_sliding_window(4096)
    if kind == "gemma3_text":
        file.add_sliding_window(config["sliding_window"])
    file.add_tokenizer_model("no_vocab")
    numbers = {value: key for key, value in gguf.MODEL_ARCH_NAMES.items()}
    names, theirs = gguf.get_tensor_name_map(numbers[arch], layers), gguf_lora._Theirs(gguf, config)
    flat: Any = tree_flatten(network.parameters())
    for name, value in flat:
        numbered = np.array(value.astype(mx.float32))
        if arch.startswith("gemma") and name.endswith("norm.weight"):
            numbered = numbered + 1
        turned = gguf_lora._turned(numbered, theirs.heads(name.rpartition(".")[0]))
        there = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert there, name
        file.add_tensor(there, np.ascontiguousarray(turned))
    file.write_header_to_file(path=path)
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
