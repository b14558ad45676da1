"""What is trained of a model: an adapter on some of its modules, or their own weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from farense_worker.model import adapter as own_adapter
from farense_worker.model import dropout, peft
from farense_worker.model.compat import (
    QuantizedSwitchLinear,
    SwitchLinear,
    linear_to_lora_layers,
)
from farense_worker.process.output import Output
from farense_worker.protocol import model_identity
from farense_worker.protocol.errors import OF_CONTENT, in_words, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.events import Notice
from farense_worker.protocol.plan import adapter as plan
from farense_worker.protocol.settings.profile import Config, Lora

_LINEAR = (nn.Linear, nn.QuantizedLinear)
_EXPERTS = (SwitchLinear, QuantizedSwitchLinear)
_EMBEDDINGS = (nn.Embedding, nn.QuantizedEmbedding)
# Of these widths mlx_lm's DoRA counts the inputs of a layer wrongly: as columns x (32 // bits).
_UNEVEN = (3, 5, 6)
# What names of models say of how their weights are kept.
_QUANTISED = re.compile(
    r"[-_.](?:mlx|unsloth|bnb|dwq|awq|gptq|qat|bf16|fp?16|fp?32|fp8|mxfp[48]|nvfp4"
    r"|[2-8][-_]?bit|q[2-8]|int[48]|hf)"
    r"(?=[-_.]|\Z)"
)


def make_trainable(model: nn.Module, config: Config, output: Output) -> dict[str, Any]:
    """Make the top layers trainable: by an adapter on them, or their own weights.

    Gives the content of adapter_config.json, as mlx_lm reads it. Raises FarenseError (refused)
    if that cannot be done with this model.
    """
    layers = len(model.layers)
    num_layers = plan.layers(config, layers)
    if num_layers == 0:
        raise refused(
            _("no layer is trained"),
            _("lora.num_layers is 0"),
            _("Use -1 for all."),
            kind="profile",
        )
    top = model.layers[-num_layers:]
    kind = config.train.fine_tune_type
    made: dict[str, Any] = {
        "model": model_identity.name(config.model.repo),
        "fine_tune_type": kind,
        "num_layers": num_layers,
    }
    if kind == "full":
        _unfreeze(model, top, config.train.modules, output)
    else:
        made["lora_parameters"] = _add_lora(model, top, config.lora, kind == "dora", output)
    mx.eval(model.trainable_parameters())
    return made


def beside_the_layers(model: nn.Module) -> list[str]:
    """Name the modules that are trained and stand in no layer, such as the head."""
    return [name for name, module in _beside(model) if module.trainable_parameters()]


def _beside(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules with weights of their own that stand in no layer, by name."""
    inside = {id(module) for layer in model.layers for module in layer.modules()}
    held: set[str] = set()  # what is within one that was given already
    for name, module in sorted(model.named_modules(), key=lambda each: len(each[0])):
        known = any(name.startswith(f"{outer}.") for outer in held)
        weights = any(isinstance(value, mx.array) for value in module.values())
        if id(module) in inside or known or not (weights or hasattr(module, "lora_a")):
            continue
        if name:
            held.add(name)
            yield name, module


def _unfreeze(
    model: nn.Module, layers: list[nn.Module], keys: tuple[str, ...], output: Output
) -> None:
    beside = dict(_beside(model))
    chosen = {name: [full for full in beside if plan.named(full, name)] for name in keys}
    absent = [name for name, found in chosen.items() if not found]
    if absent:
        raise refused(
            _("the model has no {layers}").format(layers=", ".join(absent)),
            f"train.modules: {', '.join(keys)}",
            _("It has: {layers}.").format(layers=", ".join(sorted(beside))),
            kind="profile",
        )
    named = {full for found in chosen.values() for full in found}
    whole = [*layers, *(beside[name] for name in sorted(named))]
    if any(hasattr(each, "bits") for module in whole for each in module.modules()):
        raise refused(
            _("a quantised model cannot be trained whole"),
            _("train.fine_tune_type is full, and 4-bit weights have no gradient"),
            _("Use lora or dora, or a model that is not quantised."),
            kind="profile",
        )
    for module in whole:
        module.unfreeze()
    frozen = sorted(set(beside) - named)
    if frozen and output is not None:
        output.emit(
            Notice(
                level="info",
                code="frozen",
                message=_("full trains the layers: {modules} stay as they are").format(
                    modules=", ".join(frozen)
                ),
                hint=_("train.modules names what is to be trained beside the layers."),
            )
        )


