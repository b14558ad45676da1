"""Take a model's forward pass apart without touching the code of its class.

All classes of mlx_lm are built alike: a model that owns the head calls an inner model, which
embeds the tokens and calls its layers one after the other. `twin` makes shallow copies of modules
that share every weight with the original and differ in what they do when they are called: pass
their input on, give a value instead, or end the call. With these

    body(inputs)             hidden states, as the head gets them
    head(hidden)             logits, with all that the class does to them (scaling, softcapping)
    trunk(inputs, ...)       activations that enter a layer
    top(inputs, activations) hidden states again, without computing the layers below

run the class's own `__call__`, so masks, scalings and the order of things are its own. Whether it
came apart rightly is checked, not assumed: `comes_apart`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

# What a class that is built otherwise may raise when it is taken apart.
UNLIKE = (AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError)
Caches = list[Any] | None


class _Reached(Exception):
    def __init__(self, value: mx.array) -> None:
        super().__init__()
        self.value = value


@dataclass(frozen=True)
class Anatomy:
    """Where in a model its inner model and its layers are.

    path: from the model to the inner one, as pairs of a module and the name of the next in it.
    layers: the list that the inner model goes through; changing it changes the model.
    """

    model: nn.Module
    path: tuple[tuple[nn.Module, str], ...]
    inner: nn.Module
    key: str

    @property
    def layers(self) -> list[nn.Module]:
        """The live list of layers."""
        layers: list[nn.Module] = self.inner[self.key]
        return layers

    @property
    def model_type(self) -> str:
        """Which of mlx_lm's model files the class is from: llama, qwen2 ..."""
        return type(self.model).__module__.rpartition(".")[2]

    def with_layers(self, layers: list[nn.Module]) -> nn.Module:
        """Give a model that goes through these layers and shares all else."""
        return self._with_inner(twin(self.inner, children={self.key: layers}))

    def body(self, inputs: mx.array, cache: Caches = None) -> mx.array:
        """Give the hidden states that the head gets; inputs (rows, width) -> (rows, width, H).

        cache: one for each layer, as model/prefix_cache.py makes them, of what came before.
        """
        inner = self.inner

        def caught(*args: Any, **kwargs: Any) -> mx.array:
            raise _Reached(inner(*args, **kwargs))

        return _value(self._with_inner(twin(inner, caught)), inputs, cache)

    def head(self, hidden: mx.array) -> mx.array:
        """Give the logits of hidden states; (rows, n, H) -> (rows, n, V)."""
        tokens = mx.zeros(hidden.shape[:2], mx.int32)  # some classes look at their shape
        inner = twin(self.inner, lambda *_args, **_kwargs: hidden)
        logits: mx.array = self._with_inner(inner)(tokens)
        return logits

    def trunk(
        self,
        inputs: mx.array,
        activations: mx.array | None,
        start: int,
        stop: int,
        cache: Caches = None,
    ) -> mx.array:
        """Compute layers start to stop - 1; the activations that enter layer `stop`.

        activations: those that enter layer `start`; None computes the embedding (start is 0).
        """
        stubs = self._stubs(start, activations)
        layers = [*stubs, *self.layers[start:stop]]
        layers += [twin(layer, _reached) for layer in self.layers[stop:]]
        return _value(self.with_layers(layers), inputs, cache)

    def top(
        self, inputs: mx.array, activations: mx.array, start: int, cache: Caches = None
    ) -> mx.array:
        """Compute layers start to the last and the norm: as `body`, from these activations on."""
        layers = [*self._stubs(start, activations), *self.layers[start:]]
        inner = twin(self.inner, children={self.key: layers})
        return Anatomy(self.model, self.path, inner, self.key).body(inputs, cache)

    def release(self, start: int, stop: int) -> None:
        """Let go of the weights of layers start to stop - 1. They can be computed no more."""
        for at in range(start, stop):
            self.layers[at] = twin(self.layers[at], _first, bare=True)

    def without_layers(self) -> Anatomy:
        """Give the same with layers that pass their input on: embedding, norm and head."""
        layers = [twin(layer, _first, bare=True) for layer in self.layers]
        inner = twin(self.inner, children={self.key: layers})
        return Anatomy(self.model, self.path, inner, self.key)

    def _stubs(self, start: int, activations: mx.array | None) -> list[nn.Module]:
        """Make layers that compute nothing, the last of which gives these activations."""
        stubs = [twin(layer, _first, bare=True) for layer in self.layers[:start]]
        if stubs:
            stubs[-1] = twin(stubs[-1], lambda *_args, **kwargs: _given(activations, kwargs))
        return stubs

    def _with_inner(self, inner: nn.Module) -> nn.Module:
        for module, name in reversed(self.path):
            inner = twin(module, children={name: inner})
        return inner


