"""What `data check` found is left out, cut or held out: a new folder, made like any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.messages.data_check import Report
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.settings.profile import Profile

from farense_tui.dataset import look, make
from farense_tui.dataset.look import Wish
from farense_tui.dataset.make import Made
from farense_tui.dataset.remedies import LONG
from farense_tui.engine.tasks import data_check, task


def apply(
    profile: Profile,
    to: Path,
    *,
    leave_out: Sequence[str] = (),
    cut: bool = False,
    valid: float | None = None,
    test: float | None = None,
    tell: Callable[[Progress], None] = lambda _progress: None,
) -> Made:
    """Check the profile's data, and make a new folder of it with these remedies.

    leave_out: codes of `data check`. Raises FarenseError as look.look and make.make do.
    """
    asked = data_check.request(profile, rows=0, every=True)
    report = task.result_of("data_check", asked, Report, tell)
    drop = {
        (str(plain_file.resolved(Path(each.path))), each.line): (each.code, each.what)
        for each in report.findings
        if each.code in leave_out and each.line and not (cut and each.code in LONG)
    }
    shares = {
        (str(plain_file.resolved(Path(each.path))), each.line): report.max_seq_length / each.tokens
        for each in report.findings
        if cut and each.code in LONG and each.tokens
    }
    wish = Wish(
        (report.path,),
        to,
        map=_columns(profile),
        valid=valid or 0.0,
        test=test or 0.0,
        drop=drop,
        shares=shares,
        skip=bool(leave_out),
    )
    return make.make(wish, look.look(wish), tell)


def _columns(profile: Profile) -> dict[str, str]:
    """The names that the profile gives to columns, where they are its own."""
    names = profile.data.features
    said = {
        "messages": names.chat_feature,
        "prompt": names.prompt_feature,
        "completion": names.completion_feature,
        "text": names.text_feature,
    }
    if all(target == column for target, column in said.items()):
        return {}
    pair = said["prompt"] != "prompt" or said["completion"] != "completion"
    if pair:
        return {target: said[target] for target in ("prompt", "completion")}
    return {target: said[target] for target in ("messages", "text") if said[target] != target}
