"""Two lines on the run under the cursor, below the list."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from textual.content import Content

from farense_tui.engine import readable as f
from farense_tui.engine.runs import folders as runs
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.engine.tasks.evaluation import has_adapter


def detail(summary: RunSummary) -> Content:
    """What the table has no room for: why it ended, where it would go on, what it trains."""
    state, config = summary.state, summary.config
    first = ""
    if state.failure and summary.status == "failed":
        first = f"{state.failure.title}. {state.failure.hint}"
    elif summary.status == "paused":
        first = _("enter opens it, and space continues it there")
    elif summary.resumable and summary.resume_step:
        first = _("r goes on from step {step}").format(step=summary.resume_step)
    elif summary.resumable and not summary.wrong:  # else there may be checkpoints all the same
        first = _("r goes on from the beginning")
    elif summary.status in ("completed", "early_stopping") and has_adapter(summary.folder):
        first = _("adapter: {path}").format(path=f.from_here(str(summary.folder.adapters)))
    second = summary.wrong
    if config and not second:
        profile = config.run.profile_name
        second = " · ".join(filter(None, (profile, config.model.repo, config.data.path)))
    if remark := runs.note(summary.folder):
        first = f"{remark}   {first}"
    if summary.status in ("failed", "killed", "lost"):
        first = f"{first}   " + _("p tells what happened")
    return Content.assemble(first, "\n", (second, "$text-muted"))
