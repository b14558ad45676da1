"""`farense-tui estimate`: what runs will take, before any is started."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.estimation import Facts
from farense_worker.protocol.plan.learning_rate import highest
from farense_worker.protocol.settings.profile import Profile
from rich.table import Table
from rich.text import Text

from farense_tui.cli import common
from farense_tui.cli.output import console, say_json, tell
from farense_tui.engine import readable as f
from farense_tui.engine.forecast import gather as estimating
from farense_tui.engine.forecast.depends import key
from farense_tui.engine.forecast.forecast import Forecast, Measured
from farense_tui.engine.forecast.gather import Estimate
from farense_tui.engine.forecast.summary import line, mark, paging, used
from farense_tui.engine.profiles import catalogue, peak_rate
from farense_tui.engine.status_words import verdict

_WILL_NOT = "will not fit"  # not translated: the name of a verdict
_STYLES = {"fits": "green", "tight": "yellow", _WILL_NOT: "red", "unknown": "dim"}


def estimate(args: argparse.Namespace) -> int:
    """Tell what a run, or one of each profile, will take."""
    found = catalogue.find()
    names = [args.profile] if args.profile else [each.name for each in found if each.profile]
    wanted = {name: common.profile(args, name) for name in names}
    how = {"memory": args.memory, "probe": args.probe, "as_json": args.json}
    return _show(wanted, common.runs_dir(args), **how)


def _show(
    wanted: dict[str, Profile], runs_dir: Path, *, memory: int, probe: bool, as_json: bool
) -> int:
    """Forecast each profile: a table of several, one in detail. probe: take steps first."""
    known: dict[object, Facts] = {}
    made: dict[str, Estimate] = {}
    for name, profile in wanted.items():
        asked = key(profile)
        if asked not in known:
            known[asked] = estimating.facts(profile)
        made[name] = estimating.estimate(profile, known[asked], memory=memory, disk=runs_dir)
        if probe:
            measured = _measure(profile, made[name], known[asked])
            made[name] = estimating.estimate(
                profile, known[asked], memory=memory, measured=measured, disk=runs_dir
            )
    if as_json:
        say_json({name: values(each) for name, each in made.items()})
        return ExitCode.DONE
    to = console()
    if len(made) > 1:
        to.print(_table(made))
        more = _("farense-tui estimate --profile NAME tells one in detail.")
        to.print(more, style="dim")
    for name, each in made.items() if len(made) == 1 else ():
        to.print(detail(name, each))
    return ExitCode.DONE


def _measure(profile: Profile, made: Estimate, known: Facts) -> Measured:
    if made.forecast and made.forecast.verdict == _WILL_NOT:
        raise refused(
            _("no step can be tried: it would not fit"),
            line(made),
            _("Leave out --probe."),
            kind="memory",
        )
    if sys.stderr.isatty():
        tell(_("trying some steps ..."))
    return estimating.probe(profile, made, known)


def _table(made: dict[str, Estimate]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    heads = (_("profile"), _("verdict"), _("memory"), _("disk"), _("steps"), _("time"))
    for at, head in enumerate((*heads, _("to make it fit"))):
        table.add_column(head, justify="right" if at in (3, 4, 5) else "left")
    for name, each in made.items():
        found = each.forecast
        if found is None:
            unknown = Text(f"? {verdict('unknown')}", "dim")
            table.add_row(Text(name), unknown, Text(clean(each.why)))
            continue
        table.add_row(
            Text(name),
            Text(f"{mark(found)} {verdict(found.verdict)}", _STYLES[found.verdict]),
            Text(used(found)),
            Text(f.size(found.disk)),
            Text(str(found.steps)),
            Text(f.duration(found.run_seconds)),
            Text(each.remedy.words if each.remedy else ""),
        )
    return table


def detail(name: str, made: Estimate) -> Text:
    """Tell one forecast part by part."""
    found, profile = made.forecast, made.profile
    text = Text()
    text.append(f"{name}", "bold").append(f"  {clean(profile.model.repo)}\n")
    if found is None:
        return text.append(f"? {verdict('unknown')}: {clean(made.why)}", "dim")
    text.append(f"{mark(found)} {verdict(found.verdict)}", _STYLES[found.verdict])
    text.append(f"  {used(found)}\n")
    for name, value, about in (*_rows(found), *_probed(made), *_rate(profile, found)):
        text.append(f"  {name:12}", "dim").append(f"{value:>10}").append(f"  {about}\n", "dim")
    if found.pages:
        text.append(f"  {paging(found)}\n", "yellow")
    if made.why:
        text.append(f"  {clean(made.why)}\n", "dim")
    if made.remedy:
        then = made.remedy.forecast
        said = _("{verdict} with {how}").format(
            verdict=verdict(then.verdict), how=made.remedy.words
        )
        text.append(f"  {said}", _STYLES[then.verdict])
        text.append(f"  {used(then)}\n", "dim")
    elif found.verdict == _WILL_NOT:
        text.append("  " + _("none of the settings that save memory makes it fit") + "\n", "red")
    text.rstrip()
    return text


def _rows(found: Forecast) -> list[tuple[str, str, str]]:
    """What it takes, part by part: name, value, what there is to say about it."""
    parts, size = found.parts, f.size
    rows = [
        (_("weights"), size(parts.weights), _("what is there all the time")),
        (_("adapter"), size(parts.adapter), ""),
        (_("optimizer"), size(parts.optimizer), ""),
        (_("activations"), size(parts.activations), _batch(found)),
        (_("logits"), size(parts.logits), ""),
        (_("gradients"), size(parts.other), ""),
        (_("program"), size(found.needed - found.peak), _("Python, MLX, tokenizer")),
        (_("buffers"), size(found.cache), _("kept for reuse on top, where there is room")),
        (_("process"), size(found.process), _("at most, as the system counts it")),
    ]
    if found.precompute:
        about = _("at most, while they are computed once")
        rows.append((_("frozen"), size(found.precompute), about))
    trunk = _("of it {size} for the frozen layers").format(size=size(found.trunk_disk))
    source = _(found.speed_from) or _("not known: --probe measures")
    most = "" if found.known_lengths else _("at most")
    run = [(_("the run"), f.duration(found.run_seconds), most)] if found.run_seconds else []
    return [
        *rows,
        (_("disk"), size(found.disk), trunk),
        *_shared(found),
        (_("steps"), str(found.steps), _("{n} an epoch").format(n=found.per_epoch)),
        (_("a step"), _seconds(found.step_seconds), source),
        *run,
    ]


def _shared(found: Forecast) -> list[tuple[str, str, str]]:
    """What is saved because rows begin alike."""
    about = _("fewer tokens go through the model: what rows begin with alike does so once")
    return [(_("shared"), f.share(found.shared), about)] if found.shared > 0 else []


def _rate(profile: Profile, found: Forecast) -> list[tuple[str, str, str]]:
    train, steps = profile.train, found.steps
    if not steps:
        return []
    about = peak_rate.cap(train, steps) or peak_rate.told(train, steps)
    return [(_("peak rate"), f.rate(highest(train, steps)[0]), about)]


def _probed(made: Estimate) -> list[tuple[str, str, str]]:
    """What the probe's steps took, and how far they lie apart."""
    if made.measured is None:
        return []
    took = made.measured.probed
    about = ngettext(
        "{n} step of the largest micro-batch, after a first of {first}",
        "median of {n} steps of the largest micro-batch, {lowest} to {highest}, after a first of "
        "{first}",
        took.steps,
    ).format(
        n=took.steps,
        lowest=_seconds(took.lowest),
        highest=_seconds(took.highest),
        first=_seconds(took.first_seconds),
    )
    return [(_("the probe"), _seconds(took.seconds), about)]


