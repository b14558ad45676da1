"""requirements-hashed.txt: what constraints.txt names, and nothing that is not hashed."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import make_sbom
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "requirements-hashed.txt").read_text(encoding="utf-8")


def pins(text: str) -> dict[str, str]:
    return {name.lower(): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.M)}


def test_the_versions_are_those_of_the_constraints() -> None:
    known = {
        name.replace("_", "-"): version
        for name, version in pins((ROOT / "constraints.txt").read_text(encoding="utf-8")).items()
    }
    for name, version in pins(TEXT).items():
        # What only other systems need is not among the constraints.
        assert known.get(name.replace("_", "-"), version) == version, f"{name}: make hashes"


def test_all_that_is_needed_is_hashed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.match(r"[\w-]+", each)[0].lower() for each in project["dependencies"]}  # type: ignore[index]
    assert needed <= pins(TEXT).keys(), "make hashes"
    for entry in re.split(r"\n(?=\w)", TEXT)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert "://" not in TEXT


def test_the_versions_are_within_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    exact = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    known = {canonicalize_name(name): version for name, version in exact.items()}
    for asked in map(Requirement, chain(project["dependencies"], *extras)):
        assert known[canonicalize_name(asked.name)] in asked.specifier, asked


def test_the_bill_of_materials_is_of_today() -> None:
    assert make_sbom.PLACE.read_text(encoding="utf-8") == make_sbom.bill(), "make hashes"
