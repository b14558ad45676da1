"""What the app remembers of its user from one start to the next: the theme, how to be reached."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w
from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import write_atomically
from farense_worker.protocol.settings import toml_text

from farense_tui.ui.theme import TITLES


def path() -> Path:
    """Where it is kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(os.path.expanduser(base)) / "farense-tui" / "preferences.toml"


_LONGEST = 1 << 20  # bytes
_SWITCHES = ("title", "progress", "bell", "notify", "motion", "welcomed")


def _read() -> dict[str, Any]:
    """Read the file; ValueError with what is wrong with it, or OSError."""
    return toml_text.loads(plain_file.text(path(), _LONGEST).removeprefix("\ufeff"))


def _all() -> dict[str, Any]:
    try:
        return _read()
    except (OSError, ValueError):
        return {}


def faults() -> list[str]:
    """Say what in the file is passed over, each as a sentence without its stop."""
    try:
        found = _read()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return [_("nothing of it is heeded: {why}").format(why=why)]
    return [said for name, value in found.items() if (said := _fault(name, value))]


def _fault(name: str, value: object) -> str:
    if name in _SWITCHES:
        right = isinstance(value, bool)
        return "" if right else _("{name} must be true or false").format(name=name)
    if name == "theme":
        right = isinstance(value, str) and value in TITLES
        return "" if right else _("theme must be one of {names}").format(names=", ".join(TITLES))
    if name == "webhook":
        right = value == "" or bool(webhook())
        return "" if right else _("webhook must be an address: http://… or https://…")
    known = ", ".join((*_SWITCHES, "theme", "webhook"))
    return _("there is no {name}; there are {known}").format(name=name, known=known)


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
        if kept or not file.exists() or (file.is_file() and not file.stat().st_size):
            file.parent.mkdir(parents=True, exist_ok=True)
            # As a whole: a full disk costs its owner nothing that is in it. Where it is a link, as
            # dotfiles often are to where they are kept, it stays one.
            write_atomically(plain_file.resolved(file), tomli_w.dumps(kept | {name: value}))
