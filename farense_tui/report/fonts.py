"""The list of fonts that matplotlib makes when it first draws: on a Mac that takes some seconds."""

from __future__ import annotations

from pathlib import Path


def are_known() -> bool:
    """Whether matplotlib has its list already."""
    import matplotlib as mpl  # not above: only who draws needs it

    return any(Path(mpl.get_cachedir()).glob("fontlist-*.json"))
