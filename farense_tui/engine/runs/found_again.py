"""The model and the data of a run, where they are today: its configuration names paths of then.

The program may have been installed anew, the cache moved, the runs copied to another Mac. Folders
of the program and of Hugging Face's cache are known by their names, and looked for as at first.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from farense_worker.protocol import model_identity
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder, disk_error, write_atomically
from farense_worker.protocol.settings.profile import Config, Data, Model
from farense_worker.protocol.settings.profile_file import dumps

from farense_tui.engine.models import assets, locate


def config_of(folder: RunFolder) -> Config:
    """Read a run's configuration, with its model and its data where they are now."""
    return located(folder.read_config())


def located(config: Config) -> Config:
    """Give a configuration with its model and its data where they are now."""
    return msgspec.structs.replace(config, model=_model(config.model), data=_data(config.data))


def write(folder: RunFolder) -> None:
    """Have the configuration say it too, for a worker that is about to be started."""
    found = config_of(folder)
    if found != folder.read_config():
        try:
            write_atomically(folder.config, dumps(found))
        except OSError as error:
            raise disk_error(error, folder.path) from error


def check(config: Config) -> None:
    """Refuse where the model or the data is nowhere; the worker would say it later."""
    found = locate.locate(config.model.repo, config.model.revision)
    if found.state == "missing":
        raise locate.missing(found)
    if not os.path.exists(config.data.path):
        raise refused(
            _("the data set of the run is not there any more"),
            config.data.path,
            _("--set data.path=FOLDER names where it is; the same rows are asked for."),
            kind="data",
        )


def _model(model: Model) -> Model:
    if not os.path.isabs(model.repo) or os.path.isdir(model.repo):
        return model
    if _is_like(model.repo, assets.embedded_model()):
        return msgspec.structs.replace(model, repo=str(assets.embedded_model().resolve()))
    cached = model_identity.snapshot(model.repo)
    if cached is None:
        return model
    name, commit = cached
    found = locate.locate(name, commit)
    if found.path:
        return msgspec.structs.replace(model, repo=str(found.path.resolve()))
    return msgspec.structs.replace(model, repo=name, revision=commit)


def _data(data: Data) -> Data:
    if os.path.isdir(data.path) or not _is_like(data.path, assets.embedded_data()):
        return data
    return msgspec.structs.replace(data, path=str(assets.embedded_data().resolve()))


def _is_like(path: str, ours: Path) -> bool:
    """Whether a path is that of a folder of the program, wherever that was installed."""
    return Path(path).parts[-2:] == ours.parts[-2:]
