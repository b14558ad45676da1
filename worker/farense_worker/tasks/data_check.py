"""The task `data_check`: look through a data set as a run would, and train nothing."""

from __future__ import annotations

from pathlib import Path

from farense_worker.inspect.data_set import Survey
from farense_worker.model import hub, stops, tokenizer
from farense_worker.model.as_trained import positions
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.data_check import Report, Request
from farense_worker.protocol.messages.task import Progress, Tell
from farense_worker.protocol.settings.profile import Model


def data_check(asked: Request, tell: Tell) -> Report:
    """Look through the data with the model's tokenizer, or without it where it is not here."""
    settings = Model(
        repo=asked.model, revision=asked.revision, trust_remote_code=asked.trust_remote_code
    )
    loaded, why = None, ""
    try:
        folder = tokenizer.find(settings, asked.offline)
    except (OSError, ValueError) as error:  # of huggingface_hub
        why = hub.reason(error, asked.revision)
        if asked.offline:  # nobody was asked
            why = _("It is not on this machine.")
    else:
        loaded = tokenizer.load(folder, settings)
    what = _("reading the data")
    survey = Survey(
        loaded,
        max_seq_length=asked.max_seq_length,
        mask_prompt=asked.mask_prompt,
        answers=asked.answers,
        append_end=asked.append_end,
        skip=asked.skip,
        names=asked.features,
        made_for=positions.reach(folder) if loaded else 0,
        examples=asked.rows,
        every=asked.every,
        tell=lambda done, total: tell(Progress(what, done, total, "rows")),
    )
    return survey.report(
        Path(asked.data),
        model=asked.model,
        no_tokenizer=why,
        valid_fraction=asked.valid_fraction,
        seed=asked.seed,
        unnamed_end=stops.remark(folder, loaded) if loaded else "",
    )
