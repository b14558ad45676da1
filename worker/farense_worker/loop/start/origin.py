"""What a run was made of, as the run folder keeps it. Only the first rank has the folder."""

from __future__ import annotations

from pathlib import Path

from farense_worker.process.output import Output
from farense_worker.protocol import model_identity, places
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Notice
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config


def note(folder: RunFolder, config: Config, model: Path, output: Output) -> None:
    """Note where the model is, and tell of the copy of the data: that it is kept, or used."""
    places.found(folder, model)
    if not folder.data.is_dir():
        return
    if places.is_own_copy(folder, config.data.path):
        code, message = (
            "own_data",
            _(
                "the data set is gone, has changed or cannot be read: the run goes on with its own "
                "copy of it"
            ),
        )
    elif folder.resume_step() is None:
        code, message = (
            "data_kept",
            _("the run folder keeps a copy of the data set, for when that is moved or changed"),
        )
    else:
        return
    output.emit(Notice(level="info", code=code, message=message))


def model_name(folder: RunFolder) -> str:
    """Name the model as others know it, not by where it is today."""
    return model_identity.name(folder.read_config().model.repo)
