"""Whether a start is meant: what has to be agreed to first."""

from __future__ import annotations

from typing import Any

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from textual.screen import Screen

from farense_tui.engine.profiles.draft import Draft
from farense_tui.ui.launch.trust_question import trust_question


async def agreed(screen: Screen[Any], draft: Draft) -> bool:
    """Ask what has to be asked, one after the other; False as soon as the answer is no."""
    if draft.profile.model.trust_remote_code:
        return await screen.app.push_screen_wait(trust_question(draft.profile.model.repo)) == "y"
    return True


def faulty(draft: Draft) -> FarenseError:
    """What was typed and is wrong."""
    faults = "\n".join(f"{name}: {what}" for name, what in draft.faults.items())
    return refused(_("not every setting is right"), faults, _("e goes to them."))
