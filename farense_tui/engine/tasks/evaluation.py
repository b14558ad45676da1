"""Runs measured on rows that none was trained on: what the worker is asked, and what is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from farense_worker.protocol import model_identity, plain_file
from farense_worker.protocol.checkpoint_files import ADAPTERS
from farense_worker.protocol.errors import refused, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.evaluation import (
    Adapter,
    Candidate,
    Report,
    Request,
    Row,
    Score,
)
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.run_folder import RunFolder, disk_error, write_atomically
from farense_worker.protocol.settings.profile import Config, Dtype, Features

from farense_tui.engine import readable as f
from farense_tui.engine.runs import found_again
from farense_tui.engine.tasks import task

_LONGEST = 1 << 28  # bytes of what is kept


@dataclass(frozen=True)
class Difference:
    """A row that an adapter answers nearer to the reference than its base model, or farther.

    `chrf` is the difference of the two, in points.
    """

    row: Row
    before: str
    after: str
    chrf: float

    @property
    def answers(self) -> tuple[tuple[str, str], ...]:
        """What was to be said, what the base model says, what the adapter says."""
        return (
            (_("reference"), self.row.reference),
            (_("base"), self.before),
            (_("adapter"), self.after),
        )


def request(
    runs: Sequence[RunFolder],
    *,
    data: str = "",
    split: str = "test",
    rows: int = 0,
    max_tokens: int = 0,
) -> Request:
    """Ask for the runs' adapters and the models they were trained on.

    data: absolute folder; empty for the runs' own. Where templates write a date it is that of the
    newest run: all are measured on the same rows. Raises FarenseError for a run without an
    adapter, and for runs with different data.
    """
    if rows < 0 or max_tokens < 0:
        raise usage(_("a number below 0"), hint=_("--rows and --max-tokens are 0 (all) or more."))
    configs = [found_again.usable(run) for run in runs]
    names = {config.data.features for config in configs}
    folders = {data} if data else {config.data.path for config in configs}
    if len(folders) > 1 or (len(names) > 1 and not data):
        raise refused(
            _("the runs were trained on different data"),
            "\n".join(sorted(folders)),
            _("--data DIR says on which they are to be measured."),
            kind="data",
        )
    trains = [config.train for config in configs]
    return Request(
        candidates=_candidates(runs, configs),
        data=folders.pop(),
        split=split,
        rows=rows,
        max_tokens=max_tokens,
        max_seq_length=max(train.max_seq_length for train in trains),
        mask_prompt=any(train.mask_prompt for train in trains),
        answers="all" if any(train.answers == "all" for train in trains) else "last",
        features=names.pop() if len(names) == 1 else Features(),
        append_end=any(config.data.append_end for config in configs),
        batch_size=min(train.batch_size for train in trains),
        day=max(config.run.created for config in configs),
    )


def _candidates(runs: Sequence[RunFolder], configs: Sequence[Config]) -> tuple[Candidate, ...]:
    """Put the runs of one base model, computed in the same type, together: it is measured once."""
    found: dict[tuple[str, str, bool, Dtype], list[Adapter]] = {}
    for run, config in zip(runs, configs, strict=True):
        model = config.model
        key = (model.repo, model.revision, model.trust_remote_code, model.dtype)
        found.setdefault(key, []).append(Adapter(run.name, str(adapter_of(run))))
    return tuple(
        Candidate(repo, tuple(adapters), revision, trust, dtype)
        for (repo, revision, trust, dtype), adapters in found.items()
    )


def has_adapter(run: RunFolder) -> bool:
    """Whether the run has written an adapter yet; one that cannot be looked at just now is one."""
    return plain_file.may_be_there(run.adapters / ADAPTERS)


def adapter_of(run: RunFolder) -> Path:
    """Give the folder of the run's best adapter; FarenseError (refused) if there is none yet."""
    if not has_adapter(run):
        raise refused(
            _("run {name} has no adapter yet").format(name=run.name),
            str(run.adapters),
            _("It is written with the first checkpoint."),
            kind="adapter",
        )
    return run.adapters


def evaluate(
    asked: Request,
    tell: Callable[[Progress], None] = lambda _: None,
    stop: task.Stop | None = None,
) -> Report:
    """Measure in a process of its own. Takes seconds to hours, so not for the UI's loop."""
    return task.result_of("evaluate", asked, Report, tell, stop)


def keep(report: Report, runs: Sequence[RunFolder]) -> None:
    """Write into each run's evaluation.json what was found of it and of its base model.

    Model and data are named as others know them: the run folder may be handed on.
    """
    for run in runs:
        own = next(at for at, score in enumerate(report.scores) if score.name == run.name)
        chosen = (report.base_of(report.scores[own]), own)
        part = msgspec.structs.replace(
            report,
            data=Path(report.data).name,
            scores=tuple(
                msgspec.structs.replace(score, model=model_identity.name(score.model))
                for score in (report.scores[at] for at in chosen)
            ),
            rows=tuple(
                msgspec.structs.replace(row, answers=tuple(row.answers[at] for at in chosen))
                for row in report.rows
            ),
        )
        try:
            write_atomically(run.evaluation, msgspec.json.encode(part).decode() + "\n")
        except OSError as error:
            raise disk_error(error, run.evaluation) from error


