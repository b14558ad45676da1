"""The head of the monitor: whether the run trains, how far it is, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterable

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.percent import percent
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from farense_tui.engine.readable import UNKNOWN, epochs, progress
from farense_tui.engine.readable import loss as show_loss
from farense_tui.ui.charts.slim_bar import slim_bar
from farense_tui.ui.monitor.run_view import RunView

_ROOMY = 76  # cells for a whole sentence
_BAR = 4  # cells of the way through the steps, at least
_DIM, _BRIGHT = "$text-muted", "bold $foreground"


class RunHeader(Widget):
    """Three lines: state and clocks; the way through the steps; losses."""

    DEFAULT_CSS = """
    RunHeader {
        height: 3;
    }
    """

    run: reactive[RunView | None] = reactive(None)

    def render(self) -> RenderResult:
        if self.run is None:
            return Content.styled(_("reading the record …"), _DIM)
        width = self.size.width
        lines = (_state(self.run, width), _way(self.run, width), _figures(self.run, width))
        return Content("\n").join(lines)


def _state(run: RunView, width: int) -> Content:
    word = f"{run.sign} {run.word}"
    left = Content.assemble((word, f"bold {run.style}"))
    if run.total:
        bar = slim_bar(run.done / run.total, 12)
        left = Content.assemble(left, "  ", bar, f"  {run.progress}")
    if run.why:
        left = Content.assemble(left, "  ", (run.why, run.why_style))
    return _apart(left, Content.styled(run.name, _BRIGHT), width)


def _way(run: RunView, width: int) -> Content:
    total = run.total_steps
    digits = len(str(total))
    step = (
        _("{step} of {total}").format(step=f"{run.step:>{digits}}", total=total)
        if total
        else UNKNOWN
    )
    share = run.step / total if total else 0.0
    left = Content.assemble((_("step "), _DIM), (step, _BRIGHT), "  ")
    epoch = epochs(run.epoch) if total else UNKNOWN
    passes = _("{step} of {total}").format(step=epoch, total=run.epochs)
    done = f"  {progress(run.step, total):>{len(percent(1))}}"
    right = Content.assemble(
        (done, _BRIGHT),
        (_("   epoch "), _DIM),
        (passes, _BRIGHT),
    )
    if width - left.cell_length - right.cell_length < _BAR:  # the whole of it has no room
        right = Content.styled(done, _BRIGHT)
    bar = slim_bar(share, max(_BAR, width - left.cell_length - right.cell_length))
    return Content.assemble(left, bar, right)


def _figures(run: RunView, width: int) -> Content:
    left = Content.assemble(
        (_("train ") if run.trend else _("loss "), _DIM),
        (show_loss(run.loss), _BRIGHT),
        (f" {run.trend}" if run.trend else "", _BRIGHT),
    )
    clocks = [(_("elapsed "), run.elapsed)]
    if run.left and width >= _ROOMY:
        done = _("{left}, at {time}").format(left=run.left, time=run.done_at)
        clocks.append((_("done in "), done))
    elif run.left:
        clocks = [(_("left "), run.left)]
    right = Content("   ").join(
        Content.assemble((label, _DIM), (value, _BRIGHT)) for label, value in clocks if value
    )
    room = width - left.cell_length - right.cell_length - 5
    fitting = (each for each in _validation(run) if each.cell_length <= room)
    if told := next(fitting, None):
        left = Content.assemble(left, "   ", told)
    return _apart(left, right, width)


def _validation(run: RunView) -> Iterable[Content]:
    """The newest validation, and how far it is from the best; then the same in fewer words."""
    if run.validation is None:
        return
    names = (_("validation "), _("val. "))
    newest = show_loss(run.validation)
    if run.best_loss is None:
        best = [""]
    elif run.validation <= run.best_loss:
        best = [_(", the best"), _(" best")]
    else:
        told = {"best": show_loss(run.best_loss), "step": run.best_step}
        best = [_(", best {best} at step {step}").format(**told), _(", best {best}").format(**told)]
    for name, how in ((names[0], best[0]), (names[1], best[-1]), (names[1], "")):
        yield Content.assemble((name, _DIM), (newest, _BRIGHT), (how, _DIM))


def _apart(left: Content, right: Content, width: int) -> Content:
    """One at each edge; where both do not fit, the left one is cut."""
    room = max(0, width - right.cell_length - 2)
    left = left.truncate(room, ellipsis=True)
    return Content.assemble(left, " " * max(2, width - left.cell_length - right.cell_length), right)
