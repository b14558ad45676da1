"""What a chart can show of a run: loss, perplexity, rate, gradient norm, speed, memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import exp

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark
from farense_worker.protocol.messages.events import number
from farense_worker.protocol.plan.memory import GIB

from farense_tui.engine import readable as show
from farense_tui.engine.record import setting_changes
from farense_tui.engine.record.series import Series
from farense_tui.engine.record.setting_changes import Resume
from farense_tui.engine.record.state import RunState
from farense_tui.ui.charts import chart_scale as scale

Mark = tuple[float, float]
Reading = tuple[tuple[str, str], ...]  # label and value, the most telling first
_MOST = 700.0  # exp() of more is no number


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a chart. `sign` stands on it, so that lines are told apart without colour."""

    name: str
    series: Series
    ink: str = "line"
    sign: str = ""
    marks: tuple[Mark, ...] = ()
    best: Mark | None = None


@dataclass(frozen=True, eq=False)
class ChartData:
    """What a chart shows. The horizontal axis is steps, or seconds since `offset`."""

    title: str
    curves: tuple[Curve, ...]
    reach: float
    empty: str
    read: Callable[[float], Reading]
    convert: Callable[[float], float] = float
    resumes: tuple[Resume, ...] = ()
    offset: float = 0.0
    by_time: bool = False
    cuts_outliers: bool = False  # a few values that would flatten the rest

    @property
    def smooth(self) -> bool:
        """Whether medians are drawn: values that jitter about a course, not amounts."""
        return not self.by_time


def _perplexity(loss: float) -> float:
    return exp(min(loss, _MOST))


def _gib(size: float) -> float:
    return size / GIB


SUBJECTS = (
    mark("loss"),
    mark("perplexity"),
    mark("learning rate"),
    mark("tokens a second"),
    mark("gradient norm"),
    mark("memory"),
)


SIGNS = "abcdef"  # one for each run of a comparison


def compared(runs: Sequence[tuple[str, RunState]], subject: str, inks: Sequence[str]) -> ChartData:
    """Overlay the same of several runs, given by name; each has a sign and an ink of its own."""
    single = [of(state, subject) for _name, state in runs]
    curves = tuple(
        replace(data.curves[0], name=name, sign=sign, ink=ink)
        for data, (name, _state), sign, ink in zip(single, runs, SIGNS, inks, strict=False)
    )

    def read(step: float) -> Reading:
        near = [curve.series.near(step) for curve in curves]
        values = [
            (curve.sign, f"{single[0].convert(at[1]):.4g}")
            for curve, at in zip(curves, near, strict=True)
            if at and abs(at[0] - step) < 1  # a run that ended before says nothing here
        ]
        return ((_("step"), f"{step:.0f}"), *values)

    return replace(
        single[0],
        curves=curves,
        reach=max(data.reach for data in single),
        read=read,
        resumes=(),
    )


def of(state: RunState, subject: str = "loss") -> ChartData:
    """Take one of SUBJECTS from the state of a run."""
    if subject == "memory":
        return _memory(state)
    single = {
        "learning rate": state.learning_rate,  # not translated: a key
        "tokens a second": state.tokens_per_second,  # not translated: a key
        "gradient norm": state.grad_norm,  # not translated: a key
    }
    curve = Curve("", single[subject]) if subject in single else loss_curve(state)
    return ChartData(
        title=_(subject),
        curves=(curve,),
        reach=scale.reach(curve.series.last_step or 0.0, state.total_steps, state.ended),
        empty=_("the {subject} comes with the first step").format(subject=_(subject)),
        read=partial(reading, state, subject),
        convert=_perplexity if subject == "perplexity" else float,
        resumes=setting_changes.resumes(state.segments, state.rollbacks),
        # not translated: a key; and a plan, which is not measured
        cuts_outliers=subject != "learning rate",
    )


def loss_curve(state: RunState, name: str = "", ink: str = "line", sign: str = "") -> Curve:
    best = state.best
    return Curve(
        name=name,
        series=state.loss,
        ink=ink,
        sign=sign,
        marks=tuple((v.step, number(v.loss)) for v in state.validations),
        best=(best.step, number(best.loss)) if best else None,
    )


def reading(state: RunState, subject: str, step: float) -> Reading:
    """What the record says of a step: loss, rate, speed, epoch."""

    def at(series: Series) -> float | None:
        near = series.near(step)
        return near[1] if near else None

    loss = at(state.loss)
    found = [(_("step"), f"{step:.0f}"), (_("loss"), show.loss(loss))]
    if subject == "perplexity" and loss is not None:
        found.append((_("perplexity"), show.perplexity(_perplexity(loss))))
    norm = at(state.grad_norm)
    found += [
        (_("lr"), show.rate(at(state.learning_rate))),
        (_("tok/s"), show.speed(at(state.tokens_per_second))),
        (_("epoch"), show.epochs(state.epoch * step / state.step) if state.step else show.UNKNOWN),
        (_("grad"), show.UNKNOWN if norm is None else f"{norm:.3g}"),
    ]
    return tuple(found)


def _memory(state: RunState) -> ChartData:
    first = state.memory.columns(1)
    offset = state.first_time if first else 0.0
    curves = (
        Curve(_("process"), state.memory, "line", "p"),
        Curve(_("MLX active"), state.active_memory, "validation", "a"),
        Curve(_("MLX cache"), state.cache_memory, "raw", "c"),
    )

    def read(seconds: float) -> Reading:
        found = [(_("after"), show.duration(seconds))]
        for curve in curves:
            near = curve.series.near(seconds + offset)
            found.append((curve.name, show.size(near[1]) if near else show.UNKNOWN))
        return tuple(found)

    last = state.memory.last_step or offset
    return ChartData(
        title=_("memory, GiB"),
        curves=curves,
        reach=max(1.0, last - offset),
        empty=_("the memory comes with the first sign of life"),
        read=read,
        convert=_gib,
        offset=offset,
        by_time=True,
    )
