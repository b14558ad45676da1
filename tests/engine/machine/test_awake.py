"""What keeps the machine awake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farense_tui.engine.machine import awake


def test_what_cannot_be_started_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert awake.can_keep_awake() in (True, False)
    (tmp_path / "caffeinate").write_text("no program\n")
    (tmp_path / "caffeinate").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert awake.can_keep_awake()
    awake.keep_awake(os.getpid())
