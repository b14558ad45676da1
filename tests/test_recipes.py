"""The recipes of CONTRIBUTING.md: the first is followed, what the others name is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES: dict[str, str] = dict(
    re.findall(r"^### An? ([\w ]+)\n(.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL)
)


def named(recipe: str) -> list[Path]:
    """The files that a recipe names."""
    return [ROOT / path for path in re.findall(r"`([\w.-]+/[\w./-]+\.\w+)`", RECIPES[recipe])]


def mentioning(pattern: str) -> set[Path]:
    """The files of the two programs in which a name stands."""
    return {
        path
        for folder in ("farense_tui", "worker")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(pattern, path.read_text(encoding="utf-8"))
    }


def test_there_are_four_recipes_and_what_they_name_is_there() -> None:
    assert RECIPES.keys() == {"setting", "event", "health rule", "screen"}
    for recipe in RECIPES:
        assert len(named(recipe)) >= 4
        assert [path for path in named(recipe) if not path.exists()] == []


@pytest.mark.parametrize(
    ("recipe", "example", "besides"),
    [
        ("setting", r"\bmax_grad_norm\b", ()),
        # Trackers show samples, which not every event is for.
        (
            "event",
            r"\bSample\b",
            ("farense_tui/track/counted_events.py", "farense_tui/track/writer.py"),
        ),
        ("health rule", r"def truncated\(|\btruncated, disk\b", ()),
    ],
)
def test_a_recipe_names_every_file_that_its_example_needed(
    recipe: str, example: str, besides: tuple[str, ...]
) -> None:
    assert re.search(r"As .* was", RECIPES[recipe])
    assert mentioning(example) - set(named(recipe)) == {ROOT / path for path in besides}


def test_a_setting_is_added_by_the_recipe(tmp_path: Path) -> None:
    for name in ("farense_tui", "worker", "scripts", "docs", "profiles", "data"):
        ignored = shutil.ignore_patterns("pictures", "__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)

    def run(*command: str) -> str:
        env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{tmp_path / 'worker'}"}
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        return f"{done.returncode}\n{done.stdout}{done.stderr}"

    # 1. the field; from here on all know it
    profile = tmp_path / "worker/farense_worker/protocol/settings/profile.py"
    text = profile.read_text(encoding="utf-8")
    field = '    zeal: Annotated[int, Meta(ge=0, le=9, description=_("how eager it is"))] = 3\n'
    at = text.index("    max_grad_norm: ")
    profile.write_text(text[:at] + field + text[at:], encoding="utf-8")
    start = ("-m", "farense_tui", "train", "--lang", "en", "--name", "x", "--set")
    assert "train.zeal" in run(*start, "train.zeal=10")
    assert "from 0 to 9" in run(*start, "train.zeal=10")

    # 2. a resume that has another one is told so
    recipe = tmp_path / "worker/farense_worker/protocol/settings/recipe.py"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("TOLD = (\n", 'TOLD = (\n    "train.zeal",\n'), encoding="utf-8")
    listed = "from farense_worker.protocol.settings.recipe import TOLD; print('train.zeal' in TOLD)"
    assert run("-c", listed) == "0\nTrue\n"

    # 4. the references
    assert run("scripts/make_reference.py").startswith("0\n")
    assert "| zeal | a whole number from 0 to 9 |" in (tmp_path / "docs/profile.md").read_text()

    # 5. the translation is asked for
    assert "no translation: 'how eager it is'" in run("scripts/translations.py", "--check")
