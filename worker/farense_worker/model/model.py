"""The model: where its files are, loading it, how large it is."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

from farense_worker.model.as_trained import activations, lost_head
from farense_worker.model.compat import (
    get_total_parameters,
    load_model,
    make_prompt_cache,
    put_right,
)
from farense_worker.process.output import Output
from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import OF_CONTENT, in_words, of_system, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Notice, Progress
from farense_worker.protocol.plan import precision
from farense_worker.protocol.settings.profile import Model as ModelSettings

_PIECE = 1 << 24  # values that are looked at at once


def find(settings: ModelSettings, output: Output) -> Path:
    """Give the model's folder; a repository that is not in the cache is downloaded first."""
    folder = Path(settings.repo)
    if folder.is_dir():
        return folder
    if folder.is_absolute():
        raise refused(
            _("there is no model {folder}").format(folder=folder),
            _("The folder is gone."),
            kind="model",
        )
    return _download(settings, output)


def load(folder: Path, settings: ModelSettings) -> nn.Module:
    """Load any model that mlx_lm knows, quantised or not; all its weights are frozen.

    They are read from the disk when they are first computed with, or by `read_weights`.
    """
    with _refusing(settings):
        model = load_model(folder, trust_remote_code=settings.trust_remote_code)
    model.freeze()
    if packed := _packed_otherwise(model):
        why = _("{name} is not in floats, and not quantised as MLX does it").format(name=packed)
        raise _not_loaded(settings, why)
    wanted = dtype(settings, dict(mx.device_info()), on_gpu(), model)
    if wanted != dtype_of(model):
        model.set_dtype(wanted)
    with _refusing(settings):
        lay_out(model)
    return model


@contextmanager
def _refusing(settings: ModelSettings) -> Iterator[None]:
    """Refuse a model for what its class raises, whatever that is of its configuration."""
    try:
        yield
    except KeyError as error:
        raise _not_loaded(settings, _("it has no {key}").format(key=error)) from error
    except (ValueError, OSError, RuntimeError) as error:  # in words that were meant to be read
        raise _not_loaded(settings, error) from error
    except OF_CONTENT as error:
        said = _("mlx_lm's class for it does not take its config.json: {error}")
        raise _not_loaded(settings, said.format(error=in_words(error))) from error
    except SystemExit as error:  # mlx_lm's olmo.py does this; what it wants it prints
        said = _("mlx_lm wants a package for it that is not here; worker.log names it")
        raise _not_loaded(settings, said) from error


def lay_out(model: nn.Module) -> None:
    """Write down a pass of two tokens, as it is trained and as it answers; nothing is computed.

    A class looks at parts of its configuration only then.
    """
    tokens = mx.array([[0, 0]])
    call: Any = model
    call(tokens)
    call(tokens, cache=make_prompt_cache(model))


def _packed_otherwise(model: nn.Module) -> str:
    """Name a weight of whole numbers in a layer that computes in floats; empty if there is none."""
    for name, module in model.named_modules():
        weight = module.get("weight")
        packed = isinstance(weight, mx.array) and not mx.issubdtype(weight.dtype, mx.floating)
        if packed and "scales" not in module:
            return f"{name}.weight"
    return ""