def _add_lora(
    model: nn.Module, layers: list[nn.Module], settings: Lora, dora: bool, output: Output
) -> dict[str, Any]:
    """Put LoRA or DoRA layers where the profile says; its lora_parameters."""
    within = {
        name: module
        for layer in layers
        for name, module in layer.named_modules()
        if _adaptable(module)
    }
    beside = {name: module for name, module in _beside(model) if _adaptable(module)}
    keys = {name: _meant(name, within) or _meant(name, beside) for name in settings.keys}
    absent = [name for name, found in keys.items() if not found]
    there = _("It has: {layers}.").format(layers=", ".join(sorted({*within, *beside})))
    if len(absent) == len(keys):
        raise refused(
            _("the model has none of the layers that lora.keys names"),
            f"lora.keys: {', '.join(settings.keys)}",
            there,
            kind="profile",
        )
    if absent:
        message = _("the model has no {layers}").format(layers=", ".join(absent))
        output.emit(Notice(level="warning", code="lora_keys", message=message, hint=there))
    chosen = sorted({full for found in keys.values() for full in found})
    if dora:
        _check_dora({name: (within | beside)[name] for name in chosen})
    parameters = {
        "rank": settings.rank,
        "scale": settings.scale,
        "dropout": settings.dropout,
        "keys": chosen,
    }
    try:
        linear_to_lora_layers(model, len(layers), parameters, use_dora=dora)
    except ValueError as error:  # kinds of layers that mlx_lm has no adapter for
        raise refused(_("the model cannot be adapted so"), str(error), kind="profile") from error
    for layer in model.layers:
        dropout.replace(layer, settings.dropout)
    return parameters


def _adaptable(module: nn.Module) -> bool:
    """Whether mlx_lm has an adapter for it."""
    return isinstance(module, (*_LINEAR, *_EXPERTS, *_EMBEDDINGS)) or hasattr(module, "to_lora")


def _meant(key: str, modules: dict[str, nn.Module]) -> list[str]:
    return [full for full in modules if plan.named(full, key)]


def _check_dora(modules: dict[str, nn.Module]) -> None:
    """Refuse DoRA on what has none, all of it at once."""
    none = [
        name for name, m in modules.items()
        if not isinstance(m, (*_LINEAR, nn.Embedding)) or isinstance(m, nn.QuantizedEmbedding)
    ]  # fmt: skip
    uneven = [name for name, m in modules.items() if getattr(m, "bits", 0) in _UNEVEN]
    reasons = []
    if none:
        said = _("there is no DoRA for experts and their like: {layers}")
        reasons.append(said.format(layers=", ".join(none)))
    if uneven:
        said = _("there is no DoRA on weights of 3, 5 or 6 bits: {layers}")
        reasons.append(said.format(layers=", ".join(uneven)))
    if reasons:
        raise refused(
            _("the model cannot be adapted so"),
            "\n".join(reasons),
            _("Use lora, or leave these out of lora.keys by their whole names."),
            kind="profile",
        )


def start_from(model: nn.Module, adapter: Path, settings: Lora, output: Output) -> None:
    """Take the first weights from an adapter, ours, mlx_lm's or peft's, of the same shape.

    Its effect is kept: an adapter adds scale x A x B, so B is taken times its scale over ours.
    Raises FarenseError (refused) that says which settings the adapter was made with.
    """
    try:
        _start_from(model, adapter, settings, output)
    except OF_CONTENT as error:
        raise refused(
            _("there is no adapter in {adapter}").format(adapter=adapter),
            in_words(error),
            _(
                "It is a folder with adapter_config.json and adapters.safetensors, or peft's "
                "adapter_model.safetensors."
            ),
            kind="adapter",
        ) from error


