"""What a run that ended as it should came to: whether its adapter is worth having."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from farense_worker.protocol.language import either, ngettext
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Validation, number

from farense_tui.engine import readable as show
from farense_tui.engine.health.facts import Facts
from farense_tui.engine.health.finding import Found, rule
from farense_tui.engine.record.verdict import verdict

_PATIENCE = 3  # validations


@rule(
    "overfitted",
    _("the run is complete and its last validation is worse than its best one by 4%"),
    _("fewer epochs or early stopping; more rows"),
)
def overfitted(facts: Facts) -> Found | None:
    """The adapter is the best step's; what came after was in vain."""
    came_to = verdict(facts.state)
    best, last = came_to.best, came_to.last
    if facts.status != "completed" or came_to.kind != "overfitted" or not best or not last:
        return None
    n = came_to.steps_in_vain
    return (
        "warning",
        ngettext(
            "complete, but overfitted: the adapter is step {step}'s, {n} more step made it worse",
            "complete, but overfitted: the adapter is step {step}'s, {n} more steps made it worse",
            n,
        ).format(step=best.step, n=n),
        _("validation {best} at step {step}, {last} at the end").format(
            best=show.loss(best.loss), step=best.step, last=show.loss(last.loss)
        ),
        _next_time(facts, best.step, came_to.epochs_needed),
    )


def _next_time(facts: Facts, best: int, epochs: int) -> str:
    """Say what would have ended it sooner, of epochs and patience only what would have."""
    told, later = [], sum(each.step > best for each in facts.state.validations)
    if epochs < round(facts.state.epoch):
        told.append(f"train.epochs {epochs}")
    waited = _longest_wait(facts.state.validations, best)
    if later - 1 > waited:  # the last one ends it anyway; a shorter patience, before the best
        told.append(f"train.early_stopping {min(max(_PATIENCE, waited + 1), later - 1)}")
    most = _("More rows help most.")
    if not told:
        return most
    said = _("Next time with {settings}, it ends sooner.").format(settings=either(told))
    return f"{said} {most}"


def _longest_wait(validations: Iterable[Validation], best: int) -> int:
    """Count the validations in a row, at most, that found nothing better, before the best one."""
    lowest, since, longest = inf, 0, 0
    for each in validations:
        if 0 < each.step < best:
            loss = number(each.loss)
            since = 0 if loss < lowest or lowest == inf else since + 1
            lowest, longest = min(lowest, loss), max(longest, since)
    return longest


@rule(
    "diverged",
    _("the same, and its training loss is 1.3 times what it was at the best one"),
    _("half the learning rate"),
)
def diverged(facts: Facts) -> Found | None:
    """It was no overfitting: the steps were too large."""
    came_to = verdict(facts.state)
    best, last = came_to.best, came_to.last
    if facts.status != "completed" or came_to.kind != "diverged" or not best or not last:
        return None
    rate = facts.config.train.learning_rate / 2 if facts.config else None
    return (
        "warning",
        ngettext(
            "complete, but the loss rose again: the adapter is step {step}'s, {n} more step made "
            "it worse",
            "complete, but the loss rose again: the adapter is step {step}'s, {n} more steps made "
            "it worse",
            came_to.steps_in_vain,
        ).format(step=best.step, n=came_to.steps_in_vain),
        _(
            "validation {best} at step {step}, {last} at the end, and the training loss rose, too"
        ).format(best=show.loss(best.loss), step=best.step, last=show.loss(last.loss)),
        _("Next time with half the rate: train.learning_rate {rate}.").format(
            rate="" if rate is None else f"{rate:g}"
        ),
    )


@rule(
    "not-learnt",
    _("the run is complete and no validation is better than that of the model as it came"),
    _("the data first, then the rate"),
)
def not_learnt(facts: Facts) -> Found | None:
    """There is an adapter, and it is no good."""
    came_to = verdict(facts.state)
    if facts.status != "completed" or came_to.kind != "unlearnt":
        return None
    first, best = came_to.first, came_to.best
    return (
        "warning",
        _("complete, but it has learnt nothing: the model was better without it"),
        _("validation {first} before the first step, {best} at best").format(
            first=show.loss(first.loss if first else None),
            best=show.loss(best.loss if best else None),
        ),
        _("Look at the data first (farense-tui data check), then try another rate."),
    )


RULES = (overfitted, diverged, not_learnt)