def dequantise(model: nn.Module, room: int) -> bool:
    """Compute with what quantised weights stand for, where there is `room` bytes; whether it does.

    For a CPU, which unpacks them anew for each product, without its BLAS: the same numbers, some
    twelve times slower.
    """
    packed = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.QuantizedLinear | nn.QuantizedEmbedding)
    ]
    needed = sum(module.weight.size * 32 // module.bits * 4 for _, module in packed)
    experts = any(hasattr(module, "num_experts") for module in model.modules())
    if on_gpu() or not packed or needed > room or experts:
        return False
    model.update_modules(tree_unflatten([(name, _plain(module)) for name, module in packed]))
    return True


def _plain(packed: Any) -> nn.Module:
    """A layer of the weights that `packed` stands for, frozen as those are."""
    weight = mx.dequantize(
        packed.weight,
        packed.scales,
        packed.get("biases"),
        packed.group_size,
        packed.bits,
        packed.mode,
    )
    outputs, inputs = weight.shape
    made: Any
    if isinstance(packed, nn.QuantizedEmbedding):
        made = nn.Embedding(1, 1)
        made.num_embeddings, made.dims = outputs, inputs
    else:
        made = nn.Linear(1, 1, bias="bias" in packed)
        if "bias" in packed:
            made.bias = packed.bias
    made.weight = weight
    made.freeze()
    return made if packed.training else made.eval()


def tell_of_others(folder: Path, model: nn.Module, output: Output) -> None:
    """Say where a model is computed otherwise than elsewhere: by mlx_lm alone, or by mlx_lm."""
    config = json.loads(plain_file.text(folder / "config.json"))
    if other := activations.ignored(config, type(model).__module__.rpartition(".")[2]):
        said = _("config.json says hidden_act = {name}, and mlx_lm computes silu with this model")
        output.emit(
            Notice(
                level="warning",
                code="activation",
                message=said.format(name=other),
                hint=_("It was trained otherwise: see what it answers before a long training."),
            )
        )
    if lost_head.is_lost(folder, config, model):
        said = _(
            "the weights have a head of their own (lm_head), which mlx_lm leaves out, as "
            "config.json says tie_word_embeddings = true"
        )
        hint = _(
            "It answers otherwise than it was trained: tie_word_embeddings = false in its "
            "config.json computes with that head."
        )
        output.emit(Notice(level="warning", code="lost_head", message=said, hint=hint))
    if added := put_right(config):
        message = _("mlx_lm does not find {keys} in this model's config.json; here they are read")
        output.emit(
            Notice(
                level="info",
                code="rope_parameters",
                message=message.format(keys=", ".join(added)),
                hint=_(
                    "Use the adapter here, or export it with --fuse: that folder has what mlx_lm "
                    "reads."
                ),
            )
        )


def dtype(settings: ModelSettings, device: dict[str, Any], gpu: bool, model: nn.Module) -> mx.Dtype:
    """Choose what the model computes in. device: of mx.device_info."""
    kind, architecture = type(model).__module__.rpartition(".")[2], device.get("architecture", "")
    comes = str(dtype_of(model)).rpartition(".")[2]
    name = precision.choose(settings, comes, kind, gpu=gpu, architecture=str(architecture))
    chosen: mx.Dtype = getattr(mx, name)
    return chosen


def dtype_of(model: nn.Module) -> mx.Dtype:
    """The floats that a model comes in: of its norms, which are never quantised."""
    floats = [v.dtype for _, v in tree_flatten(model.parameters()) if v.ndim == 1]
    found = [kind for kind in floats if mx.issubdtype(kind, mx.floating)]
    return found[-1] if found else mx.float32


def read_weights(model: nn.Module, settings: ModelSettings) -> None:
    try:
        mx.eval(model.parameters())
        check_finite(model, settings)
        mx.clear_cache()  # of what they were in the file, where that is of another type
    except RuntimeError as error:
        raise _not_loaded(settings, error) from error


def check_finite(module: nn.Module, settings: ModelSettings) -> None:
    """Refuse weights that are no numbers: with a damaged file every loss and answer would be none.

    All of them are read from the disk.
    """
    try:
        name = not_finite(module)
    except RuntimeError as error:
        raise _not_loaded(settings, error) from error
    if name:
        said = _("{name} has values that are no numbers (NaN or Inf): fetch the model again")
        raise _not_loaded(settings, said.format(name=name))


def not_finite(module: nn.Module) -> str:
    """Name a weight that is no number; empty if there is none.

    An Inf among biases may be meant: it rules a token out.
    """
    for name, value in tree_flatten(module.parameters()):
        if not mx.issubdtype(value.dtype, mx.floating) or not value.size:
            continue
        wrong = mx.isnan if value.ndim == 1 else _endless
        pieces = mx.split(value.reshape(-1), range(_PIECE, value.size, _PIECE))
        if any(mx.any(wrong(piece)).item() for piece in pieces):
            return str(name)
    return ""


def _endless(values: mx.array) -> mx.array:
    return ~mx.isfinite(values)


def check_tokens(model: nn.Module, highest: int) -> None:
    """Refuse tokens that the model has no row for: MLX would read what lies behind its table."""
    tables = (nn.Embedding, nn.QuantizedEmbedding)
    rows = max((m.weight.shape[0] for m in model.modules() if isinstance(m, tables)), default=0)
    if rows and highest >= rows:
        raise refused(
            _("the tokenizer is not the model's"),
            _("it gives the token {token}, and the model has {rows}, from 0 on").format(
                token=highest, rows=rows
            ),
            _("Its files are of another model, or tokens were added and the model not resized."),
            kind="model",
        )


def check_positions(model: nn.Module, longest: int) -> None:
    """Refuse rows of more tokens than a table of positions has: see `check_tokens`."""
    for name, module in model.named_modules():
        if name.endswith("wpe") and isinstance(module, nn.Embedding | nn.QuantizedEmbedding):
            rows = module.weight.shape[0]
            if longest - 1 > rows:  # the last token is only asked for
                raise refused(
                    _("rows are longer than the model's table of positions"),
                    _("the longest has {n} tokens; the model was made for {most}").format(
                        n=longest, most=rows
                    ),
                    _("Lower train.max_seq_length, or take a model that was made for more."),
                    kind="model",
                )


def _not_loaded(settings: ModelSettings, error: Exception | str) -> Exception:
    hint = _(
        "Its files are damaged, or of a kind that mlx_lm does not know: compare its "
        "config.json with the one it was published with, or fetch it again."
    )
    if isinstance(error, OSError) and plain_file.may_be_sound(error):
        hint = of_system(error).hint
    return refused(
        _("the model {repo} cannot be loaded").format(repo=settings.repo),
        error if isinstance(error, str) else in_words(error),
        hint,
        kind="model",
    )


def device() -> str:
    """What MLX computes on: `gpu (Apple M1)`."""
    name = mx.device_info().get("device_name", platform.machine())
    return f"{mx.default_device().type.name} ({name})"


def on_gpu() -> bool:
    return bool(mx.default_device() == mx.Device(mx.gpu))


@dataclass(frozen=True)
class Size:
    """How large a model is: trainable parameters, all parameters, bytes of all weights."""

    trainable: int
    total: int
    bytes: int


def count(model: nn.Module) -> Size:
    """Count parameters and bytes; nothing is loaded for it."""
    trainable = sum(value.size for _, value in tree_flatten(model.trainable_parameters()))
    weights = sum(value.nbytes for _, value in tree_flatten(model.parameters()))
    leaves = {id(module) for _, module in tree_flatten(model.leaf_modules(), is_leaf=_is_module)}
    outside = sum(  # mlx_lm counts leaves alone, and an adapter's matrices stand around one
        value.size
        for module in model.modules()
        if id(module) not in leaves
        for name, value in module.items()
        if isinstance(value, mx.array) and not name.startswith("_")
    )
    return Size(trainable, get_total_parameters(model) + outside, weights)


def _is_module(value: Any) -> bool:
    return isinstance(value, nn.Module)


def _download(settings: ModelSettings, output: Output) -> Path:
    from farense_worker.model import hub  # not needed for a model that is here

    output.enter("downloading")
    return hub.download(
        settings,
        lambda done, total: output.emit(Progress(done=done, total=total, unit="bytes")),
    )
