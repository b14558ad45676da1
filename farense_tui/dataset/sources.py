"""Which files are meant: those that are named, those of a folder, and the split each belongs to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress

from farense_tui.dataset import formats, hub
from farense_tui.dataset.documents import draft

RECORD = "dataset.json"
LEFT_OUT = "left_out.jsonl"
_SUFFIXES = (
    ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx", ".parquet", ".arrow", ".feather",
    ".sqlite", ".sqlite3", ".db",
)  # fmt: skip
_SPLITS = {
    "train": "train,training,treino",
    "valid": "valid,val,validation,validacao,dev,eval",
    "test": "test,teste",
}
_SPLIT_OF = {word: split for split, words in _SPLITS.items() for word in words.split(",")}
# Beside rows: what Hugging Face and this program write about them.
_ABOUT = (
    "dataset_info.json",
    "dataset_dict.json",
    "dataset_infos.json",
    "state.json",
    RECORD,
    LEFT_OUT,
)


@dataclass(frozen=True)
class Source:
    """A file with rows. name: as it is told and kept. split: "" where its name says none.

    draft: the folder of the draft that it is, if it is one.
    """

    path: Path
    name: str
    split: str = ""
    draft: Path | None = None


@dataclass(frozen=True)
class Repository:
    """Which of a hub's data set is meant: a branch, tag or commit, and a configuration of it."""

    revision: str = ""
    config: str = ""


def find(given: Sequence[str], of: Repository, tell: Callable[[Progress], None]) -> list[Source]:
    """Give the files, in a fixed order; `of` is for repositories, which are downloaded.

    Raises FarenseError (refused) where there are none.
    """
    found: list[Source] = []
    for each in given:
        path = Path(os.path.expanduser(each))
        if path.is_dir() and draft.is_draft(path):
            found.append(Source(path / draft.REVIEW, f"{path.name}/{draft.REVIEW}", draft=path))
        elif path.is_dir():
            found += _folder(path, of.config)
        elif path.exists() and not path.is_file():
            raise refused(_("{path} is neither a file nor a folder").format(path=each), kind="data")
        elif path.exists():
            found.append(Source(path, path.name, split_of(path.name)))
        elif hub.is_name(each) and not _like_a_file(path):
            found += _repository(each, of, tell)
        else:
            raise refused(_("there is no {path}").format(path=each), hint=formats.READ, kind="data")
    if len({source.path.resolve() for source in found}) < len(found):
        raise refused(_("a file is named twice"), kind="data")
    return _told_apart(found)


def may_hold_rows(name: str) -> bool:
    """Whether a file's name says that rows may be in it."""
    return name.lower().removesuffix(".gz").endswith(_SUFFIXES)


def _like_a_file(path: Path) -> bool:
    """Whether owner/name is rather a file that is not there: nobody's path goes to the hub."""
    return path.parent.is_dir() or path.name.lower().endswith(_SUFFIXES)


def _repository(repo: str, of: Repository, tell: Callable[[Progress], None]) -> list[Source]:
    folder, files = hub.fetch(repo, of.revision, of.config, _SUFFIXES, tell)
    if not files:
        raise refused(
            _("{folder} holds no rows").format(folder=repo), hint=formats.READ, kind="data"
        )
    commit = folder.name[:12]
    return [
        Source(path, f"{repo}@{commit}/{path.relative_to(folder)}", split_of(split or path.name))
        for path, split in files
    ]


def _folder(folder: Path, config: str) -> list[Source]:
    if carded := hub.of_card(folder, config):
        return [
            Source(path, str(path.relative_to(folder)), split_of(split or path.name))
            for path, split in carded
        ]
    saved = _saved_to_disk(folder)
    made = {record.parent for record in folder.rglob(RECORD)} - {folder}  # of other files here
    paths = saved or sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.name not in _ABOUT
        and not made & set(path.parents)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and may_hold_rows(path.name)
    )
    if not paths:
        raise refused(
            _("{folder} holds no rows").format(folder=folder), hint=formats.READ, kind="data"
        )
    return [
        Source(path, str(path.relative_to(folder)), split_of(str(path.relative_to(folder))))
        for path in paths
    ]


def _saved_to_disk(folder: Path) -> list[Path]:
    """Give the files of what `datasets` saves: its state names them, others are caches of it."""
    paths: list[Path] = []
    for state in sorted([*folder.glob("state.json"), *folder.glob("*/state.json")]):
        try:
            told: Any = msgspec.json.decode(state.read_bytes())
            names = [each["filename"] for each in told["_data_files"]]
        except (OSError, msgspec.DecodeError, KeyError, TypeError):
            continue
        paths += [state.parent / Path(name).name for name in names]
    return paths


def split_of(name: str) -> str:
    """Give the split that a path's words name, the last of them; "" where none does."""
    words = re.split(r"[^a-z]+", name.casefold())
    found = [_SPLIT_OF[word] for word in words if word in _SPLIT_OF]
    return found[-1] if found else ""


def _told_apart(found: list[Source]) -> list[Source]:
    """Give files of the same name longer ones, so that each row's origin can be told."""
    names = [source.name for source in found]
    return [
        Source(s.path, os.path.relpath(s.path), s.split) if names.count(s.name) > 1 else s
        for s in found
    ]