def _batch(found: Forecast) -> str:
    batch = found.batch
    return _("of {rows} x {width} tokens, {labels} labels: the largest micro-batch").format(
        rows=batch.rows, width=batch.width, labels=batch.labels
    )


def _seconds(value: float | None) -> str:
    if value is None:
        return f.UNKNOWN
    return f"{value:.{3 if value < 1 else 2 if value < 10 else 0}f} s"


def values(made: Estimate) -> dict[str, object]:
    found = made.forecast
    if found is None:
        return {"verdict": "unknown", "why": made.why}
    return {
        "verdict": found.verdict,
        "model": made.profile.model.repo,
        "needed": found.needed,
        "limit": found.limit,
        "peak": found.peak,
        "process": found.process,
        "parts": found.parts,
        "largest_micro_batch": found.batch,
        "precompute": found.precompute,
        "disk": found.disk,
        "trunk_disk": found.trunk_disk,
        "shared": found.shared,
        "steps": found.steps,
        "peak_learning_rate": highest(made.profile.train, found.steps)[0],
        "step_seconds": found.step_seconds,
        "run_seconds": found.run_seconds,
        "speed_from": found.speed_from,
        "probe": _probe_values(made),
        "known_lengths": found.known_lengths,
        "pages": found.pages,
        "why": made.why,
        "remedy": dict(made.remedy.changes) if made.remedy else None,
        "remedy_verdict": made.remedy.forecast.verdict if made.remedy else None,
    }


def _probe_values(made: Estimate) -> dict[str, float] | None:
    if made.measured is None:
        return None
    took = made.measured.probed
    return {
        "steps": took.steps,
        "first_seconds": took.first_seconds,
        "median_seconds": took.seconds,
        "lowest_seconds": took.lowest,
        "highest_seconds": took.highest,
    }
