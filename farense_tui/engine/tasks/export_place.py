"""Where an export goes: into its place as a whole, and nothing of anybody else is lost by it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError, in_words, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.export import MANIFEST, Exported, sum_of


def check(to: Path, overwrite: bool) -> None:
    """Raise FarenseError (refused) for a folder that an export may not go to.

    overwrite: an earlier export may be there.
    """
    _recover(to)
    if not os.path.lexists(to):
        return
    if not to.is_dir() or any(to.glob("[!.]*")):  # else empty, but for what Finder leaves behind
        if manifest(to) is None:
            raise _taken(to, _("It is not an export of farense-tui."), _("Give another folder."))
        if not overwrite:
            raise _taken(to, _("It is an earlier export."), _("--overwrite replaces it."))
    # It is put aside for the new one, the empty one as well.
    if _holds(to, Path.cwd()):
        raise _taken(to, _("You stand in it."), _("Go to the folder above, and try again."))
    if _holds(to, Path(os.path.expanduser("~"))):
        raise _taken(to, _("Your home folder is in it."), _("Give another folder."))


def _holds(folder: Path, other: Path) -> bool:
    other = plain_file.resolved(other)
    return plain_file.resolved(folder) in (other, *other.parents)


def manifest(folder: Path) -> Exported | None:
    """Say what an export in this folder has made; None where it is none.

    Raises OSError where that cannot be read just now: it may be one.
    """
    try:
        return msgspec.json.decode(plain_file.content(folder / MANIFEST), type=Exported)
    except (OSError, ValueError, RecursionError) as error:
        if plain_file.may_be_sound(error):
            raise
        return None


def beside(to: Path, what: str) -> Path:
    """Name a folder beside the place, on the same disk, for this process."""
    return to.with_name(f".{to.name[:50]}.{os.getpid()}.{what}")


def put(made: Path, to: Path, overwrite: bool) -> list[str]:
    """Rename into place. What an export did not make goes along; what one made is removed last.

    Another export may have come there meanwhile: it is looked at again. Gives what there is to
    say of the earlier one: what of it has another name now, and what could not be removed.
    """
    with _alone(to.parent):
        check(to, overwrite)
        old = beside(to, "old")
        if to.exists():
            to.rename(old)
        try:
            made.rename(to)
        except OSError:
            if old.exists():
                old.rename(to)
            raise
        renamed: list[Path] = []
        left = _("{folder} is what could not be removed of the earlier export").format(folder=old)
        try:
            _clear(old, to, renamed)
        except OSError as error:  # the new export is in its place all the same
            left = _(
                "{folder} has what else was in the folder and could not be moved: {why}"
            ).format(folder=old, why=in_words(error))
        kept = _("{file} was there, and may not be what the earlier export made: it is kept")
        said = [kept.format(file=each.relative_to(to)) for each in renamed]
        return [*said, left] if os.path.lexists(old) else said


def _taken(to: Path, detail: str, hint: str) -> FarenseError:
    folder, other = _("there is a folder {folder} already"), _("there is a {folder} already")
    title = (folder if to.is_dir() else other).format(folder=to)
    return refused(title, detail, hint, kind="exists")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one export after the other come to its place; a share that knows no locks has none."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        plain_file.release(descriptor)


def _recover(to: Path) -> None:
    """Bring back what an export that was killed between two renames has left beside the place."""
    with contextlib.suppress(OSError):
        for old in to.parent.glob(f".{_literal(to.name[:50])}.*.old"):
            if not _is_left(old):
                continue
            if not os.path.lexists(to):
                old.rename(to)
            elif manifest(to):
                _clear(old, to, [])


def _literal(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def _is_left(old: Path) -> bool:
    """Whether whoever moved it there is gone."""
    number = old.name.split(".")[-2]
    if not (number.isascii() and number.isdecimal()) or manifest(old) is None:
        return False
    try:
        os.kill(int(number), 0)
    except OSError as error:
        return error.errno == errno.ESRCH
    except OverflowError:
        return False
    return False


def _clear(old: Path, to: Path, renamed: list[Path]) -> None:
    """Take what is the user's out of the old export, and remove the rest.

    The manifest last: by it the next export finds what could not be removed now. `renamed` gets
    what has another name now.
    """
    if not os.path.lexists(old):
        return
    _take_along(old, to, _made(old), renamed)
    rest = [path for path in old.iterdir() if path.name != MANIFEST]
    for path in rest:
        plain_file.take_away(path)
    if not any(map(os.path.lexists, rest)):
        plain_file.take_away(old)


def _made(folder: Path) -> set[Path]:
    """The files that an earlier export made and nobody has edited, as its manifest says."""
    found = manifest(folder)
    if found is None:
        return {folder / MANIFEST}
    files = [folder / name for name in found.files if not _is_edited(folder / name, found, name)]
    named = {*files, folder / MANIFEST}
    if not found.files:  # of a version that did not name them: all that is in its parts
        parts = [folder / part.path for part in found.parts]
        named |= {path for part in parts for path in (part, *part.rglob("*"))}
    return {path for path in named if path.is_symlink() or not path.is_dir()}


def _is_edited(path: Path, found: Exported, name: str) -> bool:
    """Whether a file is not what was written; of one that is gone or a link nothing is kept."""
    made = found.sums.get(name) or found.samples.get(name)
    if made is None or path.is_symlink():
        return False
    try:
        return sum_of(path) != made
    except OSError:
        return path.exists()


def _take_along(old: Path, to: Path, made: set[Path], renamed: list[Path]) -> None:
    """Move what is not in `made` to where it was; where the new export has that name, beside it.

    `renamed` gets what is beside it.
    """
    holders = {parent for path in made for parent in path.parents}
    for path in old.iterdir():
        if path.is_dir() and not path.is_symlink() and path in holders:
            (to / path.name).mkdir(exist_ok=True)
            _take_along(path, to / path.name, made, renamed)
            with contextlib.suppress(OSError):  # nothing of the user's was in it
                (to / path.name).rmdir()
        elif path not in made:
            place = to / path.name
            while os.path.lexists(place):
                place = place.with_name(f"{place.name}.before")
            path.rename(place)
            renamed += [place] if place.name != path.name else []
