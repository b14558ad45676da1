"""What the app remembers of its user from one start to the next: the theme."""

from __future__ import annotations

import contextlib
import os
import tomllib
from pathlib import Path

import tomli_w


def path() -> Path:
    """Where it is kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "farense-tui" / "preferences.toml"


def theme() -> str:
    """Name of the theme that was chosen last; empty if none was, or if that cannot be read."""
    try:
        found = tomllib.loads(path().read_text(encoding="utf-8")).get("theme", "")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return ""
    return found if isinstance(found, str) else ""


def keep_theme(name: str) -> None:
    """Remember the theme. Where nothing may be written it is forgotten at the end of the app."""
    with contextlib.suppress(OSError):
        path().parent.mkdir(parents=True, exist_ok=True)
        path().write_text(tomli_w.dumps({"theme": name}), encoding="utf-8")
