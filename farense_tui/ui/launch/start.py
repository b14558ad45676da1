"""Whether a start is meant: what has to be agreed to first."""

from __future__ import annotations

import asyncio
from typing import Any

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from textual.screen import Screen

from farense_tui.engine import readable as f
from farense_tui.engine.preflight.download import Download, needed
from farense_tui.engine.profiles.draft import Draft
from farense_tui.ui.common.dialogs import Answer, AskDialog
from farense_tui.ui.launch.trust_question import trust_question
from farense_tui.ui.navigator import navigator


async def agreed(screen: Screen[Any], draft: Draft) -> bool:
    """Ask what has to be asked, one after the other; False as soon as the answer is no."""
    model = draft.profile.model
    questions = [trust_question(model.repo)] if model.trust_remote_code else []
    try:
        # in a thread: the hub may have to be asked
        if download := await asyncio.to_thread(needed, model):
            questions.append(download_question(download))
    except FarenseError as error:
        navigator(screen).show_error(error)
        return False
    for question in questions:
        if await screen.app.push_screen_wait(question) != "y":
            return False
    return True


def download_question(download: Download) -> AskDialog:
    """The question that comes before gigabytes."""
    lines = [clean(download.words)]
    if download.licence:
        lines.append(_("Its licence is {licence}.").format(licence=download.licence))
    lines.append(_("Broken off, it goes on later where it was."))
    size = f.download_size(download.gigabytes)
    answers = [Answer("y", _("download {size} and train").format(size=size))]
    return AskDialog(_("Download the model?"), "\n".join(lines), answers)


def faulty(draft: Draft) -> FarenseError:
    """What was typed and is wrong."""
    faults = "\n".join(f"{name}: {what}" for name, what in draft.faults.items())
    return refused(_("not every setting is right"), faults, _("e goes to them."))
