"""A resume is compared with the run it continues."""

from __future__ import annotations

import msgspec

from farense_worker.loop.checkpoint import TrainingState
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Notice
from farense_worker.protocol.settings.recipe import broken, changed


def compare(then: TrainingState, now: TrainingState) -> list[Notice]:
    """Compare a checkpoint with what is about to be trained.

    Raises FarenseError (refused) that names all that would silently make it another run; gives
    notices for what was changed on purpose.
    """
    different = broken(then.recipe, now.recipe)
    if then.data != now.data:
        different.append(_("the training data, or how its rows are read, is not what it was"))
    if then.valid and then.valid != now.valid:  # what is the best one so far would compare nothing
        different.append(_("the validation data, or how its rows are read, is not what it was"))
    if then.model and then.model != now.model:  # the first versions did not write it down
        different.append(_("the model is not what it was"))
    if different:
        raise refused(
            _("resuming would make it another run"),
            "\n".join(different),
            _(
                "Put it back as it was, or start a new run from these weights: "
                "farense-tui train --set model.adapter=RUN/adapters"
            ),
            kind="run_changed",
        )
    return [
        Notice(
            level="info",
            code="setting_changed",
            message=_("{name} was {before}, from step {step} on it is {after}").format(
                name=name, before=before, step=then.step + 1, after=after
            ),
        )
        for name, before, after in changed(then.recipe, now.recipe)
    ]


def updated(then: TrainingState, now: TrainingState) -> TrainingState:
    """Take the counters from the checkpoint and the settings from now.

    A rate that was set since is taken whole, whatever rollbacks had left of the one before.
    """
    set_anew = any(name == "train.learning_rate" for name, *_ in changed(then.recipe, now.recipe))
    factor = 1.0 if set_anew else then.rate_factor
    return msgspec.structs.replace(then, valid=now.valid, recipe=now.recipe, rate_factor=factor)
