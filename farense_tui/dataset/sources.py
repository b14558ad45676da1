"""Which files are meant: those that are named, those of a folder, and the split each belongs to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from farense_worker.protocol import foreign_rows, plain_file
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.shapes.splits import split_of

from farense_tui.dataset import formats, hub
from farense_tui.dataset.documents import draft

RECORD = "dataset.json"
LEFT_OUT = "left_out.jsonl"
_SUFFIXES = (
    ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx", ".parquet", ".arrow", ".feather",
    ".sqlite", ".sqlite3", ".db",
)  # fmt: skip
# Beside rows: what Hugging Face and this program write about them.
_ABOUT = (
    "dataset_info.json",
    "dataset_dict.json",
    "dataset_infos.json",
    "state.json",
    RECORD,
    LEFT_OUT,
)


_OF_SYSTEMS = ("Thumbs.db", "desktop.ini", "ehthumbs.db")
_PART = re.compile(r"-(\d{5})-of-(\d{5})")  # as datasets names them
_MOST_PARTS = 10_000
_MOST_NAMED = 8


@dataclass(frozen=True)
class Source:
    """A file with rows. name: as it is told and kept. split: "" where its name says none.

    draft: the folder of the draft that it is, if it is one. beside: files of its folder that are
    not read, told with the first that is.
    """

    path: Path
    name: str
    split: str = ""
    draft: Path | None = None
    beside: tuple[str, ...] = ()


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
            found.append(
                Source(path / draft.REVIEW, _told(f"{path.name}/{draft.REVIEW}"), draft=path)
            )
        elif path.is_dir():
            found += _folder(path, of.config)
        elif path.exists() and not path.is_file():
            raise refused(_("{path} is neither a file nor a folder").format(path=each), kind="data")
        elif path.exists():
            found.append(Source(path, _told(path.name), split_of(path.name)))
        elif hub.is_name(each) and not _like_a_file(path):
            found += _repository(each, of, tell)
        else:
            hint = foreign_rows.meant(path) or formats.READ
            raise refused(_("there is no {path}").format(path=each), hint=hint, kind="data")
    if len({plain_file.resolved(source.path) for source in found}) < len(found):
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
            Source(path, _told(path.relative_to(folder)), split_of(split or path.name))
            for path, split in carded
        ]
    paths = _saved_to_disk(folder)
    there = [] if paths else _files(folder)
    paths = paths or [path for path in there if may_hold_rows(path.name)]
    beside = [_told(path.relative_to(folder)) for path in there if not may_hold_rows(path.name)]
    if not paths:
        raise refused(
            _("{folder} holds no rows").format(folder=folder),
            _("not read: {names}").format(names=listed(beside)) if beside else "",
            formats.READ,
            kind="data",
        )
    _check_parts(paths)
    found = [
        Source(path, _told(path.relative_to(folder)), split_of(str(path.relative_to(folder))))
        for path in paths
    ]
    return [replace(found[0], beside=tuple(beside)), *found[1:]]


def _files(folder: Path) -> list[Path]:
    """Give the files that are somebody's own: not those of systems, of git, or made by us here.

    A folder that goes while this looks, or that may not be read, has none.
    """
    found: list[Path] = []
    for place, inner, names in os.walk(folder):
        if RECORD in names and Path(place) != folder:
            inner.clear()
            continue
        inner[:] = [name for name in inner if not name.startswith(_HIDDEN)]
        found += [Path(place, name) for name in names if _is_own(name)]
    return sorted(path for path in found if os.path.isfile(path))


_HIDDEN = (".", "__MACOSX")


def _is_own(name: str) -> bool:
    """Whether it is no system's; ~$ begins that of a file that Excel has open."""
    return name not in (*_ABOUT, *_OF_SYSTEMS) and not name.startswith((*_HIDDEN, "~$"))


def _told(name: str | Path) -> str:
    """Give a name as it can be told and kept: a file's may be no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _check_parts(paths: list[Path]) -> None:
    """Raise FarenseError (refused) where parts are missing of files that count themselves."""
    parts: dict[tuple[str, int], set[int]] = {}
    for path in paths:
        if told := _PART.search(path.name):
            name = str(path.with_name(path.name[: told.start()]))
            parts.setdefault((name, int(told[2])), set()).add(int(told[1]))
    for (name, number), there in parts.items():
        missing = sorted(set(range(min(number, _MOST_PARTS))) - there)
        if missing:
            raise refused(
                _("parts of {name} are missing").format(name=name),
                listed([f"{part:05}-of-{number:05}" for part in missing]),
                _("Name the files themselves to do without."),
                kind="data",
            )


def listed(names: Sequence[str]) -> str:
    """Name the first of them, and how many more there are."""
    more = len(names) - _MOST_NAMED
    listed = ", ".join(names[:_MOST_NAMED])
    return " ".join([listed, _("and {n} more").format(n=more)]) if more > 0 else listed


def _saved_to_disk(folder: Path) -> list[Path]:
    """Give the files of what `datasets` saves: its state names them, others are caches of it."""
    paths: list[Path] = []
    for state in sorted([*folder.glob("state.json"), *folder.glob("*/state.json")]):
        try:
            told: Any = msgspec.json.decode(plain_file.content(state))
            names = [each["filename"] for each in told["_data_files"]]
            chosen = told.get("_indices_data_files")
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue
        if chosen:
            raise refused(
                _("{name} keeps a choice among its rows, which is not read").format(name=folder),
                hint=_("Save it again after flatten_indices()."),
                kind="data",
            )
        paths += [state.parent / Path(name).name for name in names]
    return paths


def _told_apart(found: list[Source]) -> list[Source]:
    """Give files of the same name longer ones, so that each row's origin can be told."""
    names = [source.name for source in found]
    return [
        replace(s, name=_told(os.path.relpath(s.path))) if names.count(s.name) > 1 else s
        for s in found
    ]
