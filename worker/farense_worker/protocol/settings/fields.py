"""The settings one by one: what each takes, in words, and reading a value that was typed.

Forms, `--set` and the reference in docs/profile.md are made from these.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import tomli_w
from msgspec import Meta, Struct

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import either
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings import toml_text
from farense_worker.protocol.settings.profile import Config, Profile

_NAME = 100  # characters of one that may have been meant


class Setting(Struct, frozen=True):
    """One declared setting, as a form or a reference shows it."""

    section: str
    key: str
    type: Any
    description: str
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`section.key`, as `--set` takes it."""
        return f"{self.section}.{self.key}"

    def parse(self, value: Any) -> Any:
        """Check one value; ValueError with a sentence that says what would be right."""
        if isinstance(value, list):
            value = tuple(value)
        try:
            return msgspec.convert(value, self.type)
        except msgspec.ValidationError:
            said = _("must be {rule}, not {value}").format(rule=self.rule(), value=_shown(value))
            raise ValueError(said) from None

    def parse_text(self, text: str) -> Any:
        """Check a value that was typed: as TOML where it is TOML, else as a string."""
        try:
            value = toml_text.loads(f"value = {text}")["value"]
        except ValueError:
            value = text
        if get_origin_type(self.type) is str and not isinstance(value, str):
            value = text
        if get_origin_type(self.type) is tuple and isinstance(value, str):
            value = text.replace(",", " ").split()
        return self.parse(value)

    def rule(self) -> str:
        """What a right value is, in words: `a whole number from 1 to 1024`."""
        if self.choices:
            return either([f'"{choice}"' for choice in self.choices])
        origin = get_origin_type(self.type)
        noun = _NOUNS[origin]
        meta = next(
            (m for m in getattr(self.type, "__metadata__", ()) if isinstance(m, Meta)), Meta()
        )
        if origin is tuple and (names := names_of(self.type)):
            return _("a list of {names}, or empty").format(names=", ".join(names))
        if meta.min_length and origin in (str, tuple):
            return _("some text") if origin is str else _("a list with at least one text")
        bounds = {name: getattr(meta, name) for name in ("ge", "gt", "le", "lt")}
        given = {name: _bound(value) for name, value in bounds.items() if value is not None}
        return _RULES[tuple(given)].format(noun=noun, **given)


def names_of(annotation: Any) -> tuple[str, ...]:
    """What the strings of a list may be; empty if they may be anything."""
    inside = get_args(get_args(annotation)[0])[0]
    return get_args(inside) if get_origin(inside) is Literal else ()


_NOUNS = {
    int: _("a whole number"),
    float: _("a number"),
    bool: _("true or false"),
    str: _("text"),
    tuple: _("a list of texts"),
}
_RULES: dict[tuple[str, ...], str] = {
    (): "{noun}",
    ("ge",): _("{noun} from {ge}"),
    ("gt",): _("{noun} above {gt}"),
    ("le",): _("{noun} to {le}"),
    ("lt",): _("{noun} below {lt}"),
    ("ge", "le"): _("{noun} from {ge} to {le}"),
    ("ge", "lt"): _("{noun} from {ge} and below {lt}"),
    ("gt", "le"): _("{noun} above {gt} and to {le}"),
    ("gt", "lt"): _("{noun} above {gt} and below {lt}"),
}


def _bound(value: float) -> str:
    """Write a bound with all its digits, also a large one."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def get_origin_type(annotation: Any) -> type:
    """Give the plain type under `Annotated`, `Literal` and `tuple[...]`."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    origin = get_origin(annotation)
    if origin is Literal:
        return str
    return origin or annotation


def _shown(value: Any) -> str:
    value = list(value) if isinstance(value, tuple) else value
    try:
        return tomli_w.dumps({"v": value})[4:].strip()
    except RecursionError:
        return "[[[...]]]"
    except TypeError:  # what TOML has no word for: null, of YAML
        return repr(value)


def _settings(root: type[Struct]) -> dict[str, dict[str, Setting]]:
    """Every setting that `root` declares, by section and key, in order."""
    declared: dict[str, dict[str, Setting]] = {}
    for section, section_type in get_type_hints(root).items():
        hints = get_type_hints(section_type, include_extras=True)
        declared[section] = {}
        for key in section_type.__struct_fields__:
            meta = next(m for m in hints[key].__metadata__ if isinstance(m, Meta))
            base = get_args(hints[key])[0]
            choices = get_args(base) if get_origin(base) is Literal else ()
            declared[section][key] = Setting(
                section, key, hints[key], meta.description or "", choices
            )
    return declared


SETTINGS = _settings(Profile)
CONFIG_SETTINGS = _settings(Config)


def setting(name: str) -> Setting:
    """Look up `section.key`; a FarenseError names the nearest one there is."""
    section, _dot, key = name.partition(".")
    found = SETTINGS.get(section, {}).get(key)
    if found is None:
        known = [s.name for keys in SETTINGS.values() for s in keys.values()]
        title = _("there is no setting {name}").format(name=name)
        raise refused(title, hint=nearest(name, known), kind="profile")
    return found


def nearest(name: str, known: Any) -> str:
    """Say which of the known names was probably meant."""
    near = difflib.get_close_matches(name[:_NAME], list(known), n=1, cutoff=0.5)
    if near:
        return _("Did you mean {name}?").format(name=near[0])
    return _("Known: {names}.").format(names=", ".join(known))
