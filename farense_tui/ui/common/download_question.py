"""The question that comes before gigabytes."""

from __future__ import annotations

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _

from farense_tui.engine import readable as f
from farense_tui.engine.preflight.download import Download
from farense_tui.ui.common.dialogs import Answer, AskDialog


def download_question(download: Download, yes: str) -> AskDialog:
    """Ask for a `y`; yes: what it does, with {size} for how much that is."""
    lines = [clean(download.words)]
    if download.licence:
        lines.append(_("Its licence is {licence}.").format(licence=download.licence))
    lines.append(_("Broken off, it goes on later where it was."))
    size = f.download_size(download.gigabytes)
    answers = [Answer("y", yes.format(size=size))]
    return AskDialog(_("Download the model?"), "\n".join(lines), answers)
