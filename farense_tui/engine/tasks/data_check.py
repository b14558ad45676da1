"""What is to be looked at before a profile is trained: the request of the task `data_check`."""

from __future__ import annotations

from collections.abc import Iterator

from farense_worker.protocol.messages.data_check import Report, Request
from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine.models import locate
from farense_tui.engine.runs import new_run
from farense_tui.engine.tasks import task
from farense_tui.engine.tasks.task import Stop


def request(
    profile: Profile, *, rows: int = 3, offline: bool = False, every: bool = False
) -> Request:
    """Ask for the report on a profile's data as its model reads it.

    rows: examples to show. offline: a tokenizer that is not here is not downloaded, and the report
    says nothing of tokens. every: all findings, not the first of each code. Raises FarenseError
    (refused) for a model that is nowhere.
    """
    model, train = profile.model, profile.train
    return Request(
        data=str(new_run.data_folder(profile)),
        model=locate.resolve(model.repo, model.revision),
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
        max_seq_length=train.max_seq_length,
        mask_prompt=train.mask_prompt,
        answers=train.answers,
        append_end=profile.data.append_end,
        features=profile.data.features,
        skip=profile.data.skip,
        valid_fraction=profile.data.valid_fraction,
        seed=train.seed,
        rows=rows,
        offline=offline,
        every=every,
    )


def run(asked: Request, stop: Stop | None = None) -> Iterator[object]:
    """Check in a process of its own: Progress, then the Report; see `task.run`."""
    return task.run("data_check", asked, Report, stop)
