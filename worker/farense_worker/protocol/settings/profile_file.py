"""A profile as a file: TOML in and out.

`parse` refuses, all faults at once, what it does not know or what is out of bounds, naming the
file, the line, the key and what would be right.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import tomli_w

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.settings import toml_text, upgrade
from farense_worker.protocol.settings.fields import CONFIG_SETTINGS, SETTINGS, Setting, nearest
from farense_worker.protocol.settings.profile import Config, Profile

_TOLD = 20  # faults
_HEAD = re.compile(r"\s*\[\s*([\w-]+)\s*\]")
_KEY = r"""("[^"]*"|'[^']*'|[\w-]+)"""
_ASSIGNED = re.compile(rf"\s*{_KEY}\s*(?:\.\s*{_KEY}\s*)?[=.]")


def parse(text: str, source: str) -> Profile:
    """Read a profile. `source` is the file's name for the messages.

    Raises FarenseError (refused) that lists every fault with its line.
    """
    return _parse(_tables(text, source), text, source, Profile, SETTINGS)


def parse_config(text: str, source: str) -> Config:
    """Read the config.toml of a run, of an older version too, as `parse` reads a profile."""
    tables = upgrade.to_now(_tables(text, source), source)
    config = _parse(tables, text, source, Config, CONFIG_SETTINGS)
    assert isinstance(config, Config)
    return config


def load(path: Path) -> Profile:
    """Read a profile from a file."""
    said = _("cannot read the profile {path}").format(path=path)
    return parse(_text(path, said), str(path))


def load_config(path: Path, otherwise: str) -> Config:
    """Read a run's config.toml; `otherwise` is said where there is none that can be read."""
    return parse_config(_text(path, otherwise), str(path))


def _text(path: Path, otherwise: str) -> str:
    try:
        return plain_file.text(path).removeprefix("\ufeff")  # which Windows' Notepad writes
    except OSError as error:
        raise refused(otherwise, f"{path.name}: {error.strerror}", kind="profile") from error
    except UnicodeDecodeError as error:
        raise refused(
            _("{path} is not UTF-8").format(path=path),
            _("byte {byte}").format(byte=error.start),
            _("Save it as UTF-8."),
            kind="profile",
        ) from error


def dumps(profile: Profile) -> str:
    """Write a profile or a config as TOML, every setting in it."""
    return tomli_w.dumps(msgspec.to_builtins(profile))


def _tables(text: str, source: str) -> dict[str, Any]:
    try:
        return toml_text.loads(text)
    except ValueError as error:  # a number of 5000 digits, too
        raise refused(
            _("{source} is not TOML").format(source=source), str(error), kind="profile"
        ) from error


def _parse(
    tables: dict[str, Any],
    text: str,
    source: str,
    root: type[Profile],
    declared: dict[str, dict[str, Setting]],
) -> Profile:
    faults: list[str] = []
    sections: dict[str, Any] = {}
    types = _types(root)
    lines = functools.cache(lambda: _lines(text))  # for messages alone: most have no fault

    def at(section: str, key: str = "") -> str:
        return _("line {line}: ").format(line=lines().get((section, key), 1))

    def meant(name: str, known: Any) -> str:
        return nearest(name, known) if len(faults) < _TOLD else ""

    for section, table in tables.items():
        if section not in declared:
            what = _("unknown section [{section}].").format(section=section)
            faults.append(f"{at(section)}{what} {meant(section, declared)}")
        elif not isinstance(table, dict):
            what = _("{section} must be a section, [{section}]").format(section=section)
            faults.append(at(section) + what)
        else:
            values = {}
            for key, value in table.items():
                if key not in declared[section]:
                    what = _("unknown key {name}.").format(name=f"{section}.{key}")
                    faults.append(f"{at(section, key)}{what} {meant(key, declared[section])}")
                    continue
                try:
                    values[key] = declared[section][key].parse(value)
                except ValueError as error:
                    faults.append(f"{at(section, key)}{section}.{key} {error}")
            if not faults:
                try:
                    sections[section] = types[section](**values)
                except TypeError as error:
                    faults.append(f"[{section}]: {error}")
    missing = [name for name in declared if name == "run" and name not in tables]
    faults += [_("the section [{name}] is missing").format(name=name) for name in missing]
    if faults:
        raise refused(
            ngettext("{file} has {n} fault", "{file} has {n} faults", len(faults)).format(
                file=source, n=len(faults)
            ),
            "\n".join(fault.strip() for fault in _first(faults)),
            upgrade.advice(tables),
            kind="profile",
        )
    return root(**sections)


def _first(faults: list[str]) -> list[str]:
    more = len(faults) - _TOLD
    return faults if more <= 0 else [*faults[:_TOLD], _("and {n} more").format(n=more)]


@functools.cache
def _types(root: type[Profile]) -> dict[str, Any]:
    return get_type_hints(root)


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Line of each section and, by section and key, of each key, as they are mostly written."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if head := _HEAD.match(line):
            section = head[1]
            found.setdefault((section, ""), number)
        elif assigned := _ASSIGNED.match(line):
            key, *more = [part.strip("\"'") for part in assigned.groups() if part]
            place = (key, more[0]) if more else (section, key)
            found.setdefault(place, number)
            found.setdefault((key, ""), number)  # a section that is written another way
    return found
