"""A run of several processes: what `--ranks`, `--hosts` and `--backend` mean for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from farense_worker.protocol import home, hosts, plain_file
from farense_worker.protocol.errors import usage
from farense_worker.protocol.language import gettext as _


def group(
    ranks: int | None = None, hosts_file: str | None = None, backend: str | None = None
) -> dict[str, Any]:
    """Give the settings of [run] that the options change; none without options.

    Raises FarenseError: refused, for a list of machines with faults; usage, for options that do
    not go together.
    """
    if hosts_file is not None:
        path = plain_file.resolved(Path(os.path.expanduser(hosts_file)))
        found = hosts.load(path, backend or "")
        return {"ranks": len(found.hosts), "hosts": home.short(path), "backend": found.backend}
    if ranks is not None:
        if not 1 <= ranks <= 1024:
            raise usage(f"--ranks {ranks}", hint=_("It is a whole number from 1 to 1024."))
        return {"ranks": ranks, "hosts": "", "backend": backend or "ring"}
    if backend is not None:
        raise usage(f"--backend {backend}", hint=_("It goes with --hosts FILE or --ranks N."))
    return {}
