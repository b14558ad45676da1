"""How an extra is installed into the very environment that this program runs in."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import PurePath

NAME = "farense-tui"


def command(extras: Sequence[str], prefix: str = sys.prefix, python: str = sys.executable) -> str:
    """Give the command: a bare `pip install` reaches neither a pipx nor a uv tool."""
    wanted = f"{NAME}[{','.join(extras)}]"
    parts = PurePath(prefix).parts
    if "pipx" in parts:
        # `pipx install` would look for the program itself in an index
        return f"pipx runpip {NAME} install {shlex.quote(wanted)}"  # not translated
    if "uv" in parts and "tools" in parts:
        return f"uv tool install {shlex.quote(wanted)}"  # not translated
    return f"{shlex.quote(python)} -m pip install {shlex.quote(wanted)}"  # not translated
