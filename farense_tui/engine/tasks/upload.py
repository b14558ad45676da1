"""An export sent to a hub: what of it goes there, what is asked before, how it is done."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.checkpoint_files import ADAPTERS
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError, refused, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages import export, upload
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.messages.upload import Standing, Uploaded

from farense_tui.engine import readable as f
from farense_tui.engine.tasks import export_place, task

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_FOLDERS = ("model", "peft", "adapter")  # each with its own card; the first that is there is meant


@dataclass(frozen=True)
class Parcel:
    """What goes to the hub of an export: `files` of `folder`, a model card among them."""

    folder: Path
    files: tuple[str, ...]
    bytes: int


def check_name(repo: str) -> str:
    """Give the name of a repository; FarenseError (usage) for what can be none."""
    if (
        not _NAME.fullmatch(repo)
        or "--" in repo
        or ".." in repo
        or repo.endswith((".git", ".ipynb"))
    ):
        raise usage(
            _("{name!r} is no repository").format(name=clean(repo)),
            hint=_(
                "It is OWNER/NAME: you or an organisation of yours, and what it is to be called."
            ),
        )
    return repo


def name_fault(repo: str) -> str:
    """Say what is wrong with a name while it is typed, "" if nothing is."""
    try:
        check_name(repo)
    except FarenseError as error:
        return error.title
    return ""


def parcel(folder: Path, made: export.Exported) -> Parcel:
    """Choose what an export is for: a GGUF file with its Modelfile, else a model or an adapter."""
    names = {part.path for part in made.parts}
    files = sorted(name for name in names if name.endswith(".gguf"))
    if files:
        files += [name for name in ("Modelfile", "README.md") if (folder / name).is_file()]
    else:
        folder = folder / next(name for name in _FOLDERS if name in names)
        files = sorted(str(path.relative_to(folder)) for path in _of(folder, made))
    return Parcel(folder, tuple(files), sum((folder / name).stat().st_size for name in files))


def _of(folder: Path, made: export.Exported) -> list[Path]:
    """The part's files that the export has made: what somebody laid beside them stays here."""
    there = (folder.parent / name for name in made.files)
    return [path for path in there if folder in path.parents and path.is_file()]


def earlier(asked: export.Request) -> export.Exported | None:
    """Give the export that is in its place already, if it is this one, of this adapter."""
    to = Path(asked.to)
    try:
        if (found := export_place.manifest(to)) is None:
            return None
        parts = (*found.files, *(part.path for part in found.parts))
        home, named = plain_file.resolved(to), [plain_file.resolved(to / name) for name in parts]
        inside = all(home in path.parents for path in named)  # no file of elsewhere
        whole = inside and all((to / name).is_file() for name in found.files)
        same = filecmp.cmp(Path(asked.adapter) / ADAPTERS, to / "adapter" / ADAPTERS, shallow=False)
    except (OSError, ValueError, RecursionError):
        return None
    names = {part.path for part in found.parts}
    wanted = {
        "model": asked.fuse or asked.gguf,
        "peft": asked.peft,
        f"{asked.name}.gguf": asked.gguf,
        f"{asked.name}-lora.gguf": asked.gguf_lora,
    }
    alike = (found.run, found.precision) == (asked.name, asked.precision)
    return found if alike and whole and same and names >= {n for n in wanted if wanted[n]} else None


def standing(repo: str, stop: task.Stop | None = None) -> Standing:
    """Ask the hub what is there, and whose token it is. Raises FarenseError (refused)."""
    asked = upload.Request(repo=check_name(repo), ask=True)
    return task.result_of("upload", asked, Standing, stop=stop)


def words(what: Parcel, repo: str, there: Standing, *, public: bool) -> str:
    """Say what would be sent where, and who would see it."""
    lines = [
        ngettext(
            "{n} file, {size}, to {address}", "{n} files, {size}, to {address}", len(what.files)
        ).format(n=len(what.files), size=f.size(what.bytes), address=f"{there.endpoint}/{repo}"),
        ", ".join(what.files[:8]) + (", …" if len(what.files) > 8 else ""),
    ]
    if not there.exists and not public:
        lines.append(_("A new repository, private: nobody sees it but its owner."))
    elif not there.exists:
        lines.append(_("A new repository, public: everybody sees it."))
    elif there.private:
        lines.append(_("It is there already, and private; files of the same names are replaced."))
    else:
        lines.append(_("It is there already, and PUBLIC; files of the same names are replaced."))
    lines.append(
        _("The card tells how it was trained, and the system prompt; no rows of the data.")
    )
    if there.user:
        lines.append(_("You are {user} there.").format(user=there.user))
    return "\n".join(clean(line) for line in lines)


def send(
    what: Parcel,
    repo: str,
    *,
    public: bool,
    tell: Callable[[Progress], None] = lambda _: None,
    stop: task.Stop | None = None,
) -> Uploaded:
    """Send it. Broken off, the same again goes on. Raises FarenseError (refused)."""
    asked = upload.Request(repo=repo, folder=str(what.folder), files=what.files, public=public)
    return task.result_of("upload", asked, Uploaded, tell, stop)


def done(sent: Uploaded) -> str:
    """Say where it is."""
    told = _("uploaded, private: {address}") if sent.private else _("uploaded, public: {address}")
    return clean(told.format(address=sent.address))


def check_public(repo: str, there: Standing, *, public: bool) -> None:
    """Refuse a repository that everybody sees, unless that is meant."""
    if there.exists and not there.private and not public:
        raise refused(
            _("{repo} is there already, and public").format(repo=clean(repo)),
            _("Everybody would see what is sent."),
            _("--public agrees to that; another name makes a private one."),
            kind="upload",
        )


def unasked(repo: str) -> FarenseError:
    """Where nobody can be asked."""
    title = _("nothing is uploaded without a yes: {repo}").format(repo=clean(repo))
    return refused(title, hint=_("--yes agrees to it."), kind="upload")
