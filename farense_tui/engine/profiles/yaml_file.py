"""A YAML file whose keys know their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from farense_worker.protocol import foreign_rows, plain_file
from farense_worker.protocol.errors import FarenseError, first_line, refused
from farense_worker.protocol.language import gettext as _

_LONGEST = 1 << 18  # bytes; PyYAML takes seconds for a megabyte
_DEEPEST = 50  # within each other; PyYAML's time grows with the square of it
_MOST = 20  # aliases; ninety of them, ten in each of nine lines, stand for a billion keys


class _Loader(yaml.SafeLoader):
    """Reads 1e-5 as a number, as mlx_lm's loader does; YAML 1.1 asks for 1.0e-5."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


class TooMuch(yaml.YAMLError):
    """It would take long to read."""


@dataclass(frozen=True)
class YamlFile:
    """Values by key; lines by dotted key (`lora_parameters.rank`); dotted keys given twice."""

    values: dict[str, Any]
    lines: dict[str, int]
    twice: tuple[str, ...]


def load(path: Path) -> YamlFile:
    """Read a file with a mapping in it; FarenseError (refused) with file and line if it is none."""
    try:
        text = plain_file.content(path)
        check(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        found = list(_lines(node, "")) if isinstance(node, yaml.MappingNode) else []
        values = loader.construct_document(node) if node is not None else {}
    except OSError as error:
        title = _("cannot read {path}").format(path=path)
        if isinstance(error, FileNotFoundError):
            title = _("there is no {path}").format(path=path)
            raise refused(title, hint=foreign_rows.meant(path), kind="import") from error
        raise refused(title, error.strerror or "", kind="import") from error
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        what = f"{path}{line}: {error.problem or error.context}"
        raise _not_yaml(path, what) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # bad characters, bad dates
        what = first_line(error)
        raise _not_yaml(path, what) from error
    if not isinstance(values, dict):
        raise refused(
            _("{path} is no mlx_lm.lora configuration").format(path=path),
            _("{path}:1: it holds no keys").format(path=path),
            _("It has lines such as `model: mlx-community/...` and `iters: 1000`."),
            kind="import",
        )
    names = [each[0] for each in found]
    twice = tuple(sorted({name for name in names if names.count(name) > 1}))
    return YamlFile({str(key): value for key, value in values.items()}, dict(found), twice)


def check(text: bytes | str) -> None:
    """Raise TooMuch for what would take long, before more of it is read."""
    if len(text) > _LONGEST:
        raise TooMuch(_("it is longer than {n} KiB").format(n=_LONGEST >> 10))
    aliases = depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if aliases > _MOST:
            raise TooMuch(_("it has more than {n} aliases (*NAME)").format(n=_MOST))
        if depth > _DEEPEST:
            raise TooMuch(_("it is nested more than {n} deep").format(n=_DEEPEST))


def _not_yaml(path: Path, what: str) -> FarenseError:
    return refused(_("{path} is not YAML").format(path=path), what, kind="import")


def _lines(node: Any, prefix: str) -> Iterator[tuple[str, int]]:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        yield name, key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            yield from _lines(value, f"{name}.")
