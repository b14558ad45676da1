"""What the training changed, on rows that it has not seen: the table, and where it got worse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.evaluation import Report
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.run_folder import RunFolder
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from farense_tui.engine.readable import from_here, middle_cut
from farense_tui.engine.runs import found_again
from farense_tui.engine.tasks import evaluation, task
from farense_tui.engine.tasks.evaluation import Difference
from farense_tui.ui.common.dialogs import Dialog, keys
from farense_tui.ui.navigator import navigator

_EXAMPLES = 20  # of each kind


class EvaluationScreen(Dialog[None]):
    """Shows what was measured before, or measures; it ends with the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", _("Close")),
        Binding("m", "measure", _("Measure again")),
    ]

    class Told(Message):
        """How far it is, what was found, or why nothing was."""

        def __init__(self, said: Progress | Report | FarenseError) -> None:
            super().__init__()
            self.said = said

    def __init__(
        self, run: RunFolder, kept: Report | None, may: Callable[[], Awaitable[bool]]
    ) -> None:
        """Measure the adapter of `run`, and the model that it was trained on.

        kept: what was measured before; without, it begins at once. may: asks whether it may.
        """
        super().__init__(classes="dialog large")
        self._run = run
        self._may = may
        self._stop = task.Stop()
        self._remarks: list[str] = []
        self.report = kept

    def compose(self) -> ComposeResult:
        """What is found, and how far it is."""
        with VerticalGroup(classes="box"):
            title = _("{name} on questions that it was not trained on")
            yield Static(title.format(name=self._run.name), classes="title", markup=False)
            yield Static(_("loading the model …"), id="measured", classes="found", markup=False)
            yield Static(
                Content("   ").join([keys("m", _("measure again")), keys("esc", _("close"))]),
                classes="keys",
            )

    def on_mount(self) -> None:
        if self.report:
            self._show(self.report)
        else:
            self._begin()

    def on_unmount(self) -> None:
        self._stop.ask()

    @work(exclusive=True, group="may")
    async def action_measure(self) -> None:
        """Measure anew, if it may: a model is loaded, which may have to be downloaded."""
        if await self._may():
            self._begin()

    def _begin(self) -> None:
        self._stop.ask()
        self._stop = task.Stop()
        self.query_one("#measured", Static).update(_("loading the model …"))
        self._measure(self._stop)

    @work(thread=True, exclusive=True, group="measure")
    def _measure(self, stop: task.Stop) -> None:
        try:
            asked = evaluation.request([self._run])
            self._remarks = found_again.remarks(self._run)
            report = evaluation.evaluate(asked, lambda said: self._tell(said, stop), stop)
            try:
                evaluation.keep(report, [self._run])
            finally:  # what was found took minutes
                self._tell(report, stop)
        except FarenseError as error:
            self._tell(error, stop)

    def _tell(self, said: Progress | Report | FarenseError, stop: task.Stop) -> None:
        if not stop.asked:
            self.post_message(self.Told(said))

    def on_evaluation_screen_told(self, message: Told) -> None:
        said = message.said
        if isinstance(said, Report):
            self._show(said)
            return
        if isinstance(said, FarenseError):
            navigator(self).show_error(said)
            if self.report is None:
                self.dismiss()
            else:
                self._show(self.report)
            return
        far = f"{said.done}/{said.total}" if said.total else str(said.done or "")
        told = [f"{clean(_(said.what))}   {far}", *map(clean, self._remarks)]
        self.query_one("#measured", Static).update("\n".join(told))

    def _show(self, report: Report) -> None:
        self.report = report
        told = [Content.styled(clean(said), "$warning") for said in self._remarks]
        measured = self.query_one("#measured", Static)
        lines = told + _lines(report, self._run, measured.content_size.width or self.app.size.width)
        measured.update(Content("\n").join(lines))

    def on_resize(self) -> None:
        """Draw the table anew: it lies on its side where it has no room."""
        if self.report:
            self._show(self.report)


def _lines(report: Report, run: RunFolder, width: int) -> list[Content]:
    path = from_here(str(Path(report.data) / f"{report.split}.jsonl"))
    lines = [Content.styled(clean(evaluation.headline(report, path)), "$text-muted")]
    for text, important in evaluation.remarks(report):
        lines.append(Content.styled(clean(text), "$warning" if important else "$text-muted"))
    lines += [Content(), *_table(report, width)]
    lines += [Content.styled(clean(text), "$text-muted") for text in evaluation.notes(report)]
    own = next((score for score in report.scores if score.name == run.name), None)
    if own is None or not report.rows:  # the run was renamed since, or its rows are plain text
        own = next((score for score in report.scores if score.name), None)
    if own is not None and report.rows:
        # what got worse comes first: it is what one has to know before the adapter is used
        for title, rows in reversed(evaluation.changed(report, own)):
            lines += [Content(), Content.styled(clean(title), "bold")]
            for each in rows[:_EXAMPLES]:
                lines += _example(each)
            if len(rows) > _EXAMPLES:
                more = _("and {n} more: farense-tui evaluate {name} --examples {all}")
                told = more.format(n=len(rows) - _EXAMPLES, name=run.name, all=len(rows))
                lines.append(Content.styled(told, "$text-muted"))
    return lines


def _table(report: Report, room: int) -> list[Content]:
    """A line for each model, or where that is wider than `room` a column for each."""
    rows = [[clean(cell) for cell in row[:-1]] for row in evaluation.table(report)]  # no seconds
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 3 * (len(widths) - 1) > room:
        return _on_its_side(rows, room)
    lines = []
    for number, (name, *figures) in enumerate(rows):
        cells = "".join(
            f"   {cell:>{width}}" for cell, width in zip(figures, widths[1:], strict=True)
        )
        style = "$text-muted" if number == 0 else "bold" if number > 1 else ""
        lines.append(Content.styled(f"{name:{widths[0]}}{cells}", style))
    return lines


def _on_its_side(rows: list[list[str]], room: int) -> list[Content]:
    """What was measured below each other, the models beside each other."""
    label = max(map(len, rows[0])) + 2
    wide = max(4, min(16, (room - label) // (len(rows) - 1) - 2))
    lines = []
    for at, what in enumerate(rows[0]):
        cells = [row[at] for row in rows[1:]]
        shown = "".join(f"{_cut(cell, wide):>{wide}}  " for cell in cells)
        style = "" if at else "bold"
        lines.append(Content.assemble((f"{what:{label}}", "$text-muted"), (shown.rstrip(), style)))
    return lines


def _cut(cell: str, width: int) -> str:
    """A name without its middle; of a figure without room what stands before the space."""
    first, _space, rest = cell.partition(" (")
    return first if rest and len(cell) > width else middle_cut(cell, width)


def _example(each: Difference) -> list[Content]:
    style = "$success" if each.chrf > 0 else "$error"
    sign = "▲" if each.chrf > 0 else "▼"
    head = Content.assemble(
        f"  {clean(each.row.question)}", (f"  {sign} chrF {each.chrf:+.1f}", style)
    )
    width = max(len(what) for what, _answer in each.answers) + 1
    return [
        head,
        *(
            Content.assemble((f"    {what:{width}}", "$text-muted"), clean(answer))
            for what, answer in each.answers
        ),
    ]
