"""A profile while it is being edited."""

from __future__ import annotations

from pathlib import Path

import pytest
from farense_worker.protocol.dataset import Summary
from farense_worker.protocol.settings.fields import SETTINGS
from farense_worker.protocol.settings.profile import Profile, Report, replace_setting

from farense_tui.engine.preflight import model_and_data
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.profiles.draft import RUN_NAME, Draft, all_settings

EVERY = [s.name for s in all_settings() if s is not RUN_NAME]


def test_every_setting_can_be_edited() -> None:
    assert sorted(EVERY) == sorted(s.name for keys in SETTINGS.values() for s in keys.values())


@pytest.mark.parametrize("found", catalogue.find(), ids=lambda found: found.name)
def test_what_is_shown_of_a_profile_is_read_back_as_the_same(found: catalogue.Found) -> None:
    assert found.profile
    draft = Draft(found.profile, Path("runs"))
    for name in EVERY:
        again = draft.with_text(name, draft.text(name) + " ").with_text(name, draft.text(name))
        assert again == draft
        setting = next(s for s in all_settings() if s.name == name)
        section, _, key = name.partition(".")
        value = getattr(getattr(found.profile, section), key)
        assert setting.parse_text(draft.text(name)) == value


@pytest.mark.parametrize(
    "prompts", [(), ("one",), ("two words",), ("a", "b"), ('"', "[", "a,b", "é\\n\t"), ("",)]
)
def test_lists_are_shown_so_that_they_are_read_back(prompts: tuple[str, ...]) -> None:
    draft = Draft(Profile(report=Report(prompts=prompts)), Path("runs"))
    shown = draft.text("report.prompts")
    assert SETTINGS["report"]["prompts"].parse_text(shown) == prompts


def test_right_changes_count_and_wrong_ones_are_kept_as_text() -> None:
    draft = Draft(Profile(), Path("runs"))
    draft = draft.with_text("train.epochs", "7").with_text("train.batch_size", "no")
    assert draft.profile == replace_setting(Profile(), "train.epochs", 7)
    assert draft.text("train.batch_size") == "no"
    assert list(draft.faults) == ["train.batch_size"]
    assert draft.without("train.batch_size").faults == {}


def test_a_name_for_the_run_must_be_free_and_stay_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    draft = Draft(Profile(), tmp_path)
    assert "taken" in draft.with_text("run.name", "there").faults["run.name"]
    assert draft.with_text("run.name", "../up").faults
    assert draft.with_text("run.name", "free").run_name == "free"


@pytest.mark.parametrize(
    ("rows", "fraction", "steps"),
    [
        ({"train": 8}, 0.0, 1),
        ({"train": 9}, 0.0, 2),
        ({"train": 3}, 0.0, 1),
        ({"train": 80}, 0.5, 5),
        ({"train": 80, "valid": 1}, 0.5, 10),
    ],
)
def test_steps_of_an_epoch(rows: dict[str, int], fraction: float, steps: int) -> None:
    profile = replace_setting(Profile(), "data.valid_fraction", fraction)
    assert model_and_data.steps_per_epoch(profile, Summary(Path(), rows, ())) == steps
