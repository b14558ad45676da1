"""The profiles there are: the built-in ones, and those in ./profiles where the user stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import pgettext
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.run_folder import check_name, write_atomically
from farense_worker.protocol.settings.profile import Profile
from farense_worker.protocol.settings.profile_file import dumps, load
from msgspec import structs

from farense_tui.engine.machine.hardware import Machine
from farense_tui.engine.models.assets import asset

DEMO = "demo"


@dataclass(frozen=True)
class Found:
    """A profile file. `profile` is None where it has faults; `fault` says which."""

    name: str
    path: Path
    profile: Profile | None
    fault: FarenseError | None = None


def own_folder() -> Path:
    """Where the user's own profiles are kept."""
    return Path.cwd() / "profiles"


def find() -> list[Found]:
    """List the profiles, smallest machine first; one of the user's own hides a built-in one."""
    paths: dict[str, Path] = {}
    for folder in (asset("profiles"), own_folder()):
        files = sorted(folder.glob("*.toml"))  # of ._NAME, macOS makes one beside each on FAT
        paths |= {path.stem: path for path in files if not path.name.startswith(".")}
    found = [_read(name, path) for name, path in paths.items()]
    return sorted(found, key=lambda f: (_memory(f) == 0, _memory(f), f.name))


def get(name: str) -> Profile:
    """Give a profile by its name or by the path of its file; FarenseError if there is none."""
    if name.endswith(".toml") or "/" in name:
        return load(Path(name))
    for found in find():
        if found.name == name:
            if found.profile is None:
                title = _("{path} cannot be read").format(path=found.path)
                raise found.fault or refused(title)
            return found.profile
    names = ", ".join(found.name for found in find())
    raise refused(
        _("there is no profile {name}").format(name=name),
        hint=_("There are: {names}.").format(names=names),
        kind="profile",
    )


def fitting(machine: Machine, profiles: list[Found]) -> str:
    """Name the profile for this machine: the largest that it has the memory for, else the demo.

    Without Metal the large ones would take days, so the demo is chosen there.
    """
    fits = [
        found
        for found in profiles
        if machine.apple_silicon and 0 < _memory(found) <= round(machine.memory / GIB)
    ]
    return max(fits, key=_memory).name if fits else DEMO


def save(name: str, profile: Profile, folder: Path | None = None) -> Path:
    """Keep a profile as the user's own, ./profiles/NAME.toml or in another folder."""
    check_name(name)
    path = (folder or own_folder()) / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dumps(profile))
    return path


def _read(name: str, path: Path) -> Found:
    try:
        return Found(name, path, _said(load(path)) if _built_in(path) else load(path))
    except FarenseError as fault:
        return Found(name, path, None, fault)


def _built_in(path: Path) -> bool:
    return path.parent == asset("profiles")


def _said(profile: Profile) -> Profile:
    """Give a built-in profile with its title and description in the user's language."""
    about = profile.profile
    title, description = (pgettext("profile", each) for each in (about.title, about.description))
    said = structs.replace(about, title=title, description=description)
    return structs.replace(profile, profile=said)


def _memory(found: Found) -> int:
    return found.profile.profile.memory_gb if found.profile else 0
