"""What became of a run that has ended, and what to do next."""

from __future__ import annotations

from typing import NamedTuple

from farense_worker.protocol.clean_text import clean, clean_lines
from farense_worker.protocol.language import gettext as _
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from farense_tui.engine import readable as show
from farense_tui.engine.health import Facts, examine
from farense_tui.engine.record.state import RunState
from farense_tui.engine.record.verdict import verdict
from farense_tui.engine.runs import death
from farense_tui.engine.runs.watch import Snapshot
from farense_tui.engine.tasks.evaluation import has_adapter
from farense_tui.ui.common.status import ENDED_WELL, look

_LOG_LINES = 6


class Outcome(NamedTuple):
    """The end of a run: what, where and why, what to do, and the worker's last words.

    adapter: whether there is one to be asked. answers: a question, the answer before and now.
    amber: it ended as it should, but is not good.
    """

    status: str
    title: str
    lines: tuple[str, ...] = ()
    hint: str = ""
    log: tuple[str, ...] = ()
    adapter: bool = False
    answers: tuple[str, ...] = ()
    amber: bool = False


def outcome(snapshot: Snapshot, exit_code: int | None) -> Outcome | None:
    """Find out how a run ended; None for one that lives or has not begun. Reads files."""
    if not snapshot.folder.path.is_dir():
        gone = _("its folder is gone: somebody has deleted or moved it")
        return Outcome("lost", gone, (str(snapshot.folder.path),), _("l lists the runs there are"))
    if snapshot.alive or snapshot.read < 1 or (snapshot.status == "new" and exit_code is None):
        return None
    return _outcome(snapshot, exit_code)._replace(adapter=has_adapter(snapshot.folder))


def _outcome(snapshot: Snapshot, exit_code: int | None) -> Outcome:
    folder, state, status = snapshot.folder, snapshot.state, snapshot.status
    step = folder.resume_step()
    again = (
        _("r resumes from step {step}").format(step=step)
        if step is not None
        else _("r starts it again")
    )
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
    lines = [found.evidence, found.remedy] if found else []
    if has_adapter(folder):
        lines.append(_("keys     a ask, m measure, s serve, E export, o report"))
    lines += _took(state)
    if has_adapter(folder):
        lines += [
            _("adapter  {path}").format(path=show.from_here(str(folder.adapters))),
            _("commands farense-tui ask, evaluate, serve, export {name}").format(name=folder.name),
        ]
    hint = {"completed": "", "early_stopping": _("e lets it go on")}.get(status, again)
    title = found.title if found else came_to(state, status)
    answers = _before_and_after(state)
    return Outcome(status, title, tuple(lines), hint, answers=answers, amber=found is not None)


def came_to(state: RunState, status: str) -> str:
    """How it ended, and what it came to."""
    how = {
        "completed": _("complete"),
        "early_stopping": _("stopped early, as the validation loss no longer falls"),
    }.get(status, _("stopped at step {step}").format(step=state.step))
    found = verdict(state)
    first, best = found.first, found.best
    if best is None:
        return how
    if first is None:
        told = _("{how}: validation {best} at step {step}, and that is your adapter")
    else:
        told = _("{how}: validation {first} → {best}, best at step {step}: that is your adapter")
    return told.format(
        how=how,
        first=show.loss(first.loss if first else None),
        best=show.loss(best.loss),
        step=best.step,
    )


def _took(state: RunState) -> list[str]:
    told = _("{duration}, {steps} steps, {tokens} tokens")
    took = show.duration(state.elapsed)
    return [told.format(duration=took, steps=state.step, tokens=show.count(state.tokens))]


def _before_and_after(state: RunState) -> tuple[str, ...]:
    """A question, its answer by the model as it came, and by the adapter that is kept."""
    best = state.best.step if state.best else state.step
    for asked in state.samples:
        if asked.step:
            break
        now = [s for s in state.samples if s.prompt == asked.prompt and 0 < s.step <= best]
        if now:
            return (
                clean(asked.prompt),
                _("before   {text}").format(text=clean(asked.text)),
                _("now      {text}").format(text=clean(now[-1].text)),
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


class OutcomePanel(Widget):
    """Says how the run ended; not there while it lives."""

    DEFAULT_CSS = """
    OutcomePanel {
        height: auto;
        max-height: 12;
        display: none;
        border-left: outer $secondary;
        padding: 0 1;
    }
    OutcomePanel.-good { border-left: outer $success; }
    OutcomePanel.-amber { border-left: outer $warning; }
    OutcomePanel.-bad { border-left: outer $error; }
    """

    end: reactive[Outcome | None] = reactive(None, layout=True)

    def watch_end(self, end: Outcome | None) -> None:
        self.display = end is not None
        status = end.status if end else ""
        amber = end is not None and end.amber
        self.set_class(status in ENDED_WELL and not amber, "-good")
        self.set_class(amber, "-amber")
        self.set_class(status in ("failed", "killed", "lost"), "-bad")

    def render(self) -> RenderResult:
        """Title, then the rest."""
        if self.end is None:
            return ""
        end = self.end
        sign, _word, style = look("overfitted" if end.amber else end.status)
        rows = [Content.styled(f"{sign} {end.title}", f"bold {style}")]
        if end.hint:  # second, so that it is seen where there is room for little
            more = "   " + _("p tells what happened") if self.has_class("-bad") else ""
            rows.append(Content.styled(end.hint + more, "bold $accent"))
        width = max(1, self.content_size.width)
        styles = ("$text-muted", "$text-muted", "bold $foreground")
        if end.amber:  # then what to do comes first
            rows += [Content.styled(line, "$foreground") for line in end.lines[:3]]
        rows += [
            Content.styled(line, style).truncate(width, ellipsis=True)
            for line, style in zip(end.answers, styles, strict=False)
        ]
        rest = end.lines[3:] if end.amber else end.lines
        rows += [Content.styled(line, "$foreground") for line in rest]
        rows += [Content.styled(line, "$text-muted") for line in end.log]
        return Content("\n").join(rows)
