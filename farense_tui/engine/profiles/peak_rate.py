"""The highest learning rate of a run that is planned, in words."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.plan.learning_rate import highest, is_capped, warmup
from farense_worker.protocol.settings.profile import Train

from farense_tui.engine import readable as f


def is_reached(train: Train, steps: int) -> bool:
    """Whether the warm-up is over before the run is."""
    return warmup(train, steps) <= steps


def told(train: Train, steps: int) -> str:
    """Say which rate is reached, and when: `0.0002 from step 3`."""
    rate, step = highest(train, steps)
    if not is_reached(train, steps):
        said = _("{rate} of {wanted} at most: the warm-up takes {warmup} steps")
        return said.format(
            rate=f.rate(rate), wanted=f.rate(train.learning_rate), warmup=train.warmup_steps
        )
    return _("{rate} from step {step}").format(rate=f.rate(rate), step=step)


def cap(train: Train, steps: int) -> str:
    """Say that the warm-up is shorter than its setting; empty where it is not."""
    if not is_capped(train, steps):
        return ""
    said = _("warm-up of {steps} in place of {wanted} (train.warmup_cap {cap:g})")
    least, wanted = f.steps(warmup(train, steps)), train.warmup_steps
    return said.format(steps=least, wanted=wanted, cap=train.warmup_cap)
