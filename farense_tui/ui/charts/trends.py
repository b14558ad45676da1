"""Small pictures of what else a step tells: learning rate, tokens a second, gradient norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.message import Message

from farense_tui.engine import readable as show
from farense_tui.engine.record.series import Column, Series
from farense_tui.engine.record.state import RunState
from farense_tui.engine.record.view_range import NOTHING, Range, robust, whole
from farense_tui.ui.calm import Calm
from farense_tui.ui.charts.cut import Cut
from farense_tui.ui.charts.spark import line_rows, means, spark_rows
from farense_tui.ui.charts.throttle import Throttle

Format = Callable[[float | None], str]
_VALUE_WIDTH = 7


def norm(value: float | None) -> str:
    """A gradient norm: `0.123`, `12.3`."""
    return show.UNKNOWN if value is None else f"{value:.3g}"


class Trend(Calm):
    """One series: name, value now, range and a sparkline. One row high, it is all on one line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"trend--line"}

    DEFAULT_CSS = """
    Trend {
        height: 1;
        width: 1fr;
    }
    Trend > .trend--line {
        color: $secondary;
    }
    """

    def __init__(
        self, label: str, short: str, shown: Format, *, id: str, cuts_outliers: bool = True
    ) -> None:
        """Show values as `shown` writes them; a few outliers lie beyond the picture's edge."""
        super().__init__(id=id)
        self._label = label
        self._short = short
        self._shown = shown
        self._series = Series()
        self._cut = Cut()
        self._columns: list[Column] = []
        self._cuts_outliers = cuts_outliers
        self._view: Range = NOTHING
        self._throttle = Throttle(self, self._draw)

    class Chosen(Message):
        """It was clicked: its subject is to be shown large."""

        def __init__(self, subject: str) -> None:
            super().__init__()
            self.subject = subject

    def on_click(self) -> None:
        """Ask for a large chart of it."""
        self.post_message(self.Chosen(self._label))

    def show(self, series: Series) -> None:
        if series is not self._series:
            self._series = series
            self._throttle.request()

    def on_resize(self) -> None:
        """Cut the series into the columns that there are now."""
        self._draw()

    def _draw(self) -> None:
        """Cut the series into columns here, so that the throttle counts what that costs."""
        self._columns = self._cut.columns(self._series, max(1, self.size.width * 2))
        self._view = (
            robust(self._columns, before=self._view.cut)
            if self._cuts_outliers
            else whole(self._columns)
        )
        self.draw()

    def picture(self) -> Content:
        """One line, or a line of figures over a sparkline of the rows that are left."""
        width, height = self.size
        if height <= 1:
            return self._line(width)
        rows = line_rows(self._columns, width, height - 1, self._view)
        style = self._line_style
        return Content("\n").join([self._head(width), *(Content.styled(r, style) for r in rows)])

    @property
    def _line_style(self) -> str:
        return self.get_component_styles("trend--line").color.hex

    def _line(self, width: int) -> Content:
        label = f"{self._short} "
        value = f"{self._shown(self._series.last)} ".rjust(_VALUE_WIDTH)
        room = max(0, width - len(label) - len(value) - 1)
        row = spark_rows([self._view.clamped(mean) for mean in means(self._columns, room)])[0]
        return Content.assemble(
            (label, "$text-muted"), (value, "bold $foreground"), (row, self._line_style)
        )

    def _head(self, width: int) -> Content:
        value = self._shown(self._series.last)
        span = ""
        if self._columns:
            least, most = self._shown(self._view.least), self._shown(self._view.most)
            span = _("{low} to {high}").format(low=least, high=most)
        label = f"{_(self._label) if width >= 34 else self._short}  "
        room = max(1, width - len(label) - len(value) - len(span))
        span = span if len(label) + len(value) + len(span) < width else ""
        return Content.assemble(
            (label, "$text-muted"),
            (value, "bold $foreground"),
            " " * room,
            (span, "$text-muted"),
        )


class Trends(Container):
    """The three of them: beside each other, or one below the other in a side column."""

    DEFAULT_CSS = """
    Trends {
        layout: horizontal;
        height: 1;
    }
    """

    def compose(self) -> ComposeResult:
        """Learning rate, speed, gradient norm."""
        # not translated: a key
        yield Trend("learning rate", _("lr"), show.rate, id="trend-rate", cuts_outliers=False)
        yield Trend(
            "tokens a second", _("tok/s"), show.speed, id="trend-speed"
        )  # not translated: a key
        yield Trend("gradient norm", _("grad"), norm, id="trend-norm")  # not translated: a key

    def show(self, state: RunState) -> None:
        self.query_one("#trend-rate", Trend).show(state.learning_rate)
        self.query_one("#trend-speed", Trend).show(state.tokens_per_second)
        self.query_one("#trend-norm", Trend).show(state.grad_norm)
