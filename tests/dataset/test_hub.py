"""Data sets of a hub on loopback: which files, which splits, the cache, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.errors import FarenseError

from farense_tui.dataset import look, make
from farense_tui.dataset.look import Wish
from farense_tui.dataset.sources import Repository
from tests.dataset import files
from tests.dataset.test_make import pairs
from tests.hub.loopback import COMMIT, Hub

CARD = """---
license: mit
configs:
- config_name: {first}
  data_files:
  - split: train
    path: data/train-*
  - split: validation
    path: [data/dev.jsonl]
- config_name: other
  data_files: other/*.jsonl
---
# Words
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with two configurations."""
    folder = tmp_path / "repo"
    files.jsonl(folder / "data/train-00000-of-00001.jsonl", *pairs(20))
    files.jsonl(folder / "data/dev.jsonl", *pairs(4, 100))
    files.jsonl(folder / "other/rows.jsonl", *pairs(3, 200))
    (folder / "README.md").write_text(CARD.format(first="default"))
    return folder


@pytest.fixture
def hub(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with Hub({"owner/rows": repo}) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE"):
            monkeypatch.delenv(name, raising=False)
        yield served


def do(tmp_path: Path, to: str = "d", **of: str) -> dict[str, int]:
    wish = Wish(("owner/rows",), tmp_path / to, of=Repository(**of))
    return make.make(wish, look.look(wish)).rows


def test_the_default_configuration_with_its_splits_then_the_cache(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert do(tmp_path) == {"train": 20, "valid": 4}
    record = json.loads((tmp_path / "d/dataset.json").read_text())
    assert record["sources"][0]["name"] == f"owner/rows@{COMMIT[:12]}/data/{TRAIN}"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert do(tmp_path, "e") == {"train": 20, "valid": 4}
    assert (tmp_path / "d/dataset.json").read_bytes() == (tmp_path / "e/dataset.json").read_bytes()


TRAIN = "train-00000-of-00001.jsonl"


def test_another_configuration_and_none_that_is_clear(hub: Hub, repo: Path, tmp_path: Path) -> None:
    assert sum(do(tmp_path, config="other").values()) == 3
    with pytest.raises(FarenseError, match="no configuration nope"):
        do(tmp_path, "e", config="nope")
    (repo / "README.md").write_text(CARD.format(first="one"))
    shutil.rmtree(tmp_path / "hf")
    with pytest.raises(FarenseError, match="which configuration") as told:
        do(tmp_path, "e")
    assert told.value.detail == "one, other"


def test_without_a_card_names_tell(hub: Hub, repo: Path, tmp_path: Path) -> None:
    (repo / "README.md").write_text("# Words\n")
    shutil.rmtree(repo / "other")
    assert do(tmp_path) == {"train": 20, "valid": 4}


def test_a_folder_with_a_card_is_read_as_its_repository_is(repo: Path, tmp_path: Path) -> None:
    """One that was cloned or downloaded by hand: its parts are not put together."""
    for path in list(repo.rglob("*.jsonl")):  # macOS puts these on a disk of exFAT
        path.with_name(f"._{path.name}").write_bytes(b"\0\x05\x16\x07")
    wish = Wish((str(repo),), tmp_path / "d")
    assert make.make(wish, look.look(wish)).rows == {"train": 20, "valid": 4}
    wish = Wish((str(repo),), tmp_path / "e", of=Repository(config="other"))
    assert sum(make.make(wish, look.look(wish)).rows.values()) == 3
    (repo / "README.md").write_text(CARD.format(first="one"))
    with pytest.raises(FarenseError, match="which configuration"):
        look.look(wish := Wish((str(repo),), tmp_path / "f"))
    (repo / "README.md").unlink()
    assert sum(make.make(wish, look.look(wish)).rows.values()) == 27


def test_a_card_that_names_what_is_not_there_is_told(repo: Path, tmp_path: Path) -> None:
    (repo / "data/dev.jsonl").unlink()
    with pytest.raises(FarenseError, match="not all that the card of repo names") as told:
        look.look(Wish((str(repo),), tmp_path / "d"))
    assert told.value.detail == "data/dev.jsonl"


@pytest.mark.parametrize("pattern", ["./data/train-*", "**/train-*", "data/**/train-*"])
def test_a_card_s_patterns_are_the_hub_s(pattern: str, repo: Path, tmp_path: Path) -> None:
    card = CARD.format(first="default").replace("data/train-*", f'"{pattern}"')
    (repo / "README.md").write_text(card)
    (found, _valid) = look.look(Wish((str(repo),), tmp_path / "d"))
    assert found.source.name == "data/train-00000-of-00001.jsonl"


BOMB = "".join(
    f"{name}: &{name} [{', '.join([f'*{of}'] * 9) if of else 'x'}]\n"
    for of, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "front",
    [
        "made: 2024-13-45",
        "n: !!int x",
        "[" * 5000,
        f"{BOMB}configs:\n- data_files:\n  - split: *i\n    path: *i",
    ],
)
def test_a_card_that_is_damaged_or_meant_to_harm_is_none(
    front: str, repo: Path, tmp_path: Path
) -> None:
    (repo / "README.md").write_text(f"---\n{front}\n---\n")
    assert len(look.look(Wish((str(repo),), tmp_path / "d"))) == 3


def test_what_is_not_to_be_had_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="the data set owner/rows cannot be downloaded") as told:
        do(tmp_path, revision="nope")
    assert "no revision nope" in told.value.detail
    with pytest.raises(FarenseError, match="the data set owner/none cannot be downloaded"):
        look.look(Wish(("owner/none",), tmp_path / "d"))
    with pytest.raises(FarenseError, match=r"there is no owner/rows\.csv"):
        look.look(Wish(("owner/rows.csv",), tmp_path / "d"))
