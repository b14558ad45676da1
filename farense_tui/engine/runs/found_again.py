"""The model and the data of a run, where they are today.

Its configuration says what was asked for: `embedded`, a repository and its commit, a folder. The
program may have been installed anew since, the cache moved, the runs copied to another Mac. Older
runs have absolute paths instead; folders of the program and of Hugging Face's cache are known by
their names. A folder that is gone is looked for beside the runs: what was moved together with them
is found, and known by its hash.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from re import fullmatch

import msgspec
from farense_worker.protocol import home, model_identity, places, plain_file, simulation
from farense_worker.protocol.checkpoint_files import STATE
from farense_worker.protocol.errors import FarenseError, refused, unreadable
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
        model=_model(config, folder),
        data=_data(config.data, config.run.data_sha256, folder),
    )


def write(folder: RunFolder) -> None:
    """Tell a worker that is about to be started where they are."""
    found = config_of(folder)
    model = found.model.repo if os.path.isabs(found.model.repo) else ""
    places.check(folder.path, model, found.data.path)
    try:
        places.write(folder, Places(model, found.data.path, found.model.revision))
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
        raise _missing(folder, found)
    places.check(folder.path, config.model.repo)
    return config


def check(folder: RunFolder, config: Config) -> None:
    """Refuse where the model or the data is nowhere, or the model of its checkpoints is another.

    config: of this run, with the places of today. The worker would say it later.
    """
    found = locate.locate(config.model.repo, config.model.revision)
    if found.state == "missing":
        raise _missing(folder, found)
    places.check(folder.path, found.path or "", config.data.path)
    try:
        then = model_then(folder) if folder.checkpoints() else ""
    except OSError as error:  # begun anew, it would write over what it has
        raise unreadable(error) from error
    if found.path and then and fingerprint(found.path, then) not in ("", then):
        raise refused(
            _("resuming would make it another run"),
            _("{folder}: the model is not what it was").format(folder=found.path),
            _("farense-tui resume {name} --set model.repo=FOLDER says where it is now.").format(
                name=folder.name
            ),
            kind="run_changed",
        )
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
    rows = Path(config.data.path)
    if data and places.is_own_copy(folder, config.data.path):
        said = _(
            "{run}: {folder} is gone, has changed or cannot be read: the run's own copy of the "
            "data is used"
        )
        told.append(said.format(run=folder.name, folder=folder.read_config().data.path))
        if kept_data.fingerprint(folder.data) != config.run.data_sha256:
            said = _("{run}: its own copy of the data is not what it was, either")
            told.append(said.format(run=folder.name))
    elif data and config.run.data_sha256 not in ("", found := kept_data.fingerprint(rows)):
        said = _("{run}: the data in {folder} is not what the run was trained on")
        told += [said.format(run=folder.name, folder=rows)] if found else []
    model = Path(config.model.repo)
    if not model.is_dir():
        return told
    then = model_then(folder)
    if then and fingerprint(model, then) not in ("", then):
        said = _("{run}: the model in {folder} is not what the run was trained on")
        told.append(said.format(run=folder.name, folder=model))
    then = _then(folder, config.run.tokenizer_sha256, "tokenizer")
    if then and tokenizer(model) not in ("", then):
        said = _("{run}: tokenizer or chat template in {folder} are not what they were")
        told.append(said.format(run=folder.name, folder=model))
    return told


def model_then(folder: RunFolder) -> str:
    """Fingerprint of the model that a run was begun with; empty if it is not known."""
    try:
        return _then(folder, folder.read_config().run.model_sha256, "model")
    except FarenseError:
        return ""


def _then(folder: RunFolder, begun: str, what: str) -> str:
    """Give what it was begun with; if its model was downloaded first, its checkpoints know it."""
    if begun:
        return begun
    try:
        newest = folder.checkpoints()[-1]
        return str(json.loads(plain_file.read(newest.path / STATE, follow=True)).get(what, ""))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


def identity(of: Callable[[Path], str], folder: Path) -> str:
    """Give the hash that a run will be known by; empty where there is nothing to make it of.

    Raises FarenseError (refused) where a file cannot be read just now: no hash would be kept, and
    a folder that moved later would not be found again.
    """
    try:
        return of(folder)
    except OSError as error:
        if plain_file.may_be_sound(error):
            raise unreadable(error) from error
        return ""


def fingerprint(model: Path, like: str = "") -> str:
    """Of a model's folder; empty where it cannot be read. like: what it is compared with."""
    try:
        return model_identity.fingerprint(model, like)
    except OSError:
        return ""


def tokenizer(model: Path) -> str:
    """Of a model's tokenizer and chat template; empty where they cannot be read."""
    try:
        return model_identity.tokenizer(model)
    except OSError:
        return ""


def _missing(folder: RunFolder, found: locate.ModelState) -> FarenseError:
    told = locate.missing(found)
    hint = _("farense-tui resume {name} --set model.repo=FOLDER says where it is now.")
    return refused(told.title, told.detail, hint.format(name=folder.name), kind=told.kind)


def _model(config: Config, folder: RunFolder) -> Model:
    model = msgspec.structs.replace(config.model, repo=home.here(config.model.repo))
    if os.path.isdir(model.repo) and os.path.isabs(model.repo):
        return model
    if model.repo == locate.EMBEDDED or _is_like(model.repo, assets.embedded_model()):
        return msgspec.structs.replace(model, repo=str(assets.embedded_model().resolve()))
    name, commit = model_identity.snapshot(model.repo) or (model.repo, model.revision)
    if os.path.isabs(name):
        then = config.run.model_sha256
        near = _near(name, folder, lambda path: bool(then) and fingerprint(path, then) == then)
        return msgspec.structs.replace(model, repo=near or name)
    # Where the last worker found it tells the commit of one that was downloaded.
    last = places.read(folder)
    known = model_identity.snapshot(last.model) or (name, last.revision)
    if known[0] == name and known[1] and not fullmatch("[0-9a-f]{40}", commit):
        commit = known[1]
    found = locate.locate(name, commit)
    if found.path:
        return msgspec.structs.replace(model, repo=str(plain_file.resolved(found.path)))
    return msgspec.structs.replace(model, repo=name, revision=commit)


def _data(data: Data, then: str, folder: RunFolder) -> Data:
    """then: fingerprint of what was given; the run's own copy stands in for anything else."""
    path = home.here(data.path)
    if path == locate.EMBEDDED or (
        not os.path.isdir(path) and _is_like(path, assets.embedded_data())
    ):
        path = str(assets.embedded_data().resolve())
    if then and not os.path.isdir(path):
        path = _near(path, folder, lambda near: kept_data.fingerprint(near) == then) or path
    if then and folder.data.is_dir() and kept_data.fingerprint(Path(path)) != then:
        path = str(folder.data)
    return msgspec.structs.replace(data, path=path)


def _near(path: str, folder: RunFolder, is_it: Callable[[Path], bool]) -> str:
    """Look for a folder that was moved together with the runs: where it is as seen from them."""
    parts = Path(path).parts[1:]
    for above in folder.path.parents:
        for at in range(len(parts)):
            there = above.joinpath(*parts[at:])
            if os.path.isdir(there) and is_it(there):
                return str(there)
    return ""


def _is_like(path: str, ours: Path) -> bool:
    """Whether a path is that of a folder of the program, wherever that was installed."""
    return Path(path).parts[-2:] == ours.parts[-2:]
