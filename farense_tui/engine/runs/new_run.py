"""A new run: checked as far as it goes without MLX, then its folder with its config.toml."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
from farense_worker.protocol import dataset, home, model_identity, places, plain_file
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.plan.disk import RECORD
from farense_worker.protocol.run_folder import (
    RunFolder,
    check_name,
    disk_error,
    free_space,
    write_atomically,
)
from farense_worker.protocol.settings.profile import Config, Profile, Run
from farense_worker.protocol.settings.profile_file import dumps

from farense_tui import __version__
from farense_tui.engine.machine import hardware
from farense_tui.engine.models import locate
from farense_tui.engine.models.assets import embedded_data
from farense_tui.engine.runs import folders, kept_data, trackers
from farense_tui.engine.runs.found_again import identity

# Rows of a split that are looked at before a run is made; the worker reads them all.
_LOOKED_AT = 10_000
EXISTS = "run_exists"


def prepare(
    profile: Profile, *, name: str, profile_name: str, folder: Path, **how: Any
) -> RunFolder:
    """Check all that can be checked without MLX, then make the run folder with its config.toml.

    how: ranks, hosts and backend, for a run of several processes (rank_options.py).
    Raises FarenseError (refused) and leaves nothing behind if something is wrong.
    """
    check_name(name)
    if intel := hardware.intel_python():
        raise intel
    path = folder / name
    if os.path.lexists(path):
        raise _exists(path)
    data = data_folder(profile)
    dataset.check(data, most=_LOOKED_AT, names=profile.data)
    trackers.check(profile.report.trackers)
    model = locate.asked(profile.model)
    here = locate.locate(model.repo, model.revision).path
    adapter = home.asked(model.adapter)
    places.check(*map(plain_file.resolved, (path, data, here or data)), home.here(adapter))
    check_space(folder)
    config = Config(
        **{
            **msgspec.structs.asdict(profile),
            "model": msgspec.structs.replace(model, adapter=adapter),
            "data": msgspec.structs.replace(profile.data, path=asked_data(profile)),
        },
        run=Run(
            name=name,
            profile_name=profile_name,
            created=time.time(),
            app_version=__version__,
            model_sha256=identity(model_identity.fingerprint, here) if here else "",
            tokenizer_sha256=identity(model_identity.tokenizer, here) if here else "",
            data_sha256=identity(kept_data.identity, data),
            **how,
        ),
    )
    try:
        path.mkdir(parents=True)
        try:
            kept_data.keep(data, RunFolder(path).data, profile.data.keep_mb * 1e6)
            write_atomically(path / "config.toml", dumps(config))
        except BaseException:  # Ctrl-C too: what is half made is no run
            shutil.rmtree(path, ignore_errors=True)
            raise
    except FileExistsError as error:  # since it was looked for
        folders.check(folder)  # a link to what is not there
        raise _exists(path) if error.filename == str(path) else disk_error(error, path) from error
    except OSError as error:
        raise disk_error(error, path) from error
    except UnicodeEncodeError as error:  # of another folder's name
        raise places.not_utf8(str(error.object)) from error
    return RunFolder(plain_file.resolved(path))


def _exists(path: Path) -> FarenseError:
    return refused(
        _("there is a run {name} already").format(name=path.name),
        str(path),
        _("farense-tui resume {name} continues it; --name gives the new one another name.").format(
            name=path.name
        ),
        kind=EXISTS,
    )


def discard(folder: RunFolder) -> None:
    """Take back `prepare`: a run that was refused before its start leaves nothing behind."""
    folders.delete(folder)
    with contextlib.suppress(OSError):  # other runs are in it
        folder.path.parent.rmdir()


def check_space(folder: Path) -> None:
    """Refuse where there is not even space for the record of a run.

    The worker asks for more once it knows the adapter's size.
    """
    free = free_space(folder)
    if free < RECORD:
        raise refused(
            _("no space on the disk"),
            _("{folder}: {free} MiB free, a run needs at least {least} MiB").format(
                folder=folder.absolute(), free=free >> 20, least=RECORD >> 20
            ),
            _("Delete old runs or choose another --runs-dir."),
            kind="disk_full",
        )


def new_name(profile_name: str, folder: Path) -> str:
    """Find a name that is free: demo-1, demo-2, ..."""
    number = 1
    while os.path.lexists(folder / f"{profile_name}-{number}"):
        number += 1
    return f"{profile_name}-{number}"


def asked_data(profile: Profile) -> str:
    """Give what goes into config.toml: `embedded`, or a folder, from the home or the root on."""
    given = profile.data.path
    return given if given == locate.EMBEDDED else home.short(data_folder(profile))


def data_folder(profile: Profile) -> Path:
    """Where the data set is that a profile names, as an absolute path."""
    if profile.data.path == locate.EMBEDDED:
        return embedded_data().resolve()
    return plain_file.resolved(Path(os.path.expanduser(profile.data.path)))
