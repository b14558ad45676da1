"""What the settings of a run come to otherwise than one would think, told before its first step."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.events import Notice
from farense_worker.protocol.plan import cadence, learning_rate
from farense_worker.protocol.settings.profile import Config, Train


def of(config: Config, total_steps: int, *, validates: bool) -> list[Notice]:
    """Say it of a run of so many steps. validates: whether it has a validation set."""
    found = (_warmup(config.train, total_steps), _patience(config, total_steps, validates))
    return [each for each in found if each]


def _patience(config: Config, total_steps: int, validates: bool) -> Notice | None:
    """Say it where train.early_stopping ends no run however its validations turn out.

    The first one is the best so far; after the last one the run is complete anyway.
    """
    patience = config.train.early_stopping
    if not patience:
        return None
    if not validates:
        return Notice(
            level="warning",
            code="no_early_stopping",
            message=_("train.early_stopping does nothing: there is no validation set"),
        )
    validations = cadence.validations(config.report, total_steps) - 1  # none is of the bare model
    if patience + 1 < validations:
        return None
    return Notice(
        level="warning",
        code="no_early_stopping",
        message=ngettext(
            "train.early_stopping = {patience} does nothing: the run validates {n} time",
            "train.early_stopping = {patience} does nothing: the run validates {n} times",
            validations,
        ).format(patience=patience, n=validations),
        hint=_("Lower it, or validate more often: report.eval_every, report.eval_at_least."),
    )


def _warmup(settings: Train, total_steps: int) -> Notice | None:
    """Say it where the run is too short for its warm-up."""
    if learning_rate.is_capped(settings, total_steps):
        message = ngettext(
            "the rate grows for {steps} of {total} step, not for train.warmup_steps = {wanted}: "
            "train.warmup_cap is {cap:g} of the run",
            "the rate grows for {steps} of {total} steps, not for train.warmup_steps = {wanted}: "
            "train.warmup_cap is {cap:g} of the run",
            total_steps,
        ).format(
            steps=learning_rate.warmup(settings, total_steps),
            total=total_steps,
            wanted=settings.warmup_steps,
            cap=settings.warmup_cap,
        )
        return Notice(level="info", code="warmup_capped", message=message)
    if settings.warmup_steps <= total_steps:
        return None
    rate, _step = learning_rate.highest(settings, total_steps)
    return Notice(
        level="warning",
        code="warmup_too_long",
        message=_(
            "the run ends before its warm-up: the rate comes to {rate:.2e} of {wanted:.2e}"
        ).format(rate=rate, wanted=settings.learning_rate),
        hint=_("Lower train.warmup_steps, or set train.warmup_cap."),
    )
