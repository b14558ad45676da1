"""Where the profiles, the sample data and the embedded model are."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def asset(name: str) -> Path:
    """Find `profiles` or `data`: in the installed package, else at the top of the checkout."""
    installed = _PACKAGE / "assets" / name
    return installed if installed.exists() else _PACKAGE.parent / name


def embedded_model() -> Path:
    """Folder of the tiny model that travels with the app."""
    return asset("data") / "tiny-chat-pt"


def embedded_data() -> Path:
    """Folder of the sample data set."""
    return asset("data") / "farense"
