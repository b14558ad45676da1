"""From documents to a draft: read, cut into passages, begin the folder, ask the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol import foreign_rows
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Profile

from farense_tui.dataset import encoding, write
from farense_tui.dataset.documents import draft, models, passages, text_of, wanted
from farense_tui.dataset.documents.draft import Document, Settings
from farense_tui.dataset.documents.draft import go_on as go_on
from farense_tui.dataset.documents.models import Model


@dataclass(frozen=True)
class Begun:
    """How much there is to ask about."""

    documents: int
    passages: int


def begin(
    paths: Sequence[Path],
    folder: Path,
    *,
    model: str,
    address: str = "",
    questions: int = wanted.USUAL,
    again: bool = True,
    remark: Callable[[str], None] = lambda _said: None,
) -> Begun:
    """Read documents (folders stand for those in them) and begin their draft, or find it again.

    Raises FarenseError (refused) for a document that is not read; see text_of.read.
    """
    documents, found = [], []
    for path in _files(paths):
        try:
            parts = text_of.read(path, remark)
            documents.append(Document(path.name, encoding.look(path, "utf-8").sha256))
        except OSError as error:
            raise refused(
                _("{path} cannot be read").format(path=path),
                error.strerror or str(error),
                kind="document",
            ) from error
        found += passages.of(path, parts)
    if not found:
        raise refused(_("there is no passage that is long enough"), kind="document")
    settings = Settings(
        documents=tuple(documents),
        model=model,
        address=address,
        questions=questions,
        characters=passages.MOST,
        again=again,
    )
    draft.begin(write.absolute(folder), settings, found)
    return Begun(len(documents), len(found))


@contextmanager
def asked(profile: Profile, address: str, name: str) -> Iterator[Model]:
    """Give the model: the one at an address, else the profile's on this machine."""
    if address:
        yield models.Address(address, name)
        return
    model = profile.model
    with models.local(model.repo, model.revision, model.trust_remote_code) as here:
        yield here


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            there = sorted(
                each
                for each in path.rglob("*")
                if each.is_file()
                and each.suffix.lower() in text_of.SUFFIXES
                and not each.name.startswith(".")
            )
            if not there:
                title = _("there are no documents in {path}").format(path=path)
                raise refused(title, ", ".join(text_of.SUFFIXES), kind="document")
            found += there
        elif path.is_file():
            found.append(path)
        elif path.exists():  # a pipe would be waited for, a device be read without end
            title = _("{path} is neither a file nor a folder").format(path=path)
            raise refused(title, kind="document")
        else:
            hint = foreign_rows.meant(path)
            raise refused(_("there is no {path}").format(path=path), hint=hint, kind="document")
    return found
