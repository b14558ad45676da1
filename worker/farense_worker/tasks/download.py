"""A model or rows brought into the cache, to be there when they are wanted."""

from __future__ import annotations

from farense_worker.model import hub
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.download import Downloaded, Request
from farense_worker.protocol.messages.task import Progress, Tell


def download(asked: Request, tell: Tell) -> Downloaded:
    """Download what is missing of it, continuing what is there."""
    what = _("downloading {repo}").format(repo=asked.repo)
    wanted = hub.Wanted(asked.repo, asked.revision)
    if asked.data:
        wanted = hub.Wanted(asked.repo, asked.revision, asked.patterns, data=True)
    if asked.ask:
        return Downloaded(asked.repo, "", hub.size(wanted))
    path = hub.fetch(wanted, lambda done, total: tell(Progress(what, done, total, "bytes")))
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Downloaded(asked.repo, str(path), size)