def find(model: nn.Module) -> Anatomy | None:
    """Find the inner model by its layers; None where the class is built otherwise."""
    layers = getattr(model, "layers", None)
    if not layers:
        return None
    found = _search(model, layers[-1], ())
    return found if found and found.path else None


def _search(
    module: nn.Module, layer: nn.Module, path: tuple[tuple[nn.Module, str], ...]
) -> Anatomy | None:
    for name, child in module.items():
        if isinstance(child, list) and child and child[-1] is layer:
            return Anatomy(path[0][0] if path else module, path, module, name)
        if isinstance(child, nn.Module):
            found = _search(child, layer, (*path, (module, name)))
            if found:
                return found
    return None


def apart(model: nn.Module, tokens: Sequence[int]) -> Anatomy | None:
    """Take a model apart; None where it does not come apart. tokens: some of the model's."""
    found = find(model)
    return found if found and comes_apart(found, [*tokens, *tokens]) else None


def comes_apart(anatomy: Anatomy, tokens: Sequence[int]) -> bool:
    """Whether body and head give what the model gives, computed without its layers.

    tokens: some of the model's, at least two.
    """
    try:
        bare = anatomy.without_layers()
        inputs = mx.array([list(tokens[:8])] * 2)
        whole = bare._with_inner(bare.inner)(inputs)
        parts = bare.head(bare.body(inputs))
        return _same(whole, parts)
    except UNLIKE:
        return False


def splits(anatomy: Anatomy, tokens: Sequence[int], start: int) -> bool:
    """Whether trunk and top, split at layer `start`, give what the body gives.

    All layers are computed, so all must be there.
    """
    try:
        inputs = mx.array([list(tokens[:8])] * 2)
        whole = anatomy.body(inputs)
        entering = anatomy.trunk(inputs, None, 0, start)
        return _same(whole, anatomy.top(inputs, entering, start))
    except UNLIKE:
        return False


def twin(
    module: nn.Module,
    call: Callable[..., Any] | None = None,
    *,
    bare: bool = False,
    children: dict[str, Any] | None = None,
) -> nn.Module:
    """Copy a module, sharing its weights; `call` is done instead of its own `__call__`.

    bare: without weights and submodules, keeping only what the class wrote down as plain values,
    which an inner model may ask its layers for. children: put in place of what stands there.
    """
    kind: Any = type(module)
    if call is not None:

        def __call__(_self: Any, *args: Any, **kwargs: Any) -> Any:
            return call(*args, **kwargs)

        kind = type(kind.__name__, (kind,), {"__call__": __call__})
    copy = kind.__new__(kind)
    if not bare:
        dict.update(copy, module)
    dict.update(copy, children or {})
    copy.__dict__.update(module.__dict__)
    made: nn.Module = copy
    return made


def _first(value: Any, *_args: Any, **kwargs: Any) -> Any:
    return _given(value, kwargs)


def _given(value: Any, kwargs: dict[str, Any]) -> Any:
    """Give a value as the layer would: gemma4's bring keys and values along, for others to share.

    A layer that shares those of one that is not computed has none; `splits` finds that out.
    """
    return (value, kwargs["shared_kv"], kwargs["offset"]) if "shared_kv" in kwargs else value


def _reached(value: mx.array, *_args: Any, **_kwargs: Any) -> None:
    raise _Reached(value)


def _value(model: nn.Module, inputs: mx.array, cache: Caches) -> mx.array:
    try:
        model(inputs) if cache is None else model(inputs, cache=cache)
    except _Reached as reached:
        if not isinstance(reached.value, mx.array):
            raise TypeError("the inner model gives no array") from None  # not translated: caught
        return reached.value
    raise TypeError("the model does not call what was looked for")  # not translated: caught


def _same(one: mx.array, other: mx.array) -> bool:
    if one.shape != other.shape:
        return False
    return bool(mx.allclose(one.astype(mx.float32), other.astype(mx.float32), 1e-5, 1e-5))
