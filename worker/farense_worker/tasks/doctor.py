"""What MLX is like on this machine. Whatever is wrong with it is a finding, not an error."""

from __future__ import annotations

import platform
import sys
import time
from importlib import metadata
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.doctor import Findings, Request
from farense_worker.protocol.messages.task import Progress, Tell
from farense_worker.protocol.processes import macos

_PACKAGES = {"mlx": "mlx", "mlx-lm": "mlx_lm"}


def doctor(_asked: Request, tell: Tell) -> Findings:
    """Import MLX, ask it for its device, compute something."""
    tell(Progress(_("asking MLX")))
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": platform.machine(),
        "translated": _translated(),
        "wanted": _wanted(),
        **{name: _version(package) for package, name in _PACKAGES.items()},
    }
    began = time.perf_counter()
    try:
        found |= _compute()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the user has to know
        found["fault"] = f"{type(error).__name__}: {error}"
    return Findings(**found, seconds=time.perf_counter() - began)


def _compute() -> dict[str, Any]:
    """Use MLX for something small, mlx_lm's import included: what it then says is true."""
    import mlx.core as mx

    from farense_worker.loop import memory
    from farense_worker.model import mlx_lm_import, model

    with mlx_lm_import.own_limit_of_files():
        import mlx_lm  # noqa: F401 - it is what the training imports

    x = mx.arange(16.0).reshape(4, 4)
    if (x @ x)[3, 3].item() != 506.0:  # row 3 and column 3 of 0..15
        raise ArithmeticError(_("a product of two small matrices is wrong"))
    info = mx.device_info()
    return {
        "device": model.device(),
        "on_gpu": model.on_gpu(),
        "why": "" if model.on_gpu() else _why_cpu(mx),
        "memory_limit": memory.memory_limit(mx),
        "memory": int(info.get("memory_size", 0)),
    }


def _why_cpu(mx: Any) -> str:
    if sys.platform == "darwin":
        if _translated():
            return _("this Python was built for Intel and is translated: MLX has no GPU there")
        if not mx.metal.is_available():
            return _("Metal is not available: a virtual machine, or an Intel Mac")
        return _("the default device was set to the CPU")
    if getattr(mx, "cuda", None) is not None and mx.cuda.is_available():
        return _("the default device was set to the CPU")
    return _("this is MLX's build for Linux without a GPU")


def _translated() -> bool:
    """Whether Rosetta runs this Python (sysctl.proc_translated)."""  # not run on a Mac yet
    if sys.platform != "darwin":
        return False
    told = macos.said("/usr/sbin/sysctl", "-n", "sysctl.proc_translated")
    return (told or "").strip() == "1"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _wanted() -> dict[str, str]:
    """The versions that this product asks for, by package, as its metadata has them."""
    try:
        required = metadata.requires("farense-tui") or []
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return {}
    found = {}
    for line in required:
        name = line.partition(";")[0].strip()
        for package in _PACKAGES:
            bare = name.replace("[cpu]", "")
            if bare.startswith(package) and bare[len(package) : len(package) + 1] in "<>=~!":
                found[package] = bare[len(package) :]
    return found
