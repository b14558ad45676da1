"""What the terminal can show, as far as it says so by itself."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from farense_worker.protocol.language import gettext as _

_TRUE_COLOUR = ("truecolor", "24bit")
_DIRECT = ("-direct", "kitty", "alacritty", "ghostty", "wezterm", "foot")


# Terminals that know ConEmu's mark of progress (OSC 9;4), from which version on. Others of them
# that know OSC 9 alone take it for a message, and show one for every percent.
_PROGRESS = {"iTerm.app": (3, 6, 6), "iTerm2": (3, 6, 6), "ghostty": (1, 2), "WezTerm": (20250101,)}
_VTE = 7900  # GNOME's terminals


@dataclass(frozen=True)
class Terminal:
    """The terminal this is run in. `colours`: 0 where it shows none."""

    there: bool
    name: str
    columns: int
    rows: int
    colours: int
    unicode: bool


def terminal() -> Terminal:
    """Look at the environment and at stdout."""
    out = sys.__stdout__  # Textual puts another one in the place of sys.stdout
    columns, rows = shutil.get_terminal_size((0, 0))
    encoding = out.encoding if out else ""
    return read(os.environ, out is not None and out.isatty(), encoding, columns, rows)


def read(
    environment: Mapping[str, str], there: bool, encoding: str, columns: int, rows: int
) -> Terminal:
    """Tell what a terminal with this environment can do."""
    term = environment.get("TERM", "")
    name = environment.get("TERM_PROGRAM") or term or _("unknown")
    return Terminal(
        there=there,
        name=name.replace("_", " "),
        columns=columns,
        rows=rows,
        colours=_colours(environment, term),
        unicode=encoding.lower().replace("-", "") in ("utf8", "utf16"),
    )


def shows_progress(environment: Mapping[str, str]) -> bool:
    """Whether the terminal with this environment is known to show a mark of progress."""
    if environment.get("WT_SESSION") or environment.get("ConEmuANSI") == "ON":
        return True
    vte = environment.get("VTE_VERSION", "")
    if vte.isdecimal() and int(vte) >= _VTE:
        return True
    kind = "TERM_PROGRAM" if environment.get("TERM_PROGRAM") else "LC_TERMINAL"  # iTerm2 over ssh
    first = _PROGRESS.get(environment.get(kind, ""))
    version = environment.get(f"{kind}_VERSION", "")
    return first is not None and tuple(map(int, re.findall(r"\d+", version)[:3])) >= first


def _colours(environment: Mapping[str, str], term: str) -> int:
    if environment.get("NO_COLOR") or term in ("dumb", ""):
        return 0
    if environment.get("COLORTERM", "") in _TRUE_COLOUR or any(word in term for word in _DIRECT):
        return 1 << 24
    return 256 if "256" in term else 16
