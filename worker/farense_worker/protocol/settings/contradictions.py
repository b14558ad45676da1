"""Which settings do not go together."""

from __future__ import annotations

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Profile


def contradictions(profile: Profile) -> list[str]:
    """Say what in a profile does not go together, each as `section.key ...`."""
    train, found = profile.train, []
    if train.weight_decay and train.optimizer == "adam":
        found.append(
            _("train.weight_decay has no effect with adam; adamw is Adam with weight decay")
        )
    if train.schedule != "constant" and train.final_learning_rate > train.learning_rate:
        found.append(_("train.final_learning_rate is above train.learning_rate"))
    if train.schedule == "constant" and train.final_learning_rate:
        found.append(_("train.final_learning_rate has no effect with a constant schedule"))
    if profile.memory.warning > profile.memory.critical:
        found.append(_("memory.warning is above memory.critical"))
    return found


def check(profile: Profile) -> None:
    """Refuse a profile whose settings do not go together."""
    found = contradictions(profile)
    if found:
        raise refused(_("settings contradict each other"), "\n".join(found), kind="profile")
