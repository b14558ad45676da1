"""What a profile needs, and whether it is here: the model and the data set, before a start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol import dataset
from farense_worker.protocol.dataset import Summary
from farense_worker.protocol.plan import steps
from farense_worker.protocol.rows.row_faults import Fault
from farense_worker.protocol.settings.profile import Data, Profile

from farense_tui.engine.models import locate
from farense_tui.engine.models.locate import ModelState
from farense_tui.engine.runs import new_run


@dataclass(frozen=True)
class Inspection:
    """The model, the smaller one offered beside it, and the data."""

    model: ModelState
    fallback: ModelState | None
    data: Summary


def key(profile: Profile) -> tuple[object, ...]:
    """What an inspection depends on: with the same key it need not be made again."""
    model, data = profile.model, profile.data
    read = (data.path, data.skip, data.features)
    return (model.repo, model.revision, model.fallback, *read)


def inspect(profile: Profile) -> Inspection:
    """Look at the disk, never at the network. Reads the whole data set, so not in the UI's loop."""
    model = profile.model
    return Inspection(
        model=locate.locate(model.repo, model.revision),
        fallback=locate.locate(model.fallback) if model.fallback else None,
        data=_summarise(new_run.data_folder(profile), profile.data),
    )


def _summarise(folder: Path, data: Data) -> Summary:
    """Any text may stand for the folder while it is typed: too long a name, one not to be read."""
    try:
        return dataset.summarise(folder, skip=data.skip, names=data)
    except OSError as error:
        why = error.strerror or str(error)
        return Summary(folder, {}, (Fault(folder, 0, why, "file"),), 1, why)


def held_out(profile: Profile, data: Summary) -> float:
    """Share of the training rows that is kept for validation: only where there is no other."""
    return 0.0 if data.rows.get("valid") else profile.data.valid_fraction


def steps_per_epoch(profile: Profile, data: Summary) -> int:
    """Optimizer steps in one pass: the last, smaller batch counts as well.

    Which rows are held out is drawn by lot, so with `held_out` it is about so many.
    """
    rows = round(data.rows.get("train", 0) * (1 - held_out(profile, data)))
    return steps.per_epoch(rows, profile.effective_batch)
