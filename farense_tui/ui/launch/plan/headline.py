"""The plan as one sentence: what is trained on what, how many steps and how long, what memory."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.settings.contradictions import contradictions
from farense_worker.protocol.settings.profile import Profile
from textual.content import Content

from farense_tui.engine import readable as f
from farense_tui.engine.models.named import data_name, model_name
from farense_tui.engine.models.suggested import download_gigabytes
from farense_tui.engine.preflight.model_and_data import Inspection, held_out, steps_per_epoch
from farense_tui.ui.common.sentence import sentence
from farense_tui.ui.launch.plan import forecast_words
from farense_tui.ui.launch.plan.known import Known

_LOOKING = Content.styled("…", "$text-muted")


def headline(known: Known) -> Content:
    """Say it, as far as it is known by now."""
    if known.draft is None:
        return Content("")
    if cannot_start(known):
        return Content.styled("✗ " + _("This cannot start yet."), "bold $error")
    said = _what(known.profile, known.found)
    if facts := _facts(known):
        said = Content.assemble(said, ": ", Content(", ").join(facts))
    return Content.assemble(said, "" if said.plain.endswith("…") else ".")


def cannot_start(known: Known) -> bool:
    """Whether it is known by now that a start would be refused."""
    found, draft = known.found, known.draft
    lost = found is not None and (found.model.state == "missing" or bool(found.data.why))
    return lost or bool(draft and (draft.faults or contradictions(draft.profile)))


def _what(profile: Profile, found: Inspection | None) -> Content:
    model = Content.styled(model_name(profile.model.repo), "bold")
    rows = _rows(profile, found)
    if found is None or found.model.state != "download":
        return sentence(_("Train {model} on {rows}"), model=model, rows=rows)
    gigabytes = download_gigabytes(profile.model.repo)
    size = f.download_size(gigabytes)
    said = _("Train {model}, {size} to download, on {rows}")
    if not gigabytes:
        said = _("Train {model}, which must be downloaded, on {rows}")
    return sentence(said, model=model, rows=rows, size=Content.styled(size, "$warning"))


def _rows(profile: Profile, found: Inspection | None) -> Content:
    if found is None:
        return _LOOKING
    rows = found.data.rows.get("train", 0)
    rows = round(rows * (1 - held_out(profile, found.data)))
    said = ngettext("{n} row of {data}", "{n} rows of {data}", rows)
    name = data_name(profile.data.path)
    return sentence(said, n=Content.styled(str(rows), "bold"), data=name)


def _facts(known: Known) -> list[Content]:
    return [*_steps(known.profile, known.found), *forecast_words.facts(known.forecast)]


def _steps(profile: Profile, found: Inspection | None) -> list[Content]:
    if found is None:
        return []
    steps = steps_per_epoch(profile, found.data) * profile.train.epochs
    said = ngettext("{n} step", "{n} steps", steps)
    if held_out(profile, found.data):
        said = ngettext("about {n} step", "about {n} steps", steps)
    return [sentence(said, n=Content.styled(str(steps), "bold"))]
