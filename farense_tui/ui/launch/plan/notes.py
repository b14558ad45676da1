"""What stands beside the settings that matter: what each of them comes to."""

from __future__ import annotations

from farense_worker.protocol.dataset import Summary
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from textual.content import Content

from farense_tui.engine import readable as f
from farense_tui.engine.models.locate import ModelState
from farense_tui.engine.models.suggested import download_gigabytes
from farense_tui.engine.preflight.model_and_data import Inspection, held_out, steps_per_epoch
from farense_tui.engine.profiles import peak_rate
from farense_tui.ui.launch.plan.known import Known

_LOOKING = Content.styled("…", "$text-muted")


def notes(known: Known) -> dict[str, Content]:
    """By setting; those without a note keep the unit of their figure."""
    if known.draft is None:
        return {}
    found = known.found
    told = {
        "model.repo": model(found.model) if found else _LOOKING,
        "data.path": _data(found.data) if found else _LOOKING,
    }
    if found and found.data.rows.get("train") and not found.data.why:
        told |= _steps(known, found)
    return told | _lengths(known) | _adapter(known)


def model(found: ModelState) -> Content:
    """Say where a model is, and how much is to be fetched as far as that is known."""
    if found.state == "here":
        return Content.styled(_("✓ here, {size}").format(size=f.size(found.bytes)), "$success")
    if found.state == "missing":
        return Content.styled(_("✗ not found"), "$error")
    gigabytes = download_gigabytes(found.repo)
    if not gigabytes:
        return Content.styled(_("↓ to be downloaded"), "$warning")
    return Content.styled(
        _("↓ {size} to download").format(size=f.download_size(gigabytes)), "$warning"
    )


def _data(found: Summary) -> Content:
    if found.why:
        return Content.styled(_("✗ cannot be used"), "$error")
    rows = found.rows.get("train", 0)
    return Content.styled("✓ " + ngettext("{n} row", "{n} rows", rows).format(n=rows), "$success")


def _steps(known: Known, found: Inspection) -> dict[str, Content]:
    train = known.profile.train
    each = steps_per_epoch(known.profile, found.data)
    steps = each * train.epochs
    said = _("times through all rows, {each} steps each")
    if held_out(known.profile, found.data):
        said = _("times through all rows, about {each} steps each")
    style = "$text-muted" if peak_rate.is_reached(train, steps) else "$warning"
    return {
        "train.epochs": Content.styled(said.format(each=each), "$text-muted"),
        "train.learning_rate": Content.styled(peak_rate.told(train, steps), style),
    }


def _lengths(known: Known) -> dict[str, Content]:
    report = known.look.report if known.look else None
    train = (
        next((split for split in report.splits if split.name == "train"), None) if report else None
    )
    if train is None or not train.tokens:
        return {}
    if train.truncated:
        said = ngettext(
            "tokens; {n} row is longer", "tokens; {n} rows are longer", train.truncated
        ).format(n=train.truncated)
        return {"train.max_seq_length": Content.styled(said, "$warning")}
    said = _("tokens; your longest row has {n}").format(n=train.longest)
    return {"train.max_seq_length": Content.styled(said, "$text-muted")}


def _adapter(known: Known) -> dict[str, Content]:
    made = known.forecast.made
    if made is None or made.forecast is None or known.profile.train.fine_tune_type == "full":
        return {}
    size = f.size(made.forecast.parts.adapter)
    said = _("an adapter of {size}").format(size=size)
    return {"lora.rank": Content.styled(said, "$text-muted")}
