"""What travels with the app is found in the checkout and in the installed package."""

from __future__ import annotations

from pathlib import Path

import pytest
from farense_worker.protocol import dataset

from farense_tui.engine.models import assets


def test_everything_is_there() -> None:
    assert (assets.asset("profiles") / "demo.toml").is_file()
    assert (assets.embedded_model() / "config.json").is_file()
    assert (assets.embedded_model() / "model.safetensors").is_file()


def test_the_sample_data_has_no_fault() -> None:
    summary = dataset.check(assets.embedded_data())
    assert set(summary.rows) == {"train", "valid", "test"}
    assert min(summary.rows.values()) > 20


def test_what_is_in_the_package_comes_before_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "farense_tui"
    monkeypatch.setattr(assets, "_PACKAGE", package)
    assert assets.asset("data") == tmp_path / "data"
    (package / "assets" / "data").mkdir(parents=True)
    assert assets.asset("data") == package / "assets" / "data"
    assert assets.asset("profiles") == tmp_path / "profiles"
