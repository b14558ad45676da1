"""Where the model and the data of a run are on this machine today: RUN/places.json.

The configuration says what was asked for, which is the same on every machine; whoever starts a
worker says where that is now. Without the file, what was asked for are places themselves.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
from msgspec import Struct

from farense_worker.protocol import home, model_identity, plain_file
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder, write_atomically
from farense_worker.protocol.settings.profile import Config

_LONGEST = 1 << 16  # bytes


class Places(Struct, frozen=True):
    """Folders. model: empty for what is to be downloaded, at the commit `revision`."""

    model: str = ""
    data: str = ""
    revision: str = ""


def check(*places: Path | str) -> None:
    """Raise FarenseError (refused) for a place whose name is not UTF-8.

    Neither this file nor a report can name it, and to MLX all that is in it is damaged.
    """
    for place in map(str, places):
        try:
            place.encode()
        except UnicodeEncodeError as error:
            raise not_utf8(place) from error


def not_utf8(place: str) -> FarenseError:
    """Refuse for a folder's name."""
    return refused(
        _("{path} is not UTF-8").format(path=ascii(place[:200])),
        hint=_("Give the folder a name that is."),
        kind="not_utf8",
    )


def write(folder: RunFolder, places: Places) -> None:
    """Say where they are; an OSError where the disk does not take it."""
    write_atomically(folder.places, msgspec.json.encode(places).decode() + "\n")


def read(folder: RunFolder) -> Places:
    """Read where they were when the last worker was started."""
    with contextlib.suppress(OSError, ValueError, RecursionError):  # msgspec's are ValueErrors
        return msgspec.json.decode(plain_file.read(folder.places, _LONGEST), type=Places)
    return Places()


def found(folder: RunFolder, model: Path) -> None:
    """Note where a model was downloaded to, and so which commit of its repository it is."""
    places = read(folder)
    if not places.model and model_identity.snapshot(str(model)):
        with contextlib.suppress(OSError):  # a full disk: the newest is looked for next time
            write(folder, msgspec.structs.replace(places, model=str(model)))


def applied(folder: RunFolder, config: Config) -> Config:
    """Give the configuration with the folders of today."""
    places = read(folder)
    model = msgspec.structs.replace(
        config.model,
        repo=places.model or home.here(config.model.repo),
        revision=places.revision or config.model.revision,
        adapter=home.here(config.model.adapter),
    )
    data = msgspec.structs.replace(config.data, path=places.data or home.here(config.data.path))
    run = msgspec.structs.replace(config.run, hosts=home.here(config.run.hosts))
    return msgspec.structs.replace(config, model=model, data=data, run=run)


def is_own_copy(folder: RunFolder, data: str) -> bool:
    """Whether a data set is the one that is kept in the run folder."""
    return Path(data) == folder.data
