"""The command that installs an extra fits how the program was installed."""

from __future__ import annotations

import pytest

from farense_tui.engine.machine import extras


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        (
            "/Users/a/.local/pipx/venvs/farense-tui",
            "pipx runpip farense-tui install 'farense-tui[wandb]'",
        ),
        ("/Users/a/.local/share/uv/tools/farense-tui", "uv tool install 'farense-tui[wandb]'"),
        ("/opt/venv", "/opt/venv/bin/python -m pip install 'farense-tui[wandb]'"),
    ],
)
def test_each_way_of_installing(prefix: str, command: str) -> None:
    assert extras.command(["wandb"], prefix, f"{prefix}/bin/python") == command
