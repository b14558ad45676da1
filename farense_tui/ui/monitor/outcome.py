"""What became of a run that has ended, and what to do next; outcome_panel.py shows it."""

from __future__ import annotations

import os
from typing import NamedTuple

from farense_worker.protocol.clean_text import clean, clean_lines
from farense_worker.protocol.language import gettext as _

from farense_tui.engine import readable as show
from farense_tui.engine import status_words
from farense_tui.engine.health import Facts, examine
from farense_tui.engine.record.state import RunState
from farense_tui.engine.record.verdict import still_falls, verdict
from farense_tui.engine.runs import death, describe
from farense_tui.engine.runs.watch import Snapshot
from farense_tui.engine.tasks.evaluation import has_adapter
from farense_tui.ui.common.status import ENDED_WELL

_LOG_LINES = 6


class Outcome(NamedTuple):
    """The end of a run: what, where and why, what to do, and the worker's last words.

    losses: the first validation and the best, where the title does not tell them. took: time,
    steps, tokens.
    adapter: whether there is one to be asked. answers: a question, the answer before and now.
    places: where the adapter is, and the commands; both are rows, a label and a text. amber: it
    ended as it should, but is not good.
    """

    status: str
    title: str
    lines: tuple[str, ...] = ()
    hint: str = ""
    log: tuple[str, ...] = ()
    adapter: bool = False
    took: str = ""
    losses: str = ""
    answers: tuple[tuple[str, str], ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    amber: bool = False

    @property
    def news(self) -> str:
        """What to say of it to someone who looks elsewhere."""
        said = _("{how}; validation {losses}")
        return said.format(how=self.title, losses=self.losses) if self.losses else self.title

    @property
    def told(self) -> list[str]:
        """All but title, hint and log, as lines."""
        losses = [(_("validation"), self.losses)] if self.losses else []
        rows = (*losses, *self.places)
        return [*self.lines, self.took, *(f"{name}: {text}" for name, text in rows)]


def outcome(snapshot: Snapshot, exit_code: int | None) -> Outcome | None:
    """Find out how a run ended; None for one that lives or has not begun. Reads files."""
    if snapshot.alive:
        return None
    if not os.path.isdir(snapshot.folder.path):
        gone = _("its folder is gone: deleted, moved, or on a disk that was taken away")
        return Outcome("lost", gone, (str(snapshot.folder.path),), _("l lists the runs there are"))
    if snapshot.read < 1 or (snapshot.status == "new" and exit_code is None):
        return None
    return _outcome(snapshot, exit_code)._replace(adapter=has_adapter(snapshot.folder))


def _outcome(snapshot: Snapshot, exit_code: int | None) -> Outcome:
    folder, state, status = snapshot.folder, snapshot.state, snapshot.status
    step, unseen = describe.resume_step(folder)
    again = describe.in_line(unseen) if unseen else _("r starts it again")
    if step is not None:
        again = _("r resumes from step {step}").format(step=step)
    if state.failure is not None and status == "failed":
        why = state.failure
        log = clean_lines(death.last_words(folder.log, _LOG_LINES))
        lines = (*clean_lines(why.detail), *clean_lines(why.hint))
        return Outcome(status, clean(why.title), lines, again, tuple(log))
    if state.ended and state.stopped is not None:
        return _ended(snapshot, again)
    return _died(snapshot, exit_code, again)


def _ended(snapshot: Snapshot, again: str) -> Outcome:
    folder, state, status = snapshot.folder, snapshot.state, snapshot.status
    found = next(iter(examine(facts_of(snapshot))), None)
    command = _("farense-tui ask, evaluate, serve, export {name}").format(name=folder.name)
    adapter = show.from_here(str(folder.adapters))
    ended = Outcome(
        status,
        found.title if found else _title(state, status),
        (found.evidence, found.remedy) if found else (),
        again if status not in ENDED_WELL else _train_on(state, status),
        took=_took(state),
        losses="" if found else _losses(state),
        answers=_before_and_after(state),
        amber=found is not None,
    )
    if not has_adapter(folder):
        return ended
    return ended._replace(places=((_("adapter"), adapter), (_("commands"), command)))


def _train_on(state: RunState, status: str) -> str:
    """What `e` is good for in a run that is complete, if it is."""
    if status == "early_stopping":
        return _("e lets it go on")
    return _("e trains on: the validation still fell at the end") if still_falls(state) else ""


def came_to(state: RunState, status: str) -> str:
    """How it ended, and what it came to."""
    return Outcome(status, _title(state, status), losses=_losses(state)).news


def _title(state: RunState, status: str) -> str:
    how = {
        "completed": _("complete"),
        "early_stopping": _("stopped early, as the validation loss no longer falls"),
        "stopped": _("stopped at step {step}").format(step=state.step),
    }.get(status, status_words.ended(status, state.step))
    if state.best is None:
        return how
    said = _("{how}: your adapter is step {step}'s, the best")
    if not state.ended:
        said = _("{how}: the best is step {step}'s so far")
    return said.format(how=how, step=state.best.step)


def _losses(state: RunState) -> str:
    """The validation of the model as it came and the best one, as far as there are any."""
    found = verdict(state)
    told = [show.loss(each.loss) for each in (found.first, found.best) if each]
    return " → ".join(told)


def _took(state: RunState) -> str:
    took = (
        show.duration(state.elapsed),
        show.steps(state.step),
        show.tokens(state.tokens, short=True),
    )
    return ", ".join(took)


def _before_and_after(state: RunState) -> tuple[tuple[str, str], ...]:
    """A question, its answer by the model as it came, and by the adapter that is kept."""
    best = state.best.step if state.best else state.step
    for asked in state.samples:
        if asked.step:
            break
        now = [s for s in state.samples if s.prompt == asked.prompt and 0 < s.step <= best]
        if now:
            return (
                (_("asked"), clean(asked.prompt)),
                (_("before"), clean(asked.text)),
                (_("now"), clean(now[-1].text)),
            )
    return ()


def facts_of(snapshot: Snapshot) -> Facts:
    """What the rules look at in a run that has ended."""
    state = snapshot.state
    return Facts(state, snapshot.config, snapshot.alive, snapshot.status, state.last_time)


def _died(snapshot: Snapshot, exit_code: int | None, again: str) -> Outcome:
    folder, status = snapshot.folder, snapshot.status
    log = tuple(clean_lines(death.last_words(folder.log, _LOG_LINES)))
    title, detail = death.why(folder, status, exit_code)
    if exit_code is not None:
        status = "killed" if exit_code < 0 else "failed"
    return Outcome(status, title, tuple(clean_lines(detail)), again, log)
