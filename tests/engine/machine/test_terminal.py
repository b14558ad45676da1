"""What a terminal can do, by its environment."""

from __future__ import annotations

import pytest

from farense_tui.engine.machine import terminal


@pytest.mark.parametrize(
    ("environment", "shows"),
    [
        ({"TERM_PROGRAM": "Apple_Terminal", "TERM_PROGRAM_VERSION": "455.1"}, False),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.5.14"}, False),  # a message each
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.6.6"}, True),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.6.12beta1"}, True),
        ({"TERM_PROGRAM": "iTerm.app"}, False),
        ({"LC_TERMINAL": "iTerm2", "LC_TERMINAL_VERSION": "3.10.0"}, True),  # over ssh
        ({"TERM_PROGRAM": "ghostty", "TERM_PROGRAM_VERSION": "1.1.3"}, False),
        ({"TERM_PROGRAM": "ghostty", "TERM_PROGRAM_VERSION": "1.2.0"}, True),
        ({"TERM_PROGRAM": "WezTerm", "TERM_PROGRAM_VERSION": "20240203-110809-5046fc22"}, False),
        ({"TERM_PROGRAM": "WezTerm", "TERM_PROGRAM_VERSION": "20251014-193657-6f375e29"}, True),
        ({"TERM_PROGRAM": "tmux", "LC_TERMINAL": "iTerm2", "LC_TERMINAL_VERSION": "3.6.9"}, False),
        ({"TERM": "xterm-kitty"}, False),
        ({"VTE_VERSION": "7802"}, False),
        ({"VTE_VERSION": "8000"}, True),
        ({"WT_SESSION": "3b8a"}, True),
        ({}, False),
    ],
)
def test_who_shows_a_mark_of_progress(environment: dict[str, str], shows: bool) -> None:
    assert terminal.shows_progress(environment) is shows
