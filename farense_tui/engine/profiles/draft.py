"""A profile while it is being edited: what was typed, what of it is right, what is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import check_name
from farense_worker.protocol.settings.fields import SETTINGS, Setting, get_origin_type, setting
from farense_worker.protocol.settings.profile import Profile, replace_setting
from msgspec import Meta

# Not part of a profile, but chosen with it: empty takes the next free name.
RUN_NAME = Setting(
    "run",
    "name",
    Annotated[str, Meta()],
    _("the run and its folder; empty for the next free name"),
)
ORDER = ("model", "data", "train", "lora", "checkpoint", "report", "memory", "profile")


def all_settings() -> list[Setting]:
    """Every setting that can be edited before a start, what matters most first."""
    return [RUN_NAME, *(s for section in ORDER for s in SETTINGS[section].values())]


def find(name: str) -> Setting:
    """Look up `section.key`, `run.name` among them."""
    return RUN_NAME if name == RUN_NAME.name else setting(name)


@dataclass(frozen=True)
class Draft:
    """A profile and the changes to it, as they were typed.

    Text that is not (yet) right is kept as well, so nothing that was typed is ever lost.
    """

    base: Profile
    runs: Path
    typed: Mapping[str, str] = field(default_factory=dict)

    def with_text(self, name: str, text: str) -> Draft:
        """Give the draft after `text` was typed for a setting."""
        kept = {key: value for key, value in self.typed.items() if key != name}
        if text == shown(self._base_value(name)):
            return changed(self, typed=kept)
        return changed(self, typed={**kept, name: text})

    def without(self, name: str) -> Draft:
        """Give the draft with one change taken back."""
        return changed(self, typed={k: v for k, v in self.typed.items() if k != name})

    def text(self, name: str) -> str:
        """What stands in the field of a setting."""
        return self.typed.get(name, shown(self._base_value(name)))

    def base_text(self, name: str) -> str:
        """What stands there without the change."""
        return shown(self._base_value(name))

    @cached_property
    def profile(self) -> Profile:
        profile = self.base
        for name, text in self.typed.items():
            if name not in self.faults and name != RUN_NAME.name:
                profile = replace_setting(profile, name, setting(name).parse_text(text))
        return profile

    @cached_property
    def faults(self) -> dict[str, str]:
        """What is wrong with what was typed, by setting."""
        found = {name: self._fault(name, text) for name, text in self.typed.items()}
        return {name: what for name, what in found.items() if what}

    @property
    def run_name(self) -> str:
        """Name given to the run, empty for the next free one."""
        return self.typed.get(RUN_NAME.name, "").strip()

    def _fault(self, name: str, text: str) -> str:
        if name == RUN_NAME.name:
            return self._name_fault(text.strip())
        try:
            setting(name).parse_text(text)
        except ValueError as error:
            return str(error)
        return ""

    def _name_fault(self, text: str) -> str:
        try:
            check_name(text)
        except FarenseError as error:
            return error.hint
        return _("is taken by another run") if (self.runs / text).exists() else ""

    def _base_value(self, name: str) -> Any:
        if name == RUN_NAME.name:
            return ""
        section, _, key = name.partition(".")
        return getattr(getattr(self.base, section), key)


def shown(value: Any) -> str:
    """Write a value so that `Setting.parse_text` reads the same one back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        if all(item and not set(item) & set(' ,"[]') for item in value):
            return " ".join(value)
        return json.dumps(value, ensure_ascii=False)  # which TOML reads as well
    return value if isinstance(value, str) else repr(value)


def is_switch(declared: Setting) -> bool:
    return get_origin_type(declared.type) is bool


def is_long(declared: Setting) -> bool:
    """Whether its text wants the whole width: names, paths, lists."""
    return not declared.choices and get_origin_type(declared.type) in (str, tuple)
