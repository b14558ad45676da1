"""What there is to know before a start, the worst first, each as a sentence with what helps."""

from __future__ import annotations

from collections.abc import Iterator

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.contradictions import contradictions
from textual.content import Content

from farense_tui.engine import readable as f
from farense_tui.engine.models.named import model_name
from farense_tui.engine.models.suggested import download_gigabytes
from farense_tui.engine.preflight.model_and_data import Inspection, held_out
from farense_tui.engine.profiles.settings_words import ESSENTIAL
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.ui.common.sentence import sentence
from farense_tui.ui.common.status import shown as shown_status
from farense_tui.ui.launch.data.remedies import remedies
from farense_tui.ui.launch.data.summary import words
from farense_tui.ui.launch.plan import forecast_words
from farense_tui.ui.launch.plan.known import Known

_FAULTS = 3


def remarks(known: Known) -> list[Content]:
    """One a line, or a few lines."""
    found = [_wrong(known.fault)] if known.fault else []
    if known.draft:
        found += [*_settings(known), *_missing(known.found), *_data(known), *_memory(known)]
        found += [*_machine(known), *_smaller(known)]
    return [*found, *([_run(known.run)] if known.run else [])]


def _wrong(fault: FarenseError) -> Content:
    return Content.assemble(
        (f.from_here(fault.title), "bold $error"), "\n", fault.detail, "\n",
        (fault.hint, "$text-muted"),
    )  # fmt: skip


def _settings(known: Known) -> Iterator[Content]:
    """What was typed and is not right, and what does not go together."""
    if known.draft is None:
        return
    for name, what in known.draft.faults.items():
        if name in ESSENTIAL:  # it is said beside it
            continue
        yield Content.styled(f"✗ {name}: {what}", "$error")
    for what in contradictions(known.profile):
        yield Content.styled(f"✗ {what}", "$error")


def _missing(found: Inspection | None) -> Iterator[Content]:
    if found and found.model.state == "missing":
        why = f.from_here(found.model.why.partition("\n")[0])
        said = _("✗ The model {model} is not found: {why}.")
        told = said.format(model=clean(found.model.repo), why=clean(why))
        yield Content.styled(told, "$error")


def _data(known: Known) -> Iterator[Content]:
    found = known.found
    if found is None:
        return
    if found.data.why:
        shown = [f.from_here(str(fault)) for fault in found.data.faults[:_FAULTS]]
        more = len(found.data.faults) - len(shown)
        lines = [f"✗ {shown[0]}", *shown[1:], *([_("and {n} more").format(n=more)] if more else [])]
        yield Content.styled("\n".join(lines), "$error")
        yield Content.styled(_helps(known), "$accent")
        return
    look = known.look
    if look and look.report:
        lengths, *rest = words(look.report)
        keys = [Content.styled(_("d shows them"), "$accent")] if look.report.counts else []
        if rest:
            yield Content("  ").join([*rest, *keys])
        yield Content(" ").join(filter(None, [_splits(known, found), lengths]))
    elif look and look.error:
        told = _("! The data is not checked: {why}.").format(why=clean(look.error.title))
        yield Content.styled(told, "$warning")
    else:
        yield Content.assemble(_splits(known, found), "  ", (_("looking at them …"), "$text-muted"))


def _helps(known: Known) -> str:
    """Which keys to press; where rows can be made of the files, both of them."""
    helping = remedies(known.profile, known.look) if known.look else []
    if any(each.key == "v" for each in helping):
        return _("d, then v: makes rows of it, in a new folder beside it")
    return _("d shows them all, and what helps")


def _splits(known: Known, found: Inspection) -> Content:
    """What is kept to validate and to test on; whether there is any is in the check's words."""
    rows = found.data.rows
    told = []
    if valid := rows.get("valid", 0):
        said = ngettext("{n} row more validates it", "{n} rows more validate it", valid)
        told.append(said.format(n=valid))
    elif kept := held_out(known.profile, found.data):
        told.append(_("{share} of them are held out for validation").format(share=f.share(kept)))
    if test := rows.get("test", 0):
        told.append(ngettext("{n} tests it", "{n} test it", test).format(n=test))
    return Content.styled(", ".join(told) + "." * bool(told), "$text-muted")


def _memory(known: Known) -> Iterator[Content]:
    made = known.forecast.made
    if made is None:
        return
    yield from forecast_words.remedy(made)
    train = known.profile.train
    said = ngettext("A step learns from {n} row", "A step learns from {n} rows",
                    known.profile.effective_batch)  # fmt: skip
    said += ", {a} × {b}." if train.grad_accumulation > 1 else "."
    told = said.format(
        n=known.profile.effective_batch, a=train.batch_size, b=train.grad_accumulation
    )
    first, *rest = forecast_words.details(made)
    yield Content.assemble((told + " ", "$text-muted"), first)
    yield from rest


def _machine(known: Known) -> Iterator[Content]:
    """What speaks against this profile on this machine, as far as it can be told by now."""
    machine, needs = known.machine, known.profile.profile.memory_gb
    if needs > round(machine.memory / GIB):
        said = _("! This profile is made for {needs} GB of memory, this machine has {here:.0f}.")
        yield Content.styled(said.format(needs=needs, here=machine.memory / GIB), "$warning")
    elif needs and not machine.apple_silicon:
        said = _("! This profile is made for Apple silicon; this is a {backend}.")
        yield Content.styled(said.format(backend=machine.backend), "$warning")


def _smaller(known: Known) -> Iterator[Content]:
    model, found = known.profile.model, known.found
    if not model.fallback or model.fallback == model.repo or known.draft is None:
        return
    if "model.repo" in known.draft.typed:  # of which nobody knows whether it is the larger one
        return
    name = model_name(model.fallback)
    state = found.fallback.state if found and found.fallback else ""
    said = _("A smaller model is at hand: {model}.")
    gigabytes = download_gigabytes(model.fallback)
    if state == "download" and gigabytes:
        said = _("There is a smaller model: {model}, {size} to download.")
    elif state == "download":
        said = _("There is a smaller model: {model}.")
    told = sentence(said, model=name, size=f.download_size(gigabytes))
    key = Content.styled("  " + _("f takes it"), "$accent")
    yield Content.assemble(told, key).stylize_before("$text-muted")


def _run(run: RunSummary) -> Content:
    state = run.state
    at = _("before its start")
    if state.total_steps:
        at = _("step {step} of {total}").format(step=state.step, total=state.total_steps)
    key = _("r resumes it") if run.resumable else _("l shows the runs")
    name = Content.styled(run.folder.name, "bold")
    said = sentence(
        _("Your last run, {name}: {status}, {at}."),
        name=name, status=shown_status(run.status), at=at,
    )  # fmt: skip
    return Content.assemble(said, "  ", (key, "$accent"))
