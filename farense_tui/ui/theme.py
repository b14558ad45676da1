"""The colours: black and white, as the club's, and one warm accent, the sun of the Algarve.

Success, warning and error are told apart by hue and by lightness, so that they stay apart for
people who do not see red and green alike; every state has a sign and a word of its own besides.
"""

from __future__ import annotations

from dataclasses import replace

from farense_worker.protocol.language import gettext as _
from textual.theme import Theme

DARK = Theme(
    name="farense-dark",
    dark=True,
    primary="#d8d3c8",
    secondary="#99948a",
    accent="#f4a340",
    foreground="#ece9e2",
    background="#101014",
    surface="#17171b",
    panel="#26262b",
    success="#4fc9a4",
    warning="#f7dc6f",
    error="#ff7a6b",
    variables={
        "veil": "#101014 60%",
        "text-muted": "#a19c92",
        "text-disabled": "#8c877d",
        "border": "#f4a340",
        "border-blurred": "#3d3d43",
        "block-cursor-background": "#f4a340",
        "block-cursor-foreground": "#17171b",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#3d3d43",
        "block-cursor-blurred-foreground": "#ece9e2",
        "input-cursor-background": "#f4a340",
        "input-cursor-foreground": "#17171b",
        "input-selection-background": "#f4a340 35%",
        "footer-background": "#17171b",
        "footer-foreground": "#a8a49b",
        "footer-description-foreground": "#a8a49b",
        "footer-key-foreground": "#f4a340",
        "scrollbar": "#3d3d43",
        "scrollbar-hover": "#5a5a61",
        "scrollbar-active": "#f4a340",
        "scrollbar-background": "#17171b",
        "scrollbar-background-hover": "#17171b",
        "scrollbar-background-active": "#17171b",
        "scrollbar-corner-color": "#17171b",
    },
)

LIGHT = Theme(
    name="farense-light",
    dark=False,
    primary="#33312c",
    secondary="#5c5952",
    accent="#9c4a00",
    foreground="#1a1917",
    background="#f7f5f0",
    surface="#fdfcf9",
    panel="#e7e3da",
    success="#00694e",
    warning="#5f4a00",
    error="#c4001a",
    variables={
        "veil": "#f7f5f0 60%",
        "text-muted": "#5c5952",
        "text-disabled": "#736f67",
        "border": "#9c4a00",
        "border-blurred": "#c9c4b8",
        "block-cursor-background": "#9c4a00",
        "block-cursor-foreground": "#fdfcf9",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#c9c4b8",
        "block-cursor-blurred-foreground": "#1a1917",
        "input-cursor-background": "#9c4a00",
        "input-cursor-foreground": "#fdfcf9",
        "input-selection-background": "#9c4a00 30%",
        "footer-background": "#fdfcf9",
        "footer-foreground": "#5c5952",
        "footer-description-foreground": "#5c5952",
        "footer-key-foreground": "#9c4a00",
        "scrollbar": "#c9c4b8",
        "scrollbar-hover": "#a8a296",
        "scrollbar-active": "#9c4a00",
        "scrollbar-background": "#fdfcf9",
        "scrollbar-background-hover": "#fdfcf9",
        "scrollbar-background-active": "#fdfcf9",
        "scrollbar-corner-color": "#fdfcf9",
    },
)

# Black and white, with colours of more than 7:1 on either ground (WCAG 2, AAA).
CONTRAST = Theme(
    name="farense-contrast",
    dark=True,
    primary="#ffffff",
    secondary="#d6d6d6",
    accent="#ffd21f",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1f1f33",
    success="#5dffb0",
    warning="#ffe98a",
    error="#ff9c94",
    variables={
        "veil": "#000000 60%",
        "text-muted": "#dcdcdc",
        "text-disabled": "#bdbdbd",
        "border": "#ffd21f",
        "border-blurred": "#dcdcdc",
        "block-cursor-background": "#ffd21f",
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#dcdcdc",
        "block-cursor-blurred-foreground": "#000000",
        "input-cursor-background": "#ffd21f",
        "input-cursor-foreground": "#000000",
        "input-selection-background": "#ffd21f 25%",
        "footer-background": "#000000",
        "footer-foreground": "#ffffff",
        "footer-description-foreground": "#ffffff",
        "footer-key-foreground": "#ffd21f",
        "scrollbar": "#bdbdbd",
        "scrollbar-hover": "#ffffff",
        "scrollbar-active": "#ffd21f",
        "scrollbar-background": "#000000",
        "scrollbar-background-hover": "#000000",
        "scrollbar-background-active": "#000000",
        "scrollbar-corner-color": "#000000",
    },
)

THEMES = (DARK, LIGHT, CONTRAST)

# A terminal of 16 colours shows the nearest of its own: the dark accent would be its red, in which
# everything looks like an alarm, and what is chosen would stand on the ground colour. On grey the
# accent cannot be read, on blue it can. Dimmed as elsewhere it would be black on black.
_BROWN, _YELLOW, _RED, _BLUE, _SILVER = "#aa5500", "#ffff55", "#ff5555", "#0000aa", "#aaaaaa"
_SIXTEEN = {
    DARK.name: {"accent": _BROWN, "panel": _BLUE, "warning": _YELLOW, "error": _RED},
    LIGHT.name: {"accent": _BROWN, "panel": _SILVER, "success": "#00aa00"},
    CONTRAST.name: {"accent": _YELLOW, "panel": _BLUE, "error": _RED},
}


def in_sixteen_colours(theme: Theme) -> Theme:
    """The theme for a terminal that has no more colours than those."""
    changes = _SIXTEEN[theme.name]
    was = {theme.accent: changes["accent"]}
    variables = {name: was.get(value, value) for name, value in theme.variables.items()}
    variables["veil"] = f"{theme.background} 20%"
    return replace(theme, **changes, variables=variables)  # type: ignore[arg-type]


TITLES = {DARK.name: _("dark"), LIGHT.name: _("light"), CONTRAST.name: _("high contrast")}
