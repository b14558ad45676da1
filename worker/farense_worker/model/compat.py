"""All that the worker takes of other packages' insides: here it is looked for when they change.

CHECKED has the versions whose insides were looked at. tests/worker/model/test_compat.py says which
of the things below is no more what it was; with another version in constraints.txt it asks for a
look at all of them. Nothing is imported before it is asked for; how mlx_lm is imported alone stands
in mlx_lm_import.py.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import select
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from farense_worker.model import mlx_lm_import
from farense_worker.model.as_trained import gated_delta, rope_keys

if TYPE_CHECKING:
    import mlx.nn as nn

CHECKED = {
    "huggingface_hub": "2.4.0",
    "mlx": "0.32.4",
    "mlx-lm": "0.32.2",
    "transformers": "5.23.0",
}

# Functions and classes of mlx_lm that are in none of its documented modules.
_MLX_LM = {
    "ArraysCache": "mlx_lm.models.cache",
    "CacheList": "mlx_lm.models.cache",
    "KVCache": "mlx_lm.models.cache",
    "QuantizedSwitchLinear": "mlx_lm.models.switch_layers",
    "RotatingKVCache": "mlx_lm.models.cache",
    "SwitchLinear": "mlx_lm.models.switch_layers",
    "convert_to_gguf": "mlx_lm.gguf",
    "dequantize_model": "mlx_lm.utils",
    "get_total_parameters": "mlx_lm.utils",
    "linear_to_lora_layers": "mlx_lm.tuner.utils",
    "load_adapters": "mlx_lm.utils",
    "load_config": "mlx_lm.utils",
    "load_tokenizer": "mlx_lm.utils",
    "make_prompt_cache": "mlx_lm.models.cache",
    "permute_weights": "mlx_lm.gguf",
    "save_config": "mlx_lm.utils",
    "save_model": "mlx_lm.utils",
    "translate_weight_names": "mlx_lm.gguf",
}


def __getattr__(name: str) -> Any:
    """Give what is of mlx_lm, imported when it is first asked for."""
    if name not in _MLX_LM:
        said = f"module {__name__!r} has no attribute {name!r}"  # not translated: Python's
        raise AttributeError(said)
    return getattr(_module(_MLX_LM[name]), name)


def _module(name: str) -> Any:
    """Give a module of mlx_lm."""
    mlx_lm_import.ensure()
    return importlib.import_module(name)


def load_model(folder: Path, *, trust_remote_code: bool = False) -> nn.Module:
    """Load a model without reading its weights yet, its configuration put right."""
    utils = _module("mlx_lm.utils")

    def classes(config: dict[str, Any]) -> tuple[Any, Any]:
        put_right(config)  # mlx_lm goes on with this very dict
        found: tuple[Any, Any] = utils._get_classes(config)
        train_gated_delta()
        return found

    model, _config = utils.load_model(
        folder, lazy=True, trust_remote_code=trust_remote_code, get_model_classes=classes
    )
    return model


def train_gated_delta() -> None:
    """Put MLX's function in place of mlx_lm's steps, where a model's class has imported those."""
    import mlx.core as mx

    module: Any = sys.modules.get("mlx_lm.models.gated_delta")
    if module is None or not hasattr(mx.fast, "gated_delta_update"):
        return
    if not hasattr(module.gated_delta_ops, "__wrapped__"):
        module.gated_delta_ops = gated_delta.by_mlx(module.gated_delta_ops)


def put_right(config: dict[str, Any]) -> list[str]:
    """Add to a configuration what mlx_lm would not find in it; the keys that were added."""
    utils = _module("mlx_lm.utils")
    added = []
    for each in (config, config.get("text_config")):
        if isinstance(each, dict) and "model_type" in each:
            try:
                _model, arguments = utils._get_classes(each)
            except ValueError:  # text models that have no file of their own
                continue
            reads = inspect.signature(arguments).parameters
            added += rope_keys.add_older(each, {name: reads[name].default for name in reads})
    return added


# ---- tokenizers ------------------------------------------------------------------------------


def plain_backend(tokenizer: Any) -> Any:
    """The tokenizers library's object in mlx_lm's wrapper; None where it does not do all the work.

    It takes many texts at once, which transformers' own methods do more slowly. It gives the same
    if those are its TokenizersBackend's and nothing in them is overridden.
    """
    from transformers import TokenizersBackend

    wrapped = tokenizer._tokenizer
    names = ("apply_chat_template", "encode", "__call__", "_encode_plus")
    plain = isinstance(wrapped, TokenizersBackend) and all(
        getattr(type(wrapped), name) is getattr(TokenizersBackend, name) for name in names
    )
    return wrapped.backend_tokenizer if plain else None


def renders_plainly(tokenizer: Any) -> bool:
    """Whether mlx_lm's wrapper puts conversations into words as transformers does for all of them.

    A class of a model's own may have another way, and so may mlx_lm for a model that it knows.
    """
    from transformers import PreTrainedTokenizerBase

    theirs = PreTrainedTokenizerBase.apply_chat_template
    own = type(tokenizer._tokenizer).apply_chat_template
    return own is theirs and tokenizer._chat_template is None and bool(tokenizer.chat_template)


# ---- mlx_lm's server -------------------------------------------------------------------------


