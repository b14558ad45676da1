"""A fast BLAS is found and given to the worker, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from farense_tui.engine.machine import blas

linux = pytest.mark.skipif(sys.platform != "linux", reason="MLX needs it on Linux only")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system that has nothing but what a test puts there."""
    for name in ("FARENSE_BLAS", "LD_PRELOAD", "LD_LIBRARY_PATH", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(blas, "_SYSTEM", (str(tmp_path),))
    monkeypatch.setattr(blas, "find_spec", lambda _name: None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    return tmp_path


@linux
def test_none_is_none(system: Path) -> None:
    assert blas.find() is None
    assert blas.environment() == {}


@linux
def test_what_the_system_has(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = system / "libopenblas.so.0"
    library.touch()
    assert blas.find() == library
    monkeypatch.setenv("LD_PRELOAD", "other.so")
    # no LD_LIBRARY_PATH: the system's folder may hold another libpython
    assert blas.environment() == {"LD_PRELOAD": f"{library}:other.so"}
    several = blas.environment(ranks=1000)
    assert several["OPENBLAS_NUM_THREADS"] == "1"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert "OPENBLAS_NUM_THREADS" not in blas.environment(ranks=1000)


@linux
def test_what_a_wheel_brings(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = system / "cvxopt" / "__init__.py"
    library = system / "cvxopt.libs" / "libopenblas-r0-0a1b.3.15.so"
    library.parent.mkdir()
    library.touch()
    monkeypatch.setattr(blas, "find_spec", lambda _name: SimpleNamespace(origin=str(package)))
    assert blas.environment() == {
        "LD_PRELOAD": str(library),
        "LD_LIBRARY_PATH": str(library.parent),
    }


@linux
def test_the_user_decides(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (system / "libopenblas.so.0").touch()
    own = system / "own.so"
    own.touch()
    monkeypatch.setenv("FARENSE_BLAS", str(own))
    assert blas.find() == own
    monkeypatch.setenv("FARENSE_BLAS", "off")
    assert blas.find() is None


def test_not_on_a_mac(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (system / "libopenblas.so.0").touch()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert blas.environment() == {}


@linux
@pytest.mark.skipif(blas.find() is None, reason="there is no fast BLAS here")
def test_mlx_computes_the_same_with_it() -> None:
    code = """
import mlx.core as mx, numpy as np
a, b = (np.random.default_rng(i).normal(size=(200, 200)).astype(np.float32) for i in (1, 2))
made = np.array(mx.array(a) @ mx.array(b))
assert np.allclose(made, a.astype(np.float64) @ b, rtol=1e-4, atol=1e-3)
maps = open("/proc/self/maps").read()
assert "blas" in maps or "mkl" in maps
"""
    environment = {**os.environ, **blas.environment()}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=300)
