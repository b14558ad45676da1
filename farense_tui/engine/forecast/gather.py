"""Forecasts of profiles on this machine: what is needed for one is found out here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
from farense_worker.protocol import dataset
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.estimation import Facts, Probe, Probed, Request
from farense_worker.protocol.plan import memory as plan
from farense_worker.protocol.plan import model_shape
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.plan.model_shape import Shape
from farense_worker.protocol.run_folder import free_space
from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine.forecast import safer_settings
from farense_tui.engine.forecast.forecast import Forecast, Measured, Place, forecast, minimum
from farense_tui.engine.forecast.safer_settings import Remedy
from farense_tui.engine.machine import hardware
from farense_tui.engine.machine import measured as measured_here
from farense_tui.engine.models import locate
from farense_tui.engine.runs import new_run
from farense_tui.engine.tasks import task

# Share of its memory that macOS lets Metal use well: 66.7% in every log found of 8, 16 and 32 GB
# up to macOS 15, 74 to 78% on newer ones. The lower one forecasts, the higher one refuses.
WORKING_SET = 2 / 3
_LARGEST_WORKING_SET = 0.78


@dataclass(frozen=True)
class Estimate:
    """A profile's forecast, and what would make it fit. why: there is none, or what it is without.

    forecast is None for a model of which nothing is known. measured: what corrected it.
    """

    profile: Profile
    forecast: Forecast | None
    remedy: Remedy | None = None
    why: str = ""
    measured: Measured | None = None


def facts(profile: Profile, stop: task.Stop | None = None) -> Facts:
    """Ask the worker. Takes a second or more, so not for the UI's loop."""
    return task.result_of("estimate", Request(resolved(profile)), Facts, stop=stop)


def estimate(
    profile: Profile,
    known: Facts,
    *,
    memory: int = 0,
    measured: Measured | None = None,
    disk: Path | None = None,
) -> Estimate:
    """Forecast a profile. memory: GB of an Apple-silicon machine to judge for, 0 for this one.

    disk: a folder where runs are kept. Reads the model's headers; takes some tens of milliseconds.
    """
    place = where(known, memory, disk)
    counted = {} if known.rows else _counted(profile)

    def made(changed: Profile) -> Forecast | None:
        found = shape_of(changed)
        if found is None:
            return None
        if changed.model != profile.model:  # whose tokenizer may count otherwise
            return forecast(found, changed, place, {}, counted)
        return forecast(found, changed, place, known.rows, counted, measured)

    first = made(profile)
    if first is None:
        return Estimate(profile, None, why=_("nothing is known of the model's shape"))
    remedy = (
        safer_settings.remedy(profile, made) if first.verdict not in ("fits", "unknown") else None
    )
    why = "" if first.known_lengths else _without(known)
    return Estimate(profile, first, remedy, why, measured)


def _without(known: Facts) -> str:
    if not known.no_rows:
        return _("lengths are not known; all rows are taken to be max_seq_length long")
    said = _("lengths are not known: {why}; all rows are taken to be max_seq_length long")
    return said.format(why=known.no_rows)


def where(known: Facts, memory: int = 0, disk: Path | None = None) -> Place:
    """Describe the machine that is forecast for."""
    if memory:
        limit = int(memory * GIB * WORKING_SET)
        return Place(limit, None, None, gpu=True, memory=memory * GIB)
    free = free_space(disk or Path.cwd())
    machine = hardware.machine()
    record = measured_here.read(machine)
    speeds = record.speeds if record else None
    shared = machine.memory if machine.apple_silicon else 0
    return Place(known.limit, known.available, free, known.gpu, machine.chip, speeds, shared)


def shape_of(profile: Profile) -> Shape | None:
    """Find the shape of a profile's model: from its files, else from its name."""
    found = locate.locate(profile.model.repo, profile.model.revision)
    return model_shape.read(found.path) if found.path else model_shape.known(profile.model.repo)


def probe(
    profile: Profile, made: Estimate, known: Facts, stop: task.Stop | None = None
) -> Measured:
    """Take real steps on the micro-batch that takes most; corrects a forecast."""
    if made.forecast is None:
        raise refused(_("there is nothing to measure"), made.why, kind="model")
    batch, cached = made.forecast.batch.alone, made.forecast.trunk_disk > 0
    asked = Probe(
        profile=resolved(profile),
        rows=batch.rows,
        width=batch.width,
        labels=batch.labels,
        cached=cached,
        prefix=batch.prefix,
        handed=not batch.passes,
    )
    return Measured(batch, cached, task.result_of("probe", asked, Probed, stop=stop))


def refuse_hopeless(profile: Profile) -> None:
    """Refuse a run whose weights and adapter alone are more than the machine can hold.

    Takes milliseconds and starts nothing. In doubt it refuses nothing: the limit is the largest
    that a machine of this memory was seen to have.
    """
    found = shape_of(profile)
    if found is None:
        return
    machine = hardware.machine()
    share = _LARGEST_WORKING_SET if machine.apple_silicon else 1.0
    limit = plan.limit(profile.memory, int(machine.memory * share))
    least = minimum(found, profile)
    if least <= limit:
        return
    smaller = _("Take a smaller model.")
    if profile.model.fallback:
        smaller = _("--model {name} is smaller.").format(name=profile.model.fallback)
    raise refused(
        _("the run cannot fit into this machine's memory"),
        _(
            "{repo} with its adapter takes {least:.1f} GiB before the first example, "
            "{limit:.1f} GiB is the most that there is for it"
        ).format(repo=profile.model.repo, least=least / GIB, limit=limit / GIB),
        f"{smaller} " + _("farense-tui train --anyway starts it all the same."),
        kind="memory",
    )


def resolved(profile: Profile) -> Profile:
    """Give the profile with its model and data as the worker takes them: absolute."""
    repo = locate.resolve(profile.model.repo, profile.model.revision)
    return msgspec.structs.replace(
        profile,
        model=msgspec.structs.replace(profile.model, repo=repo),
        data=msgspec.structs.replace(profile.data, path=str(new_run.data_folder(profile))),
    )


def _counted(profile: Profile) -> dict[str, int]:
    """Rows of the files, where they can be read; without valid.jsonl less those held out for it."""
    try:
        rows = dict(dataset.summarise(new_run.data_folder(profile), names=profile.data).rows)
    except (OSError, FarenseError):
        return {}
    share, train = profile.data.valid_fraction, rows.get("train", 0)
    if share and "valid" not in rows and train > 1:
        rows["valid"] = max(1, round(share * train))
        rows["train"] -= rows["valid"]
    return rows
