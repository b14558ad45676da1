"""Data sets of the hub: which files of a repository are meant, brought into its cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.download import Downloaded, Request
from farense_worker.protocol.messages.task import Progress

from farense_tui.engine.profiles import yaml_file
from farense_tui.engine.tasks import task

Files = list[tuple[Path, str]]  # each with its split, "" where none is named
_REPO = re.compile(r"[\w.-]+/[\w.-]+\Z")
_ABOUT = "README.md"


def is_name(given: str) -> bool:
    """Whether this may be a repository: owner/name."""
    return bool(_REPO.match(given))


def fetch(
    repo: str,
    revision: str,
    config: str,
    suffixes: tuple[str, ...],
    tell: Callable[[Progress], None],
) -> tuple[Path, Files]:
    """Give the snapshot's folder and the files of one configuration, downloading what is not here.

    config: "" takes the default, or the only one. suffixes: what can be read. Raises FarenseError
    (refused) where the repository is not to be had or a configuration has to be named.
    """
    folder = _fetched(repo, revision, (_ABOUT,), tell)
    wanted = _wanted(folder / _ABOUT, repo, config)
    patterns = tuple(pattern for pattern, _split in wanted)
    folder = _fetched(repo, revision, patterns or tuple(f"*{each}" for each in suffixes), tell)
    if wanted:
        return folder, _matching(folder, wanted)
    there = [path for path in sorted(folder.rglob("[!.]*")) if path.is_file()]
    return folder, [(path, "") for path in there if path.name.lower().endswith(suffixes)]


def of_card(folder: Path, config: str) -> Files:
    """Give the files of one configuration of a folder with a card, as a repository has it.

    [] where the card names none, or none that is there. Raises FarenseError as `fetch` does.
    """
    if not _configs(folder / _ABOUT):
        return []
    return _matching(folder, _wanted(folder / _ABOUT, folder.name, config))


def _matching(folder: Path, wanted: list[tuple[str, str]]) -> Files:
    """Raises FarenseError where only some of what the card names is there: nothing is trained on
    half of a data set in silence.
    """
    there = [path for path in sorted(folder.rglob("[!.]*")) if path.is_file()]
    names = [(path, str(path.relative_to(folder))) for path in there]
    found = {
        (pattern, split): [path for path, name in names if _fits(name, pattern)]
        for pattern, split in wanted
    }
    missing = [pattern for (pattern, _split), paths in found.items() if not paths]
    if missing and len(missing) < len(found):
        raise refused(
            _("not all that the card of {folder} names is there").format(folder=folder.name),
            ", ".join(missing),
            _("Name the files themselves to do without."),
            kind="data",
        )
    return [(path, split) for (_pattern, split), paths in found.items() for path in paths]


def _fits(name: str, pattern: str) -> bool:
    """As the hub has it: **/ stands for any number of folders, none too."""
    pattern = pattern.removeprefix("./")
    return fnmatch(name, pattern) or fnmatch(name, pattern.replace("**/", ""))


def _fetched(
    repo: str, revision: str, patterns: tuple[str, ...], tell: Callable[[Progress], None]
) -> Path:
    asked = Request(repo, revision, data=True, patterns=patterns)
    return Path(task.result_of("download", asked, Downloaded, tell).path)


def _wanted(readme: Path, repo: str, config: str) -> list[tuple[str, str]]:
    """Read the configurations of the data set's card: patterns, each with its split."""
    configs = {str(each.get("config_name", "default")): each for each in _configs(readme)}
    if config and config not in configs:
        raise _unclear(_("{repo} has no configuration {name}"), repo, list(configs), config)
    if not configs:
        return []
    default = [name for name, each in configs.items() if each.get("default")]
    name = config or next(iter(default), "default" if "default" in configs else "")
    if not name and len(configs) > 1:
        raise _unclear(_("which configuration of {repo} is meant?"), repo, list(configs))
    return _patterns((configs[name] if name else next(iter(configs.values()))).get("data_files"))


def _configs(readme: Path) -> list[dict[str, Any]]:
    try:
        text = plain_file.text(readme)
        head = text.split("---", 2)[1] if text.startswith("---") else ""
        yaml_file.check(head)
        told = yaml.safe_load(head)
    except (OSError, yaml.YAMLError, LookupError, ValueError, TypeError, RecursionError):
        return []  # of dates and numbers that are none, YAML has ValueErrors
    found = told.get("configs") if isinstance(told, dict) else None
    listed = found if isinstance(found, list) else []
    return [each for each in listed if isinstance(each, dict) and each.get("data_files")]


def _patterns(files: Any) -> list[tuple[str, str]]:
    """Take a path, a list of paths, or a list of splits with their paths."""
    if isinstance(files, str):
        return [(files, "")]
    found: list[tuple[str, str]] = []
    for each in files if isinstance(files, list) else []:
        if isinstance(each, str):
            found.append((each, ""))
        elif isinstance(each, dict):
            paths = each.get("path")
            listed = paths if isinstance(paths, list) else [paths]
            split = each.get("split")
            named = split if isinstance(split, str) else ""
            found += [(path, named) for path in listed if isinstance(path, str)]
    return found


def _unclear(title: str, repo: str, names: list[str], name: str = "") -> Exception:
    return refused(
        title.format(repo=repo, name=name),
        ", ".join(names),
        _("--config NAME names it."),
        kind="data",
    )
