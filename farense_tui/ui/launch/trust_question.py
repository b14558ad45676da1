"""Code that a model brings with it can do whatever the user can: whether it is trusted."""

from __future__ import annotations

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _

from farense_tui.ui.common.dialogs import Answer, AskDialog


def trust_question(model: str) -> AskDialog:
    """The question that comes before a start. model: its repository or folder."""
    what = _(
        "model.trust_remote_code is on: Python code of {model} would run on this machine, "
        "with all that you may do."
    ).format(model=clean(model))
    return AskDialog(_("Run the model's own code?"), what, [Answer("y", _("yes, I trust it"))])
