"""Whether a start is meant: what has to be agreed to first."""

from __future__ import annotations

import asyncio
from typing import Any

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from textual.screen import Screen

from farense_tui.engine.preflight.download import needed
from farense_tui.engine.profiles.draft import Draft
from farense_tui.ui.common.download_question import download_question
from farense_tui.ui.launch.trust_question import trust_question
from farense_tui.ui.navigator import navigator


async def agreed(screen: Screen[Any], draft: Draft) -> bool:
    """Ask what has to be asked, one after the other; False as soon as the answer is no."""
    model = draft.profile.model
    questions = [trust_question(model.repo)] if model.trust_remote_code else []
    try:
        # in a thread: the hub may have to be asked
        if download := await asyncio.to_thread(needed, model):
            questions.append(download_question(download, _("download {size} and train")))
    except FarenseError as error:
        navigator(screen).show_error(error)
        return False
    for question in questions:
        if await screen.app.push_screen_wait(question) != "y":
            return False
    return True


def faulty(draft: Draft) -> FarenseError:
    """What was typed and is wrong."""
    faults = "\n".join(f"{name}: {what}" for name, what in draft.faults.items())
    return refused(_("not every setting is right"), faults, _("e goes to them."))