def _start_from(model: nn.Module, adapter: Path, settings: Lora, output: Output) -> None:
    made = own_adapter.config(adapter)
    if peft.is_one(made):
        weights, made = peft.read(adapter, made)
    else:
        weights, made = own_adapter.read(adapter)
    lora = made.get("lora_parameters") or {}
    own = dict(tree_flatten(model.trainable_parameters()))
    here = {name: value.shape for name, value in own.items()}
    there = {name: value.shape for name, value in weights.items()}
    if here != there:
        differing = len(set(here.items()) ^ set(there.items()))
        raise refused(
            _("the adapter in {adapter} has other weights than this run would train").format(
                adapter=adapter
            ),
            ngettext("{n} weight differs", "{n} weights differ", differing).format(n=differing),
            _(
                "It was made with fine_tune_type {kind}, num_layers {layers}, rank {rank}, keys "
                "{keys}."
            ).format(
                kind=made.get("fine_tune_type", "lora"),
                layers=made.get("num_layers"),
                rank=lora.get("rank"),
                keys=lora.get("keys") or f'["{plan.ALL}"]',
            ),
            kind="adapter",
        )
    if made.get("fine_tune_type", "lora") != "full":
        weights = _rescaled(weights, lora.get("scale"), settings.scale, adapter, output)
    numbers = all(mx.issubdtype(value.dtype, mx.floating) for value in weights.values())
    if not numbers or not all(bool(mx.isfinite(value).all()) for value in weights.values()):
        raise refused(
            _("the adapter in {adapter} has weights that are no numbers").format(adapter=adapter),
            hint=_("Start from another one; this one has been spoilt by its training."),
            kind="adapter",
        )
    taken = [(name, value.astype(own[name].dtype)) for name, value in weights.items()]
    model.load_weights(taken, strict=False)
    mx.eval(model.trainable_parameters())


def of_another_base(adapter: Path, base: str) -> Notice | None:
    """Say that an adapter was made on a model by another name than the one that is trained.

    Of one size and family the shapes are the same, whatever the weights are. base: the name of the
    model, as model_identity gives it.
    """
    made = own_adapter.config(adapter)
    theirs = made.get("base_model_name_or_path" if peft.is_one(made) else "model")
    if not isinstance(theirs, str) or not theirs or _bare(theirs) == _bare(base):
        return None
    message = _("the adapter was made on {theirs}, and this run trains {base}")
    return Notice(
        level="warning",
        code="adapter_base",
        message=message.format(theirs=theirs[:200], base=base),
        hint=_("On weights of another model it begins with what it never learnt."),
    )


def _bare(name: str) -> str:
    """Give a model's name without its owner and what it was quantised to."""
    last = model_identity.name(name.rstrip("/")).rpartition("/")[2]
    return _QUANTISED.sub("", last.casefold()).removeprefix("meta-")


def _rescaled(
    weights: dict[str, mx.array], then: Any, now: float, adapter: Path, output: Output
) -> dict[str, mx.array]:
    if type(then) not in (int, float) or not then:
        raise refused(
            _("the adapter in {adapter} does not tell its scale").format(adapter=adapter),
            _("adapter_config.json has no lora_parameters.scale"),
            _("Write it there: alpha / rank, or what it was trained with."),
            kind="adapter",
        )
    if then == now:
        return weights
    message = _(
        "the adapter was made with scale {then:g} and goes on with lora.scale {now:g}: its weights "
        "are taken times {factor:g}, so that it does what it did"
    ).format(then=then, now=now, factor=then / now)
    output.emit(Notice(level="info", code="adapter_scale", message=message))
    return {
        name: value * (then / now) if name.endswith(".lora_b") else value
        for name, value in weights.items()
    }
