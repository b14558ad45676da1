"""report.html: one page with everything in it, to be sent to a colleague.

The template escapes whatever is put into it; text of data and models is cleaned as well, so that
no character turns the direction of reading or hides.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from farense_worker.protocol import language
from farense_worker.protocol.clean_text import clean, clean_lines, written_lines
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.evaluation import Report
from farense_worker.protocol.settings.fields import CONFIG_SETTINGS
from farense_worker.protocol.settings.profile import Config
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from farense_tui import __version__
from farense_tui.engine import readable as f
from farense_tui.engine import status_words
from farense_tui.engine.models.named import data_name, model_name
from farense_tui.engine.record import verdict
from farense_tui.engine.record.setting_changes import CHANGED, resumes
from farense_tui.engine.record.smooth import window_for
from farense_tui.engine.record.state import RunState
from farense_tui.engine.tasks import evaluation
from farense_tui.report import curves
from farense_tui.report.curves import Graph
from farense_tui.report.svg import chart

_MOST_ANSWERS = 12
_MOST_EXAMPLES = 3
_LEVELS = {
    "info": ("", "·", _("info")),
    "warning": ("warn", "▲", _("warning")),
    "error": ("bad", "✗", _("error")),
}


def page(
    name: str,
    config: Config | None,
    state: RunState,
    status: str,
    measured: Report | None = None,
    stale: bool = False,
) -> str:
    """Write the page. stale: the adapter is newer than what was measured of it."""
    environment = Environment(
        loader=PackageLoader("farense_tui.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.globals["_"] = _
    sign, word, tone = status_words.how(verdict.named(status, state))
    return environment.get_template("page.html.j2").render(
        language=language.spoken(),
        name=clean(name),
        status={"word": word, "tone": tone, "sign": sign},
        lead=_lead(config, state),
        when=_when(state),
        tiles=_tiles(state),
        failure=_failure(state),
        loss=_svg(curves.loss(state), width=920, height=340) if len(state.loss) else "",
        loss_slim=_svg(curves.loss(state), width=420, height=280) if len(state.loss) else "",
        changed=_changed(state),
        window=window_for(len(state.loss)),
        validated=bool(state.validations),
        graphs=[
            {"title": graph.title, "svg": svg}
            for graph in (
                curves.learning_rate(state),
                curves.memory(state),
                curves.grad_norm(state),
                curves.speed(state),
            )
            if (svg := _svg(graph, width=480, height=220))
        ],
        evaluation=_evaluation(name, measured, stale) if measured else None,
        prompts=_prompts(state),
        notices=[_notice(each) for each in state.notices],
        environment=_environment(state),
        checkpoints=_checkpoints(state),
        sections=_sections(config),
        version=__version__,
        written=_clock(time.time()),
        last_seq=state.last_seq,
    )


def _svg(graph: Graph, width: int, height: int) -> Markup:
    return Markup(  # made of numbers and escaped words (report/svg.py)
        chart(
            graph.curves,
            title=graph.title,
            x_label=graph.x_label,
            show=graph.show,
            width=width,
            height=height,
            marks=graph.marks,
            from_zero=graph.from_zero,
            limit=graph.limit,
        )
    )


def _lead(config: Config | None, state: RunState) -> str:
    if config is None:
        return _("config.toml cannot be read")
    kind = {"lora": "LoRA", "dora": "DoRA", "full": _("all weights")}[config.train.fine_tune_type]
    text = _("{model} fine-tuned ({kind}) on {data}")
    if state.started:
        text = _("{model} fine-tuned ({kind}) on {data}, {examples}")
    return clean(
        text.format(
            model=model_name(config.model.repo),
            kind=kind,
            data=data_name(config.data.path),
            examples=f.examples(state.started.train_examples) if state.started else "",
        )
    )


def _short(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] if path.startswith("/") else path


def _when(state: RunState) -> str:
    if not state.first_time:
        return _("not started")
    text = _("{when}, {time} in all")
    if state.workers > 1:
        text = _("{when}, {time} in all, in {n} pieces")
    return text.format(
        when=_clock(state.first_time), time=f.duration(state.elapsed), n=state.workers
    )


def _changed(state: RunState) -> list[str]:
    told = _("{sign} resumed after step {step} with {changes}")
    return [
        told.format(sign=CHANGED, step=each.step, changes=each.words)
        for each in resumes(state.segments)
        if each.changed
    ]


def _tiles(state: RunState) -> list[dict[str, str]]:
    best = state.best
    tiles = [
        (f.loss(best.loss if best else None), _("best validation loss")),
        (
            f.perplexity(best.perplexity if best else None),
            _("perplexity there"),
        ),
        (f.loss(state.loss.last), _("training loss, last step")),
        (
            str(state.step),
            ngettext(
                "step of {total}, {epochs} epochs", "steps of {total}, {epochs} epochs", state.step
            ).format(total=state.total_steps or "?", epochs=f.epochs(state.epoch)),
        ),
        (f.duration(state.active_seconds), _("computing steps")),
        (f.count(state.tokens), _("tokens trained on")),
        (f.speed(state.usual_speed), _("tokens a second")),
        (f.size(state.highest_peak or None), _("peak memory of MLX")),
    ]
    return [{"value": value, "what": what} for value, what in tiles]


def _failure(state: RunState) -> dict[str, str] | None:
    if state.failure is None:
        return None
    failure = state.failure
    detail = "\n".join(clean_lines(failure.detail))
    return {"title": clean(failure.title), "detail": detail, "hint": clean(failure.hint)}


def _evaluation(name: str, report: Report, stale: bool) -> dict[str, Any]:
    own = report.scores[-1]
    found = evaluation.differences(report, own)
    better = [each for each in found if each.chrf > 0]
    worse = [each for each in reversed(found) if each.chrf < 0]
    nearer = ngettext(
        "Nearer to the reference than the base model in {n} row",
        "Nearer to the reference than the base model in {n} rows",
        len(better),
    )
    farther = ngettext(
        "Farther from it than the base model in {n} row",
        "Farther from it than the base model in {n} rows",
        len(worse),
    )
    groups = [
        {
            "title": title.format(n=len(rows)),
            "examples": [_example(each) for each in rows[:_MOST_EXAMPLES]],
        }
        for title, rows in ((nearer, better), (farther, worse))
        if rows
    ]
    return {
        "split": report.split,
        "rows": ngettext(
            "{n} row that was not trained on, greedy answers.",
            "{n} rows that were not trained on, greedy answers.",
            report.measured,
        ).format(n=report.measured),
        "stale": _("The adapter has changed since it was measured.") if stale else "",
        "heads": [_("loss"), _("perplexity"), _("exact match"), _("token F1"), "chrF"],
        "scores": [
            {
                "name": clean(each.name or _("base model")),
                "figures": evaluation.figures(each, report.questions),
            }
            for each in report.scores
        ],
        "groups": groups,
    }


def _example(each: evaluation.Difference) -> dict[str, str]:
    return {
        "question": clean(each.row.question),
        "reference": clean(each.row.reference),
        "before": clean(each.before),
        "after": clean(each.after),
    }


def _prompts(state: RunState) -> list[dict[str, Any]]:
    """Group the samples by what was asked: the first answer, and the newest ones."""
    found: dict[str, list[dict[str, Any]]] = {}
    for sample in state.samples:
        text = "\n".join(written_lines(sample.text))
        found.setdefault(sample.prompt, []).append({"step": sample.step, "text": text})
    prompts = []
    for prompt, answers in found.items():
        shown = answers
        if len(answers) > _MOST_ANSWERS:
            shown = [answers[0], *answers[-_MOST_ANSWERS + 1 :]]
        left_out = len(answers) - len(shown)
        prompts.append({"text": clean(prompt), "answers": shown, "left_out": left_out})
    return prompts


def _notice(notice: Any) -> dict[str, str]:
    tone, sign, word = _LEVELS[notice.level]
    return {
        "tone": tone,
        "sign": sign,
        "level": word,
        "message": clean(notice.message),
        "hint": clean(notice.hint),
        "when": _clock(notice.time),
    }


def _environment(state: RunState) -> Iterable[tuple[str, str]]:
    started = state.started
    if started is None:
        return [(_("worker"), _("it did not get as far as training"))]
    trained = _("{trained} trained of {total}").format(
        trained=f.count(started.trainable_parameters), total=f.count(started.total_parameters)
    )
    examples = _("{train} to train, {valid} to validate").format(
        train=started.train_examples, valid=started.valid_examples
    )
    facts = [
        (_("device"), clean(started.device)),
        *((name, clean(version)) for name, version in started.versions.items()),
        (_("memory limit"), f.size(started.memory_limit or None)),
        (_("model weights"), f.size(started.weights_bytes)),
        (_("parameters"), trained),
        (_("examples"), examples),
    ]
    if started.ranks > 1:
        facts.append((_("ranks"), str(started.ranks)))
    return facts


def _checkpoints(state: RunState) -> list[dict[str, Any]]:
    return [
        {
            "step": each.step,
            "path": clean(each.path),
            "size": f.size(each.bytes),
            "word": _("best so far") if each.best else "",
        }
        for each in state.checkpoints
    ]


def _sections(config: Config | None) -> list[dict[str, Any]]:
    if config is None:
        return []
    sections = []
    for section, settings in CONFIG_SETTINGS.items():
        if section == "profile":
            continue
        values = getattr(config, section)
        defaults = dict(
            zip(values.__struct_fields__[::-1], values.__struct_defaults__[::-1], strict=False)
        )
        sections.append(
            {
                "name": section,
                "settings": [
                    {
                        "key": key,
                        "value": _value(key, value := getattr(values, key)),
                        "changed": section != "run" and _differs(value, defaults.get(key)),
                    }
                    for key in settings
                ],
            }
        )
    return sections


def _differs(value: Any, default: Any) -> bool:
    """Compare; the order of a list, such as lora.keys, makes no difference."""
    return sorted(value) != sorted(default) if isinstance(value, tuple) else value != default


def _value(key: str, value: Any) -> str:
    if key == "created":
        return _clock(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return clean(", ".join(map(str, value))) or f.UNKNOWN
    return clean(f"{value:g}" if isinstance(value, float) else str(value)) or f.UNKNOWN


def _clock(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
