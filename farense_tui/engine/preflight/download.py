"""Whether a start would download so much that it takes a yes."""

from __future__ import annotations

from dataclasses import dataclass

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.download import Downloaded, Request
from farense_worker.protocol.settings.profile import Model

from farense_tui.engine import readable as f
from farense_tui.engine.models import locate, suggested
from farense_tui.engine.tasks import task

_UNASKED = 0.1  # GB that are fetched without a question


@dataclass(frozen=True)
class Download:
    """What would be fetched. licence: "" where it is not known here."""

    repo: str
    gigabytes: float
    licence: str = ""

    @property
    def words(self) -> str:
        """In a sentence: how much of what."""
        said = _("{model} is not on this machine; it is {size} to download.")
        return said.format(model=self.repo, size=f.download_size(self.gigabytes))


def needed(model: Model) -> Download | None:
    """Give what takes a yes; None where all is here, or is little.

    The hub is asked for the size of what is not listed here, in a process of its own. Raises
    FarenseError where it cannot be had: not to be reached, gated, not there.
    """
    if locate.locate(model.repo, model.revision).state != "download":
        return None
    if found := suggested.find(model.repo):
        return Download(model.repo, found.gigabytes, found.licence)
    asked = Request(model.repo, model.revision, ask=True)
    gigabytes = task.result_of("download", asked, Downloaded).bytes / 1e9
    return Download(model.repo, gigabytes) if gigabytes > _UNASKED else None


def unasked(download: Download) -> FarenseError:
    """Where nobody can be asked."""
    return refused(
        _("the model must be downloaded first"),
        download.words,
        _("--yes agrees to it; farense-tui models download brings it without a run."),
        kind="download",
    )
