"""Models and data sets as a sentence names them: the embedded ones as what they are."""

from __future__ import annotations

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _

from farense_tui.engine.models.locate import EMBEDDED


def model_name(repo: str) -> str:
    """Without the owner or the folder."""
    if repo == EMBEDDED:
        return _("the small model that comes with the app")
    return clean(repo.rstrip("/").rpartition("/")[2] or repo)


def data_name(path: str) -> str:
    """Without the folder that it is in."""
    if path == EMBEDDED:
        return _("the sample data")
    return clean(path.rstrip("/").rpartition("/")[2] or path)
