"""The rows of the worker's arithmetic: the task `verify`, once for each type of number."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.messages.verification import (
    Compared,
    Done,
    Request,
    Subject,
    Untried,
)

from farense_tui.engine.forecast.gather import resolved
from farense_tui.engine.tasks.task import Task
from farense_tui.engine.verify.row import Row, judged
from farense_tui.engine.verify.tolerance import UNIT, tolerance
from farense_tui.engine.verify.workshop import Workshop

GROUP = _("computed")
CHECKS: dict[Subject, str] = {
    "accumulated": _("gradient row by row = all at once"),
    "contrast": _("the same as mlx_lm.lora adds up"),
    "evaluate": _("loss = mlx_lm's evaluate"),
    "chunked_head": _("without logits = with them"),
    "trunk": _("on stored activations = all layers"),
    "compiled": _("compiled = not compiled"),
    "checkpointing": _("checkpointing = activations kept"),
}


def rows(workshop: Workshop, dtypes: tuple[str, ...] = tuple(UNIT)) -> Iterator[Row]:
    """Compare in each type; mx.compile in the first alone, it takes long."""
    for dtype in dtypes:
        subjects = [name for name in CHECKS if dtype == dtypes[0] or name != "compiled"]
        profile = resolved(workshop.profile(model__dtype=dtype, lora__dropout=0.0))
        yield from judge(_told(Request(profile=profile, subjects=tuple(subjects))), dtype)


def _told(asked: Request) -> Iterator[Compared | Untried | Done]:
    with Task("verify", asked, Progress | Compared | Untried | Done) as task:
        while not isinstance(said := task.listen(), Done):
            yield said
        yield said


def judge(told: Iterator[Compared | Untried | Done], dtype: str) -> Iterator[Row]:
    """Judge what the worker tells. On what it computes stands at its end."""
    found = list(told)
    end = found.pop()
    if not isinstance(end, Done):
        raise ValueError("the end is missing")  # not translated: a fault of ours
    allowed = tolerance(dtype, gpu=end.gpu, architecture=end.architecture)
    for each in found:
        name, check = f"{each.subject}_{dtype}", f"{CHECKS[each.subject]}, {dtype}"  # type: ignore[union-attr]
        if isinstance(each, Untried):
            yield Row(GROUP, name, check, "—", each.why, "untried")
        elif isinstance(each, Compared):
            both = (each.difference, each.loss)
            worst = max(both, key=lambda value: (isnan(value), value))
            figures = {"difference": each.difference, "loss": each.loss, "allowed": allowed}
            said = f"{worst:.1e}"
            if each.subject == "contrast":
                yield Row(GROUP, name, check, "—", said, "told", figures=figures)
                continue
            expected = f"≤ {allowed:.1e}"  # which NaN is not
            yield Row(GROUP, name, check, expected, said, judged(worst <= allowed), figures=figures)
