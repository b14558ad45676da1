"""The references are what the code says, and what is shipped can be loaded."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
from farense_worker.protocol.messages import events
from farense_worker.protocol.settings import profile_file

from farense_tui.engine.models.assets import asset

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """scripts/make_reference.py, which is not part of a package."""
    path = ROOT / "scripts" / "make_reference.py"
    spec = importlib.util.spec_from_file_location("make_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_protocol_reference_is_what_the_code_says(reference: ModuleType) -> None:
    text = reference.PROTOCOL.read_text(encoding="utf-8")
    assert reference.protocol(text) == text, "run python scripts/make_reference.py"


def test_the_profile_reference_is_what_the_code_says(reference: ModuleType) -> None:
    text = reference.PROFILE.read_text(encoding="utf-8")
    assert reference.profile_reference(text) == text, "run python scripts/make_reference.py"


def test_the_rules_and_scenarios_are_what_the_code_says(reference: ModuleType) -> None:
    text = reference.MONITOR.read_text(encoding="utf-8")
    assert reference.monitor(text) == text, "run python scripts/make_reference.py"


def test_every_event_has_an_example_with_all_its_fields(reference: ModuleType) -> None:
    examples = reference.examples(reference.PROTOCOL.read_text(encoding="utf-8"))
    assert set(examples) == {kind.__struct_config__.tag for kind in get_args(events.AnyEvent)}
    for name, line in examples.items():
        event = events.decode(line)
        assert event is not None, name
        assert events.encode(event) == line + b"\n"
        assert event.seq > 0
        assert event.time > 0


def test_a_changed_default_makes_the_reference_stale(reference: ModuleType) -> None:
    text = reference.PROFILE.read_text(encoding="utf-8")
    changed = text.replace("| batch_size |", "| batch_sise |")
    assert changed != text
    assert reference.profile_reference(changed) == text


@pytest.mark.parametrize("path", sorted(asset("profiles").glob("*.toml")), ids=lambda p: p.stem)
def test_a_shipped_profile_loads_and_says_what_it_is(path: Path) -> None:
    loaded = profile_file.load(path)
    assert loaded.profile.title
    assert loaded.profile.description
    # a profile that means "any machine" has no size; the others say it in their name
    size = re.search(r"(\d+)gb", path.stem)
    assert loaded.profile.memory_gb == (int(size[1]) if size else 0)


def test_the_shipped_profiles_are_the_four_of_the_command_line() -> None:
    assert {p.stem for p in asset("profiles").glob("*.toml")} == {
        "demo",
        "m1-8gb",
        "m1-16gb",
        "m1-32gb",
    }


def test_the_three_macs_train_with_the_same_effective_batch() -> None:
    """So a run keeps its curve when it is resumed with another machine's profile."""
    loaded = [profile_file.load(asset("profiles") / f"m1-{gb}gb.toml") for gb in (8, 16, 32)]
    assert {each.effective_batch for each in loaded} == {8}
