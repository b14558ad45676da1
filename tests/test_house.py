"""The habits of the house: what CONTRIBUTING.md, the hooks and the map of rooms say is so."""

from __future__ import annotations

import re
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
