"""The curves as PNG, for a paper or a slide: plots/loss_curves.png and the like.

matplotlib draws into memory with its Agg backend; no window system is asked for.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from farense_tui.engine.record.state import RunState
from farense_tui.report import curves
from farense_tui.report.curves import Graph
from farense_tui.report.svg import Mark

_INK, _FAINT, _ACCENT, _BLUE = "#1a1917", "#c9c4b8", "#c45f00", "#2b6a99"
_STYLES: dict[str, dict[str, Any]] = {
    "raw": {"color": _ACCENT, "alpha": 0.28, "linewidth": 0.8},
    "train": {"color": _ACCENT, "linewidth": 1.8},
    "valid": {"color": _BLUE, "linewidth": 1.4},
    "valid-dot": {"color": _BLUE, "linestyle": "", "marker": "o", "markersize": 4},
}
_NAMES = {"raw": "", "train": _("training (median)"), "valid": _("validation"), "valid-dot": ""}


def plots(state: RunState) -> dict[str, bytes]:
    """Draw each plot; PNG by file name. One with nothing to show is left out."""
    found = {
        "loss_curves.png": curves.loss(state),
        "learning_rate.png": curves.learning_rate(state),
        "memory_usage.png": curves.memory(state),
    }
    return {
        name: _draw(graph, state.run, legend=name == "loss_curves.png")
        for name, graph in found.items()
        if any(curve.points for curve in graph.curves)
    }


def _draw(graph: Graph, run: str, legend: bool) -> bytes:
    figure = Figure(figsize=(9, 4.8), dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for curve in graph.curves:
        if curve.points:
            x, y = zip(*curve.points, strict=True)
            axes.plot(x, y, label=_NAMES[curve.style] if legend else "", **_STYLES[curve.style])
    _dress(axes, graph, run)
    for mark in graph.marks:
        _mark(axes, mark)
    if legend:
        # above the curves, which may be anywhere
        axes.legend(
            frameon=False,
            loc="lower right",  # not translated: matplotlib's
            bbox_to_anchor=(1, 1),
            ncols=2,
        )
    file = io.BytesIO()
    with warnings.catch_warnings():  # of characters that its font has not
        warnings.simplefilter("ignore")
        figure.savefig(file, format="png")
    return file.getvalue()


def _dress(axes: Axes, graph: Graph, run: str) -> None:
    # parse_math: a name is text, whatever is in it
    axes.set_title(clean(f"{run}: {graph.title}"), loc="left", color=_INK, parse_math=False)
    axes.set_xlabel(graph.x_label, color=_INK)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: graph.show(value)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=graph.over_steps, steps=[1, 2, 2.5, 5, 10]))
    axes.grid(axis="y", color=_FAINT, linewidth=0.6, alpha=0.7)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(colors=_INK, length=0)
    axes.margins(x=0.01)
    if graph.from_zero:
        axes.set_ylim(bottom=0)
    if graph.limit and axes.get_ylim()[1] > 0.5 * graph.limit:
        axes.axhline(graph.limit, color=_INK, linewidth=1, linestyle="--")
        axes.annotate(_("limit"), (axes.get_xlim()[1], graph.limit), ha="right", va="bottom")


def _mark(axes: Axes, mark: Mark) -> None:
    if mark.y is None:
        axes.axvline(mark.x, color=_INK, linewidth=0.8, linestyle=":")
        if mark.more:
            axes.text(
                mark.x,
                0.97,
                mark.more,
                transform=axes.get_xaxis_transform(),
                rotation="vertical",  # not translated: matplotlib's
                ha="right",
                va="top",
                fontsize=8,
                color=_INK,
                parse_math=False,
            )
        return
    axes.plot([mark.x], [mark.y], "o", markersize=11, markerfacecolor="none", color=_BLUE)
    late = mark.x > sum(axes.get_xlim()) / 2
    axes.annotate(
        mark.text,
        (mark.x, mark.y),
        xytext=(-12 if late else 12, 10),
        textcoords="offset points",  # not translated: matplotlib's
        ha="right" if late else "left",
        color=_INK,
    )
