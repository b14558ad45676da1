"""What the worker takes of mlx_lm, imported without transformers: that takes over a second.

Loading a model and putting an adapter on it needs neither that nor the hub's client: mlx_lm
imports them for functions that are not called here. So while its modules are imported, those are
stand-ins whose names import the real thing when they are called, and the packages' own __init__
waits until it is asked for. Should another version of mlx_lm want more of them, all is imported as
it comes.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGES = ("mlx_lm", "mlx_lm.tuner")
_WANTED = ("mlx_lm.utils", "mlx_lm.tuner.utils")
# What _WANTED import by name, only to call it in functions.
_LATER = {
    "huggingface_hub": ("snapshot_download",),
    "mlx_lm.tokenizer_utils": ("TokenizerWrapper", "load"),
    "mlx_lm.cli_ui": ("rprint",),
}


def _import() -> None:
    """Import what loads models and makes adapters. Does nothing where mlx_lm is imported."""
    if "mlx_lm" in sys.modules:
        return
    _stand_in()
    try:
        for name in _WANTED:
            importlib.import_module(name)
    except ImportError as error:
        said = f"start: mlx_lm is imported as a whole: {error}"  # not translated: for worker.log
        print(said, file=sys.stderr)
        for name in [name for name in sys.modules if name.split(".")[0] == "mlx_lm"]:
            del sys.modules[name]
    finally:
        for name in _LATER:
            if isinstance(sys.modules.get(name), _StandIn):
                del sys.modules[name]
    for name in _WANTED:
        importlib.import_module(name)


def _stand_in() -> None:
    for name in _PACKAGES:
        spec = find_spec(name)
        assert spec is not None
        sys.modules[name] = _Package(spec)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, sys.modules[name])
    for name, later in _LATER.items():
        if name not in sys.modules:
            sys.modules[name] = _StandIn(name, later)


class _Package(ModuleType):
    """A package whose __init__ runs when something is asked of it that only that has."""

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(spec.name)
        self.__spec__ = spec
        self.__loader__ = spec.loader
        self.__path__ = spec.submodule_search_locations or []
        self.__file__ = spec.origin

    def __getattr__(self, name: str) -> Any:
        loader = self.__dict__.pop("__loader__", None)
        if loader is None or name.startswith("__"):
            said = f"module {self.__name__!r} has no attribute {name!r}"  # not translated: Python's
            raise AttributeError(said)
        loader.exec_module(self)
        return getattr(self, name)


class _StandIn(ModuleType):
    """A module whose names import the real one when they are called."""

    def __init__(self, name: str, later: tuple[str, ...]) -> None:
        super().__init__(name)
        for each in later:
            setattr(self, each, self._later(each))

    def _later(self, name: str) -> type:
        module = self.__name__

        def __new__(_cls: type, *args: Any, **kwargs: Any) -> Any:
            return getattr(importlib.import_module(module), name)(*args, **kwargs)

        return type(name, (), {"__new__": __new__})


_import()

import mlx.nn as nn  # noqa: E402
from mlx_lm.models.cache import make_prompt_cache  # noqa: E402
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear  # noqa: E402
from mlx_lm.tuner.utils import linear_to_lora_layers  # noqa: E402
from mlx_lm.utils import _get_classes, get_total_parameters, load_adapters  # noqa: E402
from mlx_lm.utils import load_model as _load_model  # noqa: E402

from farense_worker.model import rope_keys  # noqa: E402

__all__ = [
    "QuantizedSwitchLinear",
    "SwitchLinear",
    "get_total_parameters",
    "linear_to_lora_layers",
    "load_adapters",
    "load_model",
    "make_prompt_cache",
    "put_right",
]


def load_model(folder: Path, *, trust_remote_code: bool = False) -> nn.Module:
    """Load a model without reading its weights yet, its configuration put right."""

    def classes(config: dict[str, Any]) -> tuple[Any, Any]:
        put_right(config)  # mlx_lm goes on with this very dict
        found: tuple[Any, Any] = _get_classes(config)
        return found

    model, _config = _load_model(
        folder, lazy=True, trust_remote_code=trust_remote_code, get_model_classes=classes
    )
    return model


def put_right(config: dict[str, Any]) -> list[str]:
    """Add to a configuration what mlx_lm would not find in it; the keys that were added."""
    added = []
    for each in (config, config.get("text_config")):
        if isinstance(each, dict) and "model_type" in each:
            try:
                _model, arguments = _get_classes(each)
            except ValueError:  # text models that have no file of their own
                continue
            reads = inspect.signature(arguments).parameters
            added += rope_keys.add_older(each, {name: reads[name].default for name in reads})
    return added
