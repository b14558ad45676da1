"""The run under the cursor, beside or below the list: its curve, its verdict, what it says."""

from __future__ import annotations

from typing import NamedTuple

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from farense_tui.engine.health import Facts, examine
from farense_tui.engine.runs.comparison import differences
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.charts.chart_data import of as chart_data
from farense_tui.ui.common.status import ENDED_WELL, look
from farense_tui.ui.monitor.outcome import came_to

_MOST = 6  # settings that differ


class _Shown(NamedTuple):
    run: RunSummary
    above: RunSummary | None


class RunPreview(Container):
    """Draws a run again only where it, or the one that it is compared with, has changed."""

    DEFAULT_CSS = """
    RunPreview {
        padding: 0 2;
        Chart { height: 1fr; min-height: 6; }
        Static { height: auto; max-height: 12; margin-top: 1; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: _Shown | None = None

    def compose(self) -> ComposeResult:
        yield Chart()
        yield Static(markup=False)

    def show(self, run: RunSummary | None, above: RunSummary | None) -> None:
        """Show `run`, and in what its settings differ from those of the one above it."""
        self.set_class(run is None, "-empty")
        if run is None or not self.display:
            self._shown = None
            return
        shown = _Shown(run, above)
        before, self._shown = self._shown, shown
        if before and all(one is other for one, other in zip(before, shown, strict=True)):
            return
        other = before is None or before.run.folder.path != run.folder.path
        if other:
            self.query_one(Chart).seen = None
        self.query_one(Chart).show(chart_data(run.state), other=other)
        self.query_one(Static).update(Content("\n").join(_told(run, above)))


def _told(run: RunSummary, above: RunSummary | None) -> list[Content]:
    lines = [_verdict(run)]
    if above is not None:
        name = above.folder.name
        rows = differences([above, run])
        changed = [f"{row.label} {' → '.join(map(_apart, row.values))}" for row in rows[:_MOST]]
        changed += ["…"] if len(rows) > _MOST else []
        told = (
            _("unlike {name}: ").format(name=name)
            if rows
            else _("the same settings as {name}").format(name=name)
        )
        lines.append(Content.assemble((told, "$text-muted"), " · ".join(changed)))
    if run.state.samples:
        newest = run.state.samples[-1]
        at = _("step {step}").format(step=newest.step)
        lines.append(Content.styled(f"{at}   {clean(newest.prompt)}", "$text-muted"))
        lines.append(Content(clean(newest.text)))
    return lines


def _apart(value: str) -> str:
    """In brackets where it has an arrow itself, as one that was changed on the way."""
    return f"({value})" if "→" in value else value


def _verdict(run: RunSummary) -> Content:
    """What the rules find, else what the training has come to."""
    alive = run.status in ("running", "paused", "stopping")
    found = examine(Facts(run.state, run.config, alive, run.status, run.state.last_time))
    if found:
        sign, _word, style = look("overfitted" if run.status in ENDED_WELL else "failed")
        return Content.styled(f"{sign} {found[0].title}", f"bold {style}")
    sign, _word, style = look(run.status)
    return Content.styled(f"{sign} {came_to(run.state, run.status)}", f"bold {style}")
