"""The model and the data of a run, where they are today.

Its configuration says what was asked for: `embedded`, a repository and its commit, a folder. The
program may have been installed anew since, the cache moved, the runs copied to another Mac. Older
runs have absolute paths instead; folders of the program and of Hugging Face's cache are known by
their names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
from farense_worker.protocol import model_identity, places, plain_file, simulation
from farense_worker.protocol.checkpoint_files import STATE
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.places import Places
from farense_worker.protocol.run_folder import RunFolder, disk_error
from farense_worker.protocol.settings.profile import Config, Data, Model

from farense_tui.engine.models import assets, locate
from farense_tui.engine.runs import kept_data


def config_of(folder: RunFolder) -> Config:
    """Read a run's configuration, with its model and its data where they are now."""
    return located(folder, folder.read_config())


def located(folder: RunFolder, config: Config) -> Config:
    """Give a configuration of this run with its model and its data where they are now."""
    return msgspec.structs.replace(
        config,
        model=_model(config.model, places.read(folder).model),
        data=_data(config.data, config.run.data_sha256, folder),
    )


def write(folder: RunFolder) -> None:
    """Tell a worker that is about to be started where they are."""
    found = config_of(folder)
    model = found.model.repo if os.path.isabs(found.model.repo) else ""
    try:
        places.write(folder, Places(model, found.data.path))
    except OSError as error:
        raise disk_error(error, folder.path) from error


def usable(folder: RunFolder) -> Config:
    """`config_of` a run whose model is to be used; FarenseError (refused) where it is nowhere."""
    config = config_of(folder)
    if simulation.read(folder.path):
        raise refused(
            _("run {name} was only played: no model was trained").format(name=folder.name),
            kind="adapter",
        )
    found = locate.locate(config.model.repo, config.model.revision)
    if found.state == "missing":
        told = locate.missing(found)
        hint = _("farense-tui resume {name} --set model.repo=FOLDER says where it is now.")
        raise refused(told.title, told.detail, hint.format(name=folder.name), kind=told.kind)
    return config


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


def remarks(folder: RunFolder, *, data: bool = True) -> list[str]:
    """Say what is used in place of what was given, and a model that is not what it was.

    data: whether the run's data set is used.
    """
    config, told = config_of(folder), []
    if data and places.is_own_copy(folder, config.data.path):
        said = _("{run}: {folder} is gone or has changed: the run's own copy of the data is used")
        told.append(said.format(run=folder.name, folder=folder.read_config().data.path))
        if kept_data.fingerprint(folder.data) != config.run.data_sha256:
            said = _("{run}: its own copy of the data is not what it was, either")
            told.append(said.format(run=folder.name))
    then, model = model_then(folder), Path(config.model.repo)
    if then and model.is_dir() and fingerprint(model) not in ("", then):
        said = _("{run}: the model in {folder} is not what the run was trained on")
        told.append(said.format(run=folder.name, folder=model))
    return told


def model_then(folder: RunFolder) -> str:
    """Fingerprint of the model that a run was begun with; empty if it is not known.

    A run whose model was first downloaded has it in its checkpoints alone.
    """
    try:
        if begun := folder.read_config().run.model_sha256:
            return begun
        newest = folder.checkpoints()[-1]
        return str(json.loads(plain_file.read(newest.path / STATE, follow=True))["model"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def fingerprint(model: Path) -> str:
    """Of a model's folder; empty where it cannot be read."""
    try:
        return model_identity.fingerprint(model)
    except OSError:
        return ""


def _model(model: Model, last: str) -> Model:
    """last: where a worker found it, which tells the commit of one that was downloaded."""
    if os.path.isdir(model.repo) and os.path.isabs(model.repo):
        return model
    if model.repo == locate.EMBEDDED or _is_like(model.repo, assets.embedded_model()):
        return msgspec.structs.replace(model, repo=str(assets.embedded_model().resolve()))
    name, commit = model_identity.snapshot(model.repo) or (model.repo, model.revision)
    if os.path.isabs(name):
        return model
    if not commit and (was := model_identity.snapshot(last)) and was[0] == name:
        commit = was[1]
    found = locate.locate(name, commit)
    if found.path:
        return msgspec.structs.replace(model, repo=str(found.path.resolve()))
    return msgspec.structs.replace(model, repo=name, revision=commit)


def _data(data: Data, then: str, folder: RunFolder) -> Data:
    """then: fingerprint of what was given; the run's own copy stands in for anything else."""
    path = data.path
    if path == locate.EMBEDDED or (
        not os.path.isdir(path) and _is_like(path, assets.embedded_data())
    ):
        path = str(assets.embedded_data().resolve())
    if then and folder.data.is_dir() and kept_data.fingerprint(Path(path)) != then:
        path = str(folder.data)
    return msgspec.structs.replace(data, path=path)


def _is_like(path: str, ours: Path) -> bool:
    """Whether a path is that of a folder of the program, wherever that was installed."""
    return Path(path).parts[-2:] == ours.parts[-2:]
