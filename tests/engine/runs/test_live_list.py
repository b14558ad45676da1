"""The list of runs: what has ended is read once."""

from __future__ import annotations

from pathlib import Path

import pytest
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import live_list
from farense_tui.engine.runs.live_list import Listing
from farense_tui.engine.runs.watch import Watch
from tests.ui import recorded
from tests.ui.monitor_host import held


def test_what_has_ended_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded.live(tmp_path)
    recorded.completed(tmp_path / "other").folder.path.rename(tmp_path / "done")
    made: list[str] = []

    class Counted(Watch):
        def __init__(self, folder: RunFolder) -> None:
            made.append(folder.name)
            super().__init__(folder)

    monkeypatch.setattr(live_list, "Watch", Counted)
    listing = Listing(tmp_path)
    first = {each.folder.name: each for each in listing.summaries()}
    again = {each.folder.name: each for each in listing.summaries()}
    assert all(again[name] is summary for name, summary in first.items())
    assert sorted(made) == ["demo-1", "done"]
    # somebody goes on with one: it is read once more, and from then on followed
    with held(run.folder):
        run.start(resumed_from=200)
        run.one_step()
        followed = {each.folder.name: each for each in listing.summaries()}
        assert followed["demo-1"].status == "running"
        assert followed["demo-1"].state.step == 201
        run.one_step()
        followed = {each.folder.name: each for each in listing.summaries()}
        assert followed["demo-1"].state.step == 202
    assert followed["done"] is first["done"]
    assert sorted(made) == ["demo-1", "demo-1", "done"]


def test_changed_settings_are_read(tmp_path: Path) -> None:
    run = recorded.completed(tmp_path)
    listing = Listing(tmp_path)
    list(listing.summaries())
    run.folder.config.write_text("nonsense")
    (summary,) = listing.summaries()
    assert summary.fault
