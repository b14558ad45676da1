"""A model brought into the cache, to be there when a run wants it."""

from __future__ import annotations

from worker import hub
from worker.protocol.download import Downloaded, Request
from worker.protocol.language import gettext as _
from worker.protocol.profile import Model
from worker.protocol.task import Progress, Tell


def download(asked: Request, tell: Tell) -> Downloaded:
    """Download what is missing of it, continuing what is there."""
    what = _("downloading {repo}").format(repo=asked.repo)
    path = hub.download(
        Model(repo=asked.repo, revision=asked.revision),
        lambda done, total: tell(Progress(what, done, total, "bytes")),
    )
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Downloaded(asked.repo, str(path), size)
