"""The profiles there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.profile import Profile, replace_setting
from farense_worker.protocol.settings.profile_file import load

from farense_tui.engine.machine.hardware import Machine
from farense_tui.engine.profiles import catalogue


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own profiles, in an empty place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    return tmp_path / "profiles"


def machine(gib: float, backend: str = "Metal") -> Machine:
    return Machine("chip", int(gib * GIB), 8, backend, "macOS 15")


def test_the_built_in_ones_come_smallest_machine_first(own: Path) -> None:
    found = catalogue.find()
    assert [each.name for each in found] == ["m1-8gb", "m1-16gb", "m1-32gb", "demo"]
    assert all(each.fault is None for each in found)


def test_what_macos_leaves_beside_a_file_is_no_profile(own: Path) -> None:
    (own / "mine.toml").write_text('[profile]\ntitle = "Mine"\n')
    (own / "._mine.toml").write_bytes(b"\x00\x05\x16\x07")
    assert "._mine" not in [each.name for each in catalogue.find()]


def test_one_of_the_users_own_hides_a_built_in_one(own: Path) -> None:
    (own / "demo.toml").write_text('[profile]\ntitle = "Mine"\n')
    (own / "extra.toml").write_text("[profile]\nmemory_gb = 24\n")
    found = {each.name: each for each in catalogue.find()}
    assert [*found] == ["m1-8gb", "m1-16gb", "extra", "m1-32gb", "demo"]
    assert found["demo"].path == own / "demo.toml"
    assert catalogue.get("demo").profile.title == "Mine"
    (own / "demo.toml").unlink()
    assert catalogue.get("demo").profile.title == "Demo"


def test_one_with_faults_is_listed_with_them_and_not_used(own: Path) -> None:
    (own / "broken.toml").write_text("[train]\nepochs = 0\n")
    (broken,) = [each for each in catalogue.find() if each.name == "broken"]
    assert broken.profile is None
    assert "line 2: train.epochs" in str(broken.fault)
    with pytest.raises(FarenseError) as caught:
        catalogue.get("broken")
    assert caught.value is not broken.fault
    assert caught.value.detail == broken.fault.detail  # type: ignore[union-attr]
    assert catalogue.fitting(machine(16), catalogue.find()) == "m1-16gb"


def test_a_profile_is_found_by_its_path_as_well(own: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text("[lora]\nrank = 3\n")
    assert catalogue.get(str(path)).lora.rank == 3
    assert catalogue.get("elsewhere.toml").lora.rank == 3
    with pytest.raises(FarenseError, match="cannot read the profile"):
        catalogue.get("nowhere/x.toml")


def test_an_unknown_name_is_told_with_those_there_are(own: Path) -> None:
    with pytest.raises(FarenseError, match="there is no profile m1") as caught:
        catalogue.get("m1")
    assert "m1-8gb, m1-16gb, m1-32gb, demo" in caught.value.hint


@pytest.mark.parametrize(
    ("gib", "backend", "name"),
    [
        (4, "Metal", "demo"),
        (7.99, "Metal", "m1-8gb"),  # what the system keeps for itself
        (8, "Metal", "m1-8gb"),
        (15, "Metal", "m1-8gb"),
        (16, "Metal", "m1-16gb"),
        (24, "Metal", "m1-16gb"),
        (32, "Metal", "m1-32gb"),
        (128, "Metal", "m1-32gb"),
        (128, "CPU", "demo"),
        (128, "CUDA", "demo"),
    ],
)
def test_the_largest_that_the_machine_has_the_memory_for(
    own: Path, gib: float, backend: str, name: str
) -> None:
    assert catalogue.fitting(machine(gib, backend), catalogue.find()) == name


def test_a_saved_profile_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no folder for profiles yet
    profile = replace_setting(Profile(), "train.learning_rate", 3e-5)
    path = catalogue.save("mine", profile)
    assert path == tmp_path / "profiles" / "mine.toml"
    assert load(path) == profile
    assert catalogue.get("mine") == profile
    catalogue.save("mine", Profile())
    assert catalogue.get("mine") == Profile()
    assert [p.name for p in path.parent.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize("name", ["", "../out", "a/b", ".hidden"])
def test_a_profile_is_saved_in_its_folder_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FarenseError, match="cannot be the name"):
        catalogue.save(name, Profile())
    assert list(tmp_path.iterdir()) == []
