"""Every letter that is drawn can be read, and no meaning hangs on a colour that some do not see."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from rich.style import Style
from textual.color import Color
from textual.pilot import Pilot
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets._footer import FooterKey

from farense_tui.engine.runs import clock
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.charts.chart import _SHADES
from farense_tui.ui.theme import CONTRAST, LIGHT, THEMES
from tests.ui import recorded
from tests.ui.monitor_host import held

# WCAG 2.2, 1.4.3 (AA) for text; 1.4.6 (AAA) for the theme that promises it
LEAST = {CONTRAST.name: 7.0}
TEXT = 4.5
DIM = 3.0  # the standard asks nothing of what is inactive


def luminance(colour: Color) -> float:
    """Relative luminance of sRGB, 0 to 1 (WCAG 2.2)."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour.rgb)
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one: Color, other: Color) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast(Color.parse("#fff"), Color.parse("#000")) == pytest.approx(21)
    assert contrast(Color.parse("#777"), Color.parse("#fff")) == pytest.approx(4.48, abs=0.01)


def words(app: FarenseApp) -> Iterator[tuple[str, Style]]:
    """What has letters or digits; lines and dots are pictures, and what a dialog lies on is dim."""
    boxes = app.screen.query(".box") if app.screen.is_modal else ()
    seen = boxes[0].region if boxes else app.screen.region
    strips = app.screen._compositor.render_strips(app.size)[seen.y : seen.bottom]
    for strip in strips:
        for segment in strip.crop(seen.x, seen.right):
            if any(char.isalnum() for char in segment.text) and segment.style:
                yield segment.text, segment.style


def unread(app: FarenseApp) -> dict[str, float]:
    """Texts of too little contrast, with what they have; keys that do nothing here may be dim."""
    idle = {word for key in app.screen.query("FooterKey.-disabled") for word in _of_key(key)}
    ground = app.screen.background_colors[1]
    least, found = LEAST.get(app.theme, TEXT), {}
    for text, style in words(app):
        ink = Color.from_rich_color(style.color) if style.color else Color.parse("white")
        back = Color.from_rich_color(style.bgcolor) if style.bgcolor else ground
        if style.reverse:
            ink, back = back, ink
        needed = DIM if text.strip() in idle else least
        if (measured := contrast(ink, back)) < needed:
            found[text.strip()] = round(measured, 2)
    return found


def _of_key(key: Widget) -> tuple[str, str]:
    assert isinstance(key, FooterKey)
    return key.key_display, key.description


async def drawn(pilot: Pilot[None]) -> None:
    """Wait until two looks at the screen are the same."""
    before = None
    while before != (now := [text for text, _ in words(pilot.app)]):  # type: ignore[arg-type]
        before = now
        await pilot.pause(0.2)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
async def test_every_text_that_is_drawn_can_be_read(
    theme: Theme, tmp_path: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.comparable(runs_dir)
    run = recorded.nan(tmp_path / "other")
    monkeypatch.setattr(clock, "now", lambda: run.time + 0.3)
    app, told = FarenseApp(runs_dir), {}
    async with app.run_test(size=(120, 36)) as pilot:
        app.theme = theme.name

        async def look(where: str) -> None:
            await drawn(pilot)
            told[where] = unread(app)

        await look("launch")
        await pilot.press("question_mark")
        await look("help")
        await pilot.press("escape", "l")
        await look("runs")
        await pilot.press("space", "down", "space", "c")
        await look("comparison")
        await pilot.press("x")
        await look("crosshair")
        with held(run.folder):
            app.open_run(run.folder)
            await look("monitor")
            await pilot.press("h")
            await look("health")
            await pilot.press("escape", "e")
            await look("change")
            await pilot.press("escape", "s")
            await look("stop")
    assert {where: texts for where, texts in told.items() if texts} == {}
    assert len(told) == 9


# ---- for eyes that do not tell all colours apart -----------------------------------------------

# G. Machado et al., A physiologically-based model for simulation of color vision deficiency, 2009,
# severity 1; on linear RGB
EYES = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
# CIE76 distance; 2.3 is what is just seen (M. Mahy et al., 1994)
APART = 10.0


def seen(colour: str, eyes: str | None) -> np.ndarray:
    """A colour in CIELAB (D65), as such eyes see it."""
    rgb = np.array(Color.parse(colour).rgb) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if eyes:
        linear = np.clip(np.array(EYES[eyes]) @ linear, 0, 1)
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = np.array(to_xyz) @ linear / (0.9505, 1.0, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array((116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])))


@pytest.mark.parametrize("eyes", [None, *EYES])
@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_what_has_a_meaning_is_told_apart(theme: Theme, eyes: str | None) -> None:
    signs = [theme.success, theme.warning, theme.error]
    curves = [light if theme is LIGHT else dark for dark, light in _SHADES.values()]
    for group in (signs, curves):
        for one, other in combinations(map(str, group), 2):
            assert np.linalg.norm(seen(one, eyes) - seen(other, eyes)) > APART, (one, other)
