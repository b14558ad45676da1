"""What the app remembers of its user from one start to the next: the theme, how to be reached."""

from __future__ import annotations

import contextlib
import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w


def path() -> Path:
    """Where it is kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(os.path.expanduser(base)) / "farense-tui" / "preferences.toml"


def _all() -> dict[str, Any]:
    try:
        return tomllib.loads(path().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


def theme() -> str:
    """Name of the theme that was chosen last; empty if none was, or if that cannot be read."""
    found = _all().get("theme", "")
    return found if isinstance(found, str) else ""


def wanted(name: str) -> bool:
    """Whether `title`, `progress`, `bell`, `notify`, `motion` are wanted: what is not `false`."""
    return _all().get(name) is not False


def webhook() -> str:
    """Address that news are sent to, an ntfy topic for example; empty for none."""
    found = _all().get("webhook", "")
    if not isinstance(found, str) or not found.startswith(("http://", "https://")):
        return ""
    with contextlib.suppress(ValueError):  # of brackets that are no address
        return found if urlsplit(found).hostname else ""
    return ""


def welcomed() -> bool:
    """Whether the first start is over."""
    return _all().get("welcomed") is True


def keep_welcomed() -> None:
    """Never show the first start's screen again."""
    _keep("welcomed", True)


def keep_theme(name: str) -> None:
    """Remember the theme."""
    _keep("theme", name)


def _keep(name: str, value: object) -> None:
    """Remember something. Where nothing may be written it is forgotten at the end of the app.

    So it is where the file cannot be read: a slip in it costs its owner nothing else in it.
    """
    kept, file = _all(), path()
    with contextlib.suppress(OSError):
        if kept or not file.is_file() or not file.stat().st_size:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(tomli_w.dumps(kept | {name: value}), encoding="utf-8")
