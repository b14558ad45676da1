"""Whether it learns: rules over the curves. Each looks at means of many steps, not at one."""

from __future__ import annotations

from math import inf, isfinite, sqrt
from statistics import fmean, stdev

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import number
from farense_worker.protocol.plan.learning_rate import warmup

from farense_tui.engine import readable as show
from farense_tui.engine.health.facts import Facts
from farense_tui.engine.health.finding import Found, rule
from farense_tui.engine.health.remedies import STOP, back_with_half_rate, halve_rate
from farense_tui.engine.record.series import Column
from farense_tui.engine.record.verdict import is_worse

HUGE = 1000.0
_WINDOW = 20  # steps
_RISE, _RISE_AT_LEAST = 1.5, 0.25  # times and nats above the lowest mean
_LONG = 50
_PATIENCE = 200  # steps after the warm-up in which a loss should fall
_COLUMNS = 40


def mean_of(facts: Facts, start: float, end: float = inf) -> float | None:
    """Mean of the finite losses from `start` to `end`; None if there are none."""
    columns = facts.state.loss.columns(1, start, end)
    return columns[0].mean if columns else None


def means(facts: Facts, start: float = 1, end: float = inf, parts: int = _COLUMNS) -> list[Column]:
    """Means of the loss in columns of at least a window, at most `parts` of them."""
    steps = min(end, facts.state.step) - start + 1
    return facts.state.loss.columns(max(1, min(parts, int(steps) // _WINDOW)), start, end)


@rule(
    "not-finite",
    _(
        "a loss or a gradient is NaN or infinite, the worker has rolled back for it, "
        "or ended for it"
    ),
    _("half the learning rate"),
)
def not_finite(facts: Facts) -> Found | None:
    """The worker never lets NaN into the weights; the cause is still there."""
    state = facts.state
    if state.failure is not None:
        return None  # told with the end
    rolled = [n for n in state.notices if n.code == "rollback" and n.seq >= state.worker_seq]
    where = state.loss.not_finite(max(facts.from_step, state.step - 100))
    where = where or state.grad_norm.not_finite(max(facts.from_step, state.step - 100))
    if rolled and facts.steps_here < 100:
        evidence = rolled[-1].message
    elif where:
        evidence = _("{n} of the newest 100 steps, the newest step {step:.0f}").format(
            n=len(where), step=where[-1]
        )
    elif state.validations and not isfinite(number(state.validations[-1].loss)):
        evidence = _("the validation at step {step}").format(step=state.validations[-1].step)
    else:
        return None
    return (
        "alarm",
        _("the loss is not a finite number"),
        evidence,
        _("The learning rate is too high for this data, or a row is broken."),
        halve_rate(facts.config, state),
    )


@rule(
    "huge-loss",
    _("the newest loss is above {huge:.0f}").format(huge=HUGE),
    _("back to the best checkpoint with half the learning rate"),
)
def huge_loss(facts: Facts) -> Found | None:
    """No cross-entropy of a language model is: it is log(vocabulary), about 12, at the worst."""
    last = facts.state.last_step
    if last is None or last.loss is None or last.loss <= HUGE:
        return None
    return (
        "alarm",
        _("the loss is beyond all bounds"),
        _("{loss} at step {step}; guessing gives about 12").format(
            loss=show.loss(last.loss), step=last.step
        ),
        _("The weights are spoilt since the loss rose. The learning rate is too high."),
        back_with_half_rate(facts.config, facts.state),
    )


def _lowest(facts: Facts, now: float) -> Column:
    """Find the lowest mean: of this worker, or of the run unless the loss is coming down again.

    It comes down if it is at `now` below what it was in the quarter before this one.
    """
    here = facts.from_step + 1
    columns = means(facts, here)
    if facts.from_step >= _WINDOW and now > means(facts, here, parts=4)[-2:][0].mean:
        columns += means(facts, end=facts.from_step)
    return min(columns, key=lambda column: column.mean)


@rule(
    "diverging",
    _(
        "the mean loss of the newest {steps} steps is {times} times the lowest mean, by {least} "
        "and by four standard errors; after a resume it must not be coming down again"
    ).format(steps=_WINDOW, times=_RISE, least=_RISE_AT_LEAST),
    _("back to the best checkpoint with half the learning rate"),
)
def diverging(facts: Facts) -> Found | None:
    """Against the lowest mean of a column; there are as many columns however long the run is."""
    state = facts.state
    recent = [value for value in state.loss.tail(_WINDOW) if isfinite(value)]
    soon = state.step < 3 * _WINDOW or facts.steps_here < 2 * _WINDOW
    if soon or len(recent) < _WINDOW or recent[-1] > HUGE:
        return None
    now, error = fmean(recent), stdev(recent) / sqrt(len(recent))
    lowest = _lowest(facts, now + 2 * error)
    rise = now - lowest.mean
    if rise < max((_RISE - 1) * lowest.mean, _RISE_AT_LEAST, 4 * error):
        return None
    return (
        "alarm",
        _("the loss is diverging"),
        _("{now:.2f} over the newest {steps} steps, {lowest:.2f} around step {step:.0f}").format(
            now=now, steps=_WINDOW, lowest=lowest.mean, step=lowest.step
        ),
        _("The learning rate is too high."),
        back_with_half_rate(facts.config, facts.state),
    )


@rule(
    "not-learning",
    _(
        "{patience} steps after the warm-up the mean loss of {steps} steps is not below that of "
        "the first {steps} by 2%, nor by two standard errors; or all gradients are zero"
    ).format(patience=_PATIENCE, steps=_LONG),
    _("a higher rate, other data; `data check`"),
)
def not_learning(facts: Facts) -> Found | None:
    """Not of an adapter that was trained before, which begins where a curve is flat."""
    state, config = facts.state, facts.config
    norms = state.grad_norm.tail(10)
    if len(norms) == 10 and not any(norms):
        evidence = _("all gradients of the newest 10 steps are zero")
        advice = _("Nothing is trained: look at lora.keys and lora.num_layers, and run data check.")
        return "alarm", _("it does not learn"), evidence, advice
    warm = warmup(config.train, state.total_steps) if config else 100
    if state.step < warm + _PATIENCE or (config and config.model.adapter):
        return None
    first = mean_of(facts, -inf, _LONG)
    newest = [value for value in state.loss.tail(_LONG) if isfinite(value)]
    if first is None or len(newest) < _LONG:
        return None
    now, error = fmean(newest), stdev(newest) / sqrt(_LONG) * sqrt(2)
    columns = state.loss.columns(min(_COLUMNS, state.step // _LONG))
    lowest = min(column.mean for column in columns)
    learnt = min(now, lowest) < 0.9 * first or first - now > max(0.02 * first, 2 * error)
    if learnt or now > 1.3 * first:  # the latter is for `diverging` to tell
        return None
    return (
        "warning",
        _("it does not learn"),
        _(
            "loss {now:.3f} over the newest {steps} steps, {first:.3f} over the first {steps}"
        ).format(now=now, first=first, steps=_LONG),
        _("The rate may be too low, or the labels wrong: farense-tui data check shows them."),
    )


@rule(
    "overfitting",
    _(
        "two validations in a row are above the best one, the newest by 4%, while the training "
        "loss has gone on falling"
    ),
    _("stop: the best adapter is kept"),
)
def overfitting(facts: Facts) -> Found | None:
    """It learns the rows by heart and forgets what is common to them."""
    state, best = facts.state, facts.state.best
    if best is None or best.loss is None:
        return None
    later = [number(v.loss) for v in state.validations if v.step > best.step]
    if len(later) < 2 or min(later[-2:]) <= best.loss or not is_worse(later[-1], best.loss):
        return None
    span = max(_WINDOW, min(100, (state.step - best.step) // 2))
    then = mean_of(facts, best.step - span, best.step)
    now = mean_of(facts, state.step - span)
    if then is None or now is None or now > 0.99 * then:
        return None
    return (
        "warning",
        _("it is overfitting"),
        _(
            "validation {best:.3f} at step {step}, {later:.3f} now; "
            "training {then:.3f}, {now:.3f} now"
        ).format(best=best.loss, step=best.step, later=later[-1], then=then, now=now),
        _(
            "The adapter of step {step} is kept as the best one. Going on makes it no better."
        ).format(step=best.step),
        STOP,
    )


RULES = (not_finite, huge_loss, diverging, not_learning, overfitting)
