"""The habits of the house: what CONTRIBUTING.md, the hooks and the map of rooms say is so."""

from __future__ import annotations

import re
import tokenize
from io import StringIO
from pathlib import Path

import commit_subject
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("A test waits for states\n\nBecause.\n", ""),
        ("x" * 72 + "\n", ""),
        ("x" * 73 + "\n", "the subject has 73 characters; 72 are the most"),
        ("\n# nothing was written\n", "the commit has no subject"),
        ("One\ntwo\n", "between the subject and the rest"),
    ],
)
def test_a_subject_stands_alone_in_72_characters(message: str, fault: str) -> None:
    found = commit_subject.fault(message)
    assert found.startswith(fault)
    assert bool(found) == bool(fault)


def test_the_hooks_need_no_host_and_run_what_make_check_runs() -> None:
    assert [repo["repo"] for repo in HOOKS["repos"]] == ["local"]
    entries = [hook["entry"] for hook in HOOKS["repos"][0]["hooks"]]
    assert {hook["language"] for hook in HOOKS["repos"][0]["hooks"]} == {"system"}
    check = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert check
    for line in check[1].splitlines():
        program = line.strip().replace("$(BIN)", ".venv/bin").split(" .")[0].removesuffix(" .")
        assert any(entry.startswith(program) for entry in entries), program


# ---- the map ------------------------------------------------------------------------------------

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "data" / "README.md"])
TOP = "farense_tui|worker|tests|scripts|benchmarks|packaging|docs|profiles"


def tree() -> dict[Path, str]:
    """The rooms on the map, each with what is written behind it."""
    block = re.search(r"^```\n(farense_tui/.*?)^```", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    assert block
    rooms: dict[Path, str] = {}
    above: list[Path] = []
    for line in block[1].splitlines():
        name, about = line.strip().split("/  ", 1)
        depth = (len(line) - len(line.lstrip())) // 2
        room = (above[depth - 1] if depth else ROOT) / name
        above[depth:] = [room]
        rooms[room] = about.strip()
    return rooms


def test_every_room_is_on_the_map_and_says_what_it_answers() -> None:
    rooms = tree()
    there = {
        path.parent
        for package in ("farense_tui", "worker/farense_worker")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert rooms.keys() == there
    assert all(rooms.values())


def test_the_files_on_the_map_stand_in_their_rooms() -> None:
    named = {
        room / name for room, about in tree().items() for name in re.findall(r"\w+\.py", about)
    }
    assert len(named) > 60
    assert [path for path in sorted(named) if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"(?<![\w./~-])((?:{TOP})/[\w./-]*\w/?)(?![\w*]|\.\w)", text)
    # in running text a room is enough: `loop/train.py`
    named += re.findall(r"`(\w+/[\w/]+\.py)`", text)
    bases = [
        ROOT / base for base in ("", "farense_tui", "farense_tui/engine", "worker/farense_worker")
    ]
    lost = [path for path in named if not any((base / path).exists() for base in bases)]
    assert set(lost) <= {"profiles/NAME.toml"}


def test_every_file_of_ours_that_a_comment_names_is_there() -> None:
    bases = ["", "farense_tui", "farense_tui/engine", "worker/farense_worker", "worker", "tests"]
    bases += ["benchmarks"]
    theirs = ("mlx_lm/", "textual/", "models/auto/", "utils/")  # in a comment on their code
    lost = []
    for folder in ("farense_tui", "worker", "tests", "benchmarks", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            for token in tokenize.generate_tokens(StringIO(path.read_text("utf-8")).readline):
                if token.type != tokenize.COMMENT and not token.string.startswith('"""'):
                    continue
                for name in re.findall(r"(?<![\w./~{}-])(\w+/[\w/]+\.py)\b", token.string):
                    there = any((ROOT / base / name).exists() for base in bases)
                    if not there and not name.startswith(theirs):
                        lost.append(f"{path.relative_to(ROOT)}:{token.start[0]} {name}")
    assert lost == []
