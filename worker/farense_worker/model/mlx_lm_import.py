"""mlx_lm without transformers, whose import takes most of a second (docs/performance.md).

Loading a model and putting an adapter on it needs neither that nor the hub's client: mlx_lm
imports them for functions that are not called here. So while its modules are imported, those are
stand-ins whose names import the real thing when they are called, and the packages' own __init__
waits until it is asked for. Should another version of mlx_lm want more of them, all is imported as
it comes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import resource
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
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


@functools.cache
def ensure() -> None:
    """Import what loads models and makes adapters. Does nothing where mlx_lm is imported."""
    if "mlx_lm" in sys.modules:
        return
    with own_limit_of_files():
        _import_apart()


@contextlib.contextmanager
def own_limit_of_files() -> Iterator[None]:
    """Give what mlx_lm.utils asks of the system as far as it may be had, and lower nothing.

    On its import it sets the limits of open files to 2048 and 4096, which the system refuses
    where the hard one is lower (`ulimit -n 1024`).
    """
    setrlimit = resource.setrlimit

    def raised(which: int, wanted: tuple[int, int]) -> None:
        soft, hard = resource.getrlimit(which)
        most = wanted[0] if hard == resource.RLIM_INFINITY else min(wanted[0], hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            setrlimit(which, (most, hard))

    resource.setrlimit = raised
    try:
        yield
    finally:
        resource.setrlimit = setrlimit


def _import_apart() -> None:
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
