"""What the app remembers of its user is not lost by remembering something more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farense_tui.ui import preferences

KEPT = 'webhook = "https://ntfy.example/mine"\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    preferences.path().parent.mkdir()
    preferences.path().write_text(KEPT)
    return preferences.path()


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_disk_that_takes_nothing_costs_nothing_that_was_kept(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        preferences.keep_theme("farense-light")
    assert [path.read_text() for path in file.parent.iterdir()] == [KEPT]
    preferences.keep_welcomed()
    assert preferences.welcomed()
    assert preferences.webhook() == "https://ntfy.example/mine"


def test_a_file_that_is_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "dotfiles.toml"
    file.rename(mine)
    file.symlink_to(mine)
    preferences.keep_welcomed()
    assert file.is_symlink()
    assert KEPT.strip() in mine.read_text()
    assert "welcomed = true" in mine.read_text()
