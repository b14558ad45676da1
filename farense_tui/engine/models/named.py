"""Models and data sets as a sentence names them: the embedded ones as what they are."""

from __future__ import annotations

import msgspec
from farense_worker.protocol import model_identity
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Config

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


def without_places(config: Config) -> Config:
    """Give a configuration for others: folders of this machine by their own names alone."""
    model = msgspec.structs.replace(
        config.model,
        repo=model_identity.name(config.model.repo),
        fallback=model_identity.name(config.model.fallback),
        adapter=_last(config.model.adapter),
    )
    data = msgspec.structs.replace(config.data, path=_last(config.data.path))
    run = msgspec.structs.replace(config.run, hosts=_last(config.run.hosts))
    return msgspec.structs.replace(config, model=model, data=data, run=run)


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