def serving() -> Any:
    """Give the module of mlx_lm's server, which is to leave the wired limit where MLX has it."""
    generate: Any = importlib.import_module("mlx_lm.generate")  # the package has a function so
    generate.maybe_set_recommended_wired_limit = lambda: None
    return importlib.import_module("mlx_lm.server")


def serving_tokenizer(tokenizer: Any) -> Any:
    """Give mlx_lm's wrapper, which its server wants, with our chat template and our stops.

    tokenizer: model/tokenizer.py's FullTokenizer.
    """
    from mlx_lm.tokenizer_utils import TokenizerWrapper

    class Ours(TokenizerWrapper):
        def apply_chat_template(self, messages: Any, tools: Any = None, **how: Any) -> Any:
            how.pop("return_dict", None)
            return tokenizer.apply_chat_template(messages, tools, **how)

    wrapper = tokenizer.wrapper
    for token in tokenizer.eos_token_ids:
        wrapper.add_eos_token(str(token))
    if tokenizer.renders:
        wrapper.__class__ = Ours
    return wrapper


# ---- mlx_lm's GGUF files ---------------------------------------------------------------------


@contextlib.contextmanager
def readable_gguf(scores: Mapping[str, float], more: Mapping[str, Any]) -> Iterator[None]:
    """Have mlx_lm write files that llama.cpp loads, and reads texts by as the tokenizer does.

    It wants the kinds of tokens as int32, not uint32, and a token for each row of the embeddings,
    of which many models have more; its own conversion calls them so. mlx_lm gives all tokens one
    score, by which llama.cpp cuts texts. scores: of tokens, by their text. more: metadata.
    """
    import mlx.core as mx

    names = tuple(f"tokenizer.ggml.{name}" for name in ("tokens", "scores", "token_type"))
    unused, unlikely = 5, -1000.0

    class Core:
        def __getattr__(self, name: str) -> Any:
            return getattr(mx, name)

        def save_gguf(self, path: str, weights: Any, metadata: dict[str, Any]) -> None:
            tokens, _same, kinds = (metadata[name] for name in names)
            rows = range(len(tokens), weights["token_embd.weight"].shape[0])
            tokens = [*tokens, *(f"[PAD{row}]" for row in rows)]
            kinds = mx.concatenate(
                [kinds.astype(mx.int32), mx.full((len(rows),), unused, mx.int32)]
            )
            likely = mx.array([scores.get(token, unlikely) for token in tokens])
            right = (tokens, likely, kinds)
            given: dict[str, Any] = dict(zip(names, right, strict=True))
            mx.save_gguf(path, weights, {**metadata, **given, **more})

    module = _module("mlx_lm.gguf")
    own, module.mx = module.mx, Core()
    try:
        yield
    finally:
        module.mx = own


# ---- the hub's client ------------------------------------------------------------------------


def hub_utils() -> Any:
    """build_hf_headers, get_session and hf_raise_for_status, which it does not export by name."""
    import huggingface_hub.utils

    return huggingface_hub.utils


def blob_folder(repo: str, kind: str = "model") -> Path:
    """Where the hub's cache keeps the files of a model or a dataset, under their SHA-256.

    Downloads that are to be continued are put there, which the client itself does not do.
    """
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / "--".join([f"{kind}s", *repo.split("/")]) / "blobs"


def hub_is_offline() -> bool:
    """Whether the hub's client was told not to use the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def hub_patience() -> int:
    """Seconds without a byte after which the hub is asked anew; by itself its client has none."""
    from huggingface_hub import constants

    return int(constants.HF_HUB_DOWNLOAD_TIMEOUT)


def network_errors() -> tuple[type[Exception], ...]:
    """What the hub's client raises without a network: errors of the HTTP library that it uses.

    That was requests, httpx and httpx2 in turn, and it does not wrap them.
    """
    from huggingface_hub.errors import OfflineModeIsEnabled

    session = hub_utils().get_session()
    client = next(kind for kind in type(session).__mro__ if kind.__name__ == "Client")
    library = sys.modules[client.__module__.partition(".")[0]]
    return (library.TransportError, OfflineModeIsEnabled)


def hub_answer_errors() -> tuple[type[Exception], ...]:
    """What the hub's client raises on an answer that is none of a hub's: it does not look at them.

    A page of a proxy in place of JSON, a list in place of a mapping, names that are numbers.
    """
    return (
        ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError,
        RecursionError,
    )  # fmt: skip


# ---- mlx.launch ------------------------------------------------------------------------------

_POLL = 0.05  # seconds; how late a word to the ranks may come


def calm(launch: ModuleType) -> None:
    """Keep mlx.launch from spinning; `launch` is its module.

    It waits until a rank's standard input takes something, which is always, even while it has
    nothing to write: its threads then need a whole core. This waits for output alone.
    """
    launch.select = patient_select  # type: ignore[attr-defined]


def patient_select(read: Any, write: Any, errors: Any, timeout: float) -> tuple[Any, Any, Any]:
    """Wait for what is to be read; what can be written is only looked at."""
    ready, _, _ = select.select(read, [], errors, min(timeout, _POLL))
    return ready, select.select([], write, [], 0)[1] if write else [], []