def kept(run: RunFolder) -> Report | None:
    """Read what `keep` has written; None without, or if it cannot be read."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return msgspec.json.decode(plain_file.read(run.evaluation, _LONGEST), type=Report)
    return None


def is_stale(run: RunFolder, report: Report) -> bool:
    """Whether the run's adapter is newer than what was measured of it."""
    try:
        return (run.adapters / ADAPTERS).stat().st_mtime > report.time
    except OSError:
        return False


def differences(report: Report, score: Score) -> list[Difference]:
    """Compare an adapter's answers with its base model's, the most improved row first.

    Rows that both answer alike are left out.
    """
    base, own = report.base_of(score), report.scores.index(score)
    found = [
        Difference(
            row,
            row.answers[base].text,
            row.answers[own].text,
            row.answers[own].chrf - row.answers[base].chrf,
        )
        for row in report.rows
        if row.answers[own].text != row.answers[base].text
    ]
    return sorted(found, key=lambda each: (-each.chrf, each.row.line))


def changed(report: Report, score: Score) -> list[tuple[str, list[Difference]]]:
    """What an adapter answers better than its base model, and worse, each with a title.

    The rows that changed most come first; a part without rows is not there.
    """
    found = differences(report, score)
    better = [each for each in found if each.chrf > 0]
    worse = [each for each in reversed(found) if each.chrf < 0]
    nearer = ngettext(
        "{name}: nearer to the reference than the base model in {n} row",
        "{name}: nearer to the reference than the base model in {n} rows",
        len(better),
    )
    farther = ngettext(
        "{name}: farther from it than the base model in {n} row",
        "{name}: farther from it than the base model in {n} rows",
        len(worse),
    )
    parts = ((nearer, better), (farther, worse))
    return [(title.format(name=score.name, n=len(rows)), rows) for title, rows in parts if rows]


def headline(report: Report, path: str) -> str:
    """On how many rows of the file at `path` was measured."""
    return _("{path}: {rows}, greedy answers").format(path=path, rows=f.rows(report.measured))


def remarks(report: Report) -> list[tuple[str, bool]]:
    """What is to be known of the rows, each with whether it is a warning."""
    told = []
    if report.questions != report.measured:
        said = ngettext(
            "{n} answer of conversations is asked by itself, after the data's history",
            "{n} answers of conversations are asked one by one, each after the data's history",
            report.questions,
        )
        told.append((said.format(n=report.questions), False))
    if report.only_loss and report.rows:
        said = ngettext(
            "{n} row has a loss alone: no answer of it is text",
            "{n} rows have a loss alone: no answer of theirs is text",
            report.only_loss,
        )
        told.append((said.format(n=report.only_loss), False))
    if report.left_out:
        said = ngettext("{n} row is left out:", "{n} rows are left out:", report.left_out)
        told.append((said.format(n=report.left_out), True))
        told += [(f"  {reason}", False) for reason in report.reasons]
    return told


def table(report: Report) -> list[list[str]]:
    """Heads, then a line for each model: name, loss, perplexity, exact, F1, chrF, seconds."""
    heads = ["", _("loss"), _("perplexity"), _("exact match"), _("token F1"), "chrF", _("seconds")]
    several = len({score.model for score in report.scores}) > 1
    rows = [heads]
    for score in report.scores:
        of = f" {Path(score.model).name}" if several else ""
        name = score.name or _("base model") + of
        rows.append([name, *figures(score, report.questions), f"{score.seconds:.1f}"])
    return rows


def notes(report: Report) -> list[str]:
    """What belongs to the table: the turns of conversations, and answers that were cut off."""
    told = []
    for score in report.scores:
        name = score.name or _("base model")
        for turn in score.turns:
            said = _(
                "{name}, answer {turn} of a conversation ({n}): exact {exact}, F1 {f1}, "
                "chrF {chrf:.1f}"
            )
            exact, f1 = (f.share(each or 0.0, 1) for each in (turn.exact_match, turn.token_f1))
            told.append(
                said.format(
                    name=name, turn=turn.turn, n=turn.answers, exact=exact, f1=f1, chrf=turn.chrf
                )
            )
    for score in report.scores:
        if score.cut_off:
            said = ngettext(
                "{name}: {n} answer was cut off at {most} tokens",
                "{name}: {n} answers were cut off at {most} tokens",
                score.cut_off,
            )
            name = score.name or _("base model")
            told.append(said.format(name=name, n=score.cut_off, most=report.max_tokens))
    return told


def figures(score: Score, rows: int) -> list[str]:
    """Write loss, perplexity, exact match, token F1 and chrF of a model, for a line of a table."""
    exact = f.UNKNOWN
    if score.exact_match is not None:
        exact = f"{f.share(score.exact_match, 1)} ({round(score.exact_match * rows)}/{rows})"
    f1 = f.UNKNOWN if score.token_f1 is None else f.share(score.token_f1, 1)
    chrf = f.UNKNOWN if score.chrf is None else f"{score.chrf:.1f}"
    return [f.loss(score.loss), f.perplexity(score.perplexity), exact, f1, chrf]
