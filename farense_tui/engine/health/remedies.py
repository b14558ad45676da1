"""Remedies that are a change of settings: each keeps the effective batch, and so the curve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Config

from farense_tui.engine.health.finding import Action
from farense_tui.engine.record import setting_changes
from farense_tui.engine.record.state import RunState


def halve_rate(config: Config | None, state: RunState) -> Action | None:
    """Half the learning rate that rollbacks have left, and half of where it ends."""
    if config is None:
        return None
    train = config.train
    left = setting_changes.rate_factor(state.segments, state.rollbacks)
    rate = float(f"{train.learning_rate * left / 2:.3g}")
    changes: list[tuple[str, float]] = [("train.learning_rate", rate)]
    if train.final_learning_rate > rate:
        changes.append(("train.final_learning_rate", rate))
    return _change(_("with half the learning rate, {rate:.3g}").format(rate=rate), tuple(changes))


def back_with_half_rate(config: Config | None, state: RunState) -> Action | None:
    """Half the rate, from the best validation's checkpoint, which is kept whatever comes after."""
    half, best = halve_rate(config, state), state.best
    if half is None or best is None or all(c.step != best.step for c in state.checkpoints):
        return half
    label = _("go back to step {step} and on {how}").format(step=best.step, how=half.how)
    return replace(half, label=label, back_to=best.step)


def smaller_steps(config: Config | None, state: RunState, *, alone: bool = False) -> Action | None:
    """Half of what goes through at once; where that is one example, activations computed again.

    train.batch_size is only the most: the plan, and a run that was short of memory, take less.
    alone: every example goes through by itself, whatever the batch. None where nothing is left.
    """
    if config is None:
        return None
    batch, effective = config.train.batch_size, config.effective_batch
    rows = 1.0 if alone else min(float(batch), _rows_at_once(config, state))
    if rows > 1 or (batch > 1 and config.train.grad_checkpoint and not alone):
        size = next(n for n in range(max(1, int(rows / 2)), 0, -1) if effective % n == 0)
        changes = (("train.batch_size", size), ("train.grad_accumulation", effective // size))
        how = _("with micro-batches of {size} instead of {batch}").format(size=size, batch=batch)
        return _change(how, changes)
    if not config.train.grad_checkpoint:
        return _change(_("with train.grad_checkpoint on"), (("train.grad_checkpoint", True),))
    return None


def takes_less(change: Action | None) -> str:
    """Say what takes less memory: what `smaller_steps` found, or a run of its own."""
    if change is None:
        return _(
            "Nothing that a resume may change takes less: a new run does, with a smaller "
            "train.max_seq_length or fewer lora.num_layers."
        )
    return _("It takes less {how}.").format(how=change.how)


def _rows_at_once(config: Config, state: RunState) -> float:
    """How many rows of the greatest length are as large as what went through at once of late."""
    if state.last_step and state.last_step.padded_tokens:  # of old records not known
        tokens = state.last_step.padded_tokens / max(1, state.last_step.micro_batches)
        return tokens / config.train.max_seq_length
    planned_less = any(notice.code == "budget" for notice in state.notices)
    return min(2, config.train.batch_size) if planned_less else config.train.batch_size


def _change(how: str, changes: tuple[tuple[str, Any], ...]) -> Action:
    return Action("change", _("go on {how}").format(how=how), changes, how=how)


STOP = Action("stop", _("stop it with a checkpoint"))
KILL = Action("kill", _("kill it; a resume goes on from the newest checkpoint"))
RESUME = Action("resume", _("go on from the newest checkpoint"))
STACKS = Action("stacks", _("write the stacks of all its threads to the log"))
