"""Which curves a report shows, out of a run's state: for the page and for the pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from farense_worker.protocol.language import gettext as _

from farense_tui.engine import readable as f
from farense_tui.engine.record.series import Series
from farense_tui.engine.record.setting_changes import CHANGED, resumes
from farense_tui.engine.record.smooth import smoothed, window_for
from farense_tui.engine.record.state import RunState
from farense_tui.report.svg import Curve, Mark, Point

_COLUMNS = 600
_MIB = (1 << 20, "MiB")


@dataclass(frozen=True)
class Graph:
    """A chart: its name, its axes, and what is on it. over_steps: x counts steps, not time."""

    title: str
    x_label: str
    curves: tuple[Curve, ...]
    show: Callable[[float], str]
    marks: tuple[Mark, ...] = ()
    from_zero: bool = False
    limit: float | None = None
    over_steps: bool = True


def loss(state: RunState) -> Graph:
    """Training loss, as it was and smoothed; validation loss; the best; where it was resumed."""
    validated = [(x, y) for x, y in state.validation_loss if y == y]
    marks = resumed(state)
    if state.best is not None and state.best.loss is not None:
        best = state.best
        said = _("best {loss} at step {step}").format(loss=f.loss(best.loss), step=best.step)
        marks = (*marks, Mark(best.step, best.loss, said))
    return Graph(
        _("Loss"),
        _("step"),
        (
            Curve(raw(state.loss), "raw"),
            Curve(smooth(state.loss), "train"),
            Curve(validated, "valid"),
            Curve(validated, "valid-dot", dots=True, tip=_("validation")),
        ),
        lambda value: f"{value:.3g}",
        marks,
    )


def learning_rate(state: RunState) -> Graph:
    """The rate of each update."""
    return Graph(
        _("Learning rate"),
        _("step"),
        (Curve(raw(state.learning_rate), "train"),),
        lambda value: f"{value:.3g}",
        resumed(state),
        from_zero=True,
    )


def grad_norm(state: RunState) -> Graph:
    """L2 norm of the gradient."""
    curves = (Curve(raw(state.grad_norm), "raw"), Curve(smooth(state.grad_norm), "train"))
    return Graph(
        _("Gradient norm"), _("step"), curves, lambda value: f"{value:.3g}", resumed(state), True
    )


def speed(state: RunState) -> Graph:
    """Tokens a second."""
    series = state.tokens_per_second
    curves = (Curve(raw(series), "raw"), Curve(smooth(series), "train"))
    return Graph(_("Tokens a second"), _("step"), curves, f.count, resumed(state), True)


def memory(state: RunState) -> Graph:
    """Memory of the worker's process over the time since the first event."""
    unit, name = _time_unit(state.last_time - state.first_time)
    size, sized = (1 << 30, "GiB") if max(state.memory.tail(1), default=0) >= 1 << 30 else _MIB
    points = [((x - state.first_time) / unit, y / size) for x, y in raw(state.memory)]
    limit = state.started.memory_limit if state.started else 0
    return Graph(
        _("Memory of the worker, {unit}").format(unit=sized),
        name,
        (Curve(points, "train"),),
        lambda value: f"{value:g}",
        from_zero=True,
        limit=limit / size if limit else None,
        over_steps=False,
    )


def resumed(state: RunState) -> tuple[Mark, ...]:
    """Where another worker went on, and with what other settings."""
    return tuple(
        Mark(each.step, None, CHANGED if each.changed else each.title, each.words)
        for each in resumes(state.segments, state.rollbacks)
    )


def raw(series: Series) -> list[Point]:
    """All points, or the extremes of as many columns as a page has room for."""
    if len(series) <= 2 * _COLUMNS:
        return [(x, y) for x, y in series if y == y]
    return [
        (column.step, y)
        for column in series.columns(_COLUMNS)
        for y in ((column.low,) if column.low == column.high else (column.low, column.high))
    ]


def smooth(series: Series) -> list[Point]:
    """The median line of the monitor's chart."""
    return smoothed(series.columns(_COLUMNS), window_for(len(series)))


def _time_unit(seconds: float) -> tuple[float, str]:
    if seconds < 300:
        return 1.0, _("seconds")
    return (60.0, _("minutes")) if seconds < 3 * 3600 else (3600.0, _("hours"))
