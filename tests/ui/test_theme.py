"""The colours where there are few of them."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem
from textual import color as textual
from textual.theme import Theme

from farense_tui.ui.theme import THEMES, in_sixteen_colours
from tests.ui.test_contrast import contrast


def nearest(colour: str | None) -> int | None:
    """Number of the colour that a terminal of 16 shows."""
    assert colour
    return Color.parse(colour).downgrade(ColorSystem.STANDARD).number


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_in_16_colours_nothing_looks_like_an_alarm_and_the_chosen_is_seen(theme: Theme) -> None:
    theme = in_sixteen_colours(theme)
    alarm = nearest(theme.error)
    assert alarm in (1, 9)  # a red
    for other in (theme.accent, theme.warning, theme.success, theme.foreground):
        assert nearest(other) not in (1, 9)
    assert nearest(theme.panel) != nearest(theme.background)
    assert nearest(theme.variables["footer-key-foreground"]) == nearest(theme.accent)
    shown = [textual.Color.parse(each) for each in (theme.accent, theme.panel)]
    assert contrast(*shown) > 2  # a key on what is chosen can be read, if not well


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_in_16_colours_words_behind_a_dialog_are_not_lost(theme: Theme) -> None:
    theme = in_sixteen_colours(theme)
    over, percent = theme.variables["veil"].split()
    veil = textual.Color.parse(over).with_alpha(float(percent.rstrip("%")) / 100)
    ground = nearest(theme.background)
    muted = theme.variables["text-muted"]
    for word in (theme.foreground, theme.accent, theme.success, theme.warning, theme.error, muted):
        assert nearest((textual.Color.parse(word) + veil).hex6) != ground
