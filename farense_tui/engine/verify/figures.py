"""Speed: ours and mlx_lm.lora's in turn, and what the screen costs.

Speeds are told and never judged. What is judged is that they can be compared: that both sides did
the same work, and that there was a screen.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.percent import percent

from farense_tui.engine import readable as f
from farense_tui.engine.models import locate
from farense_tui.engine.models.assets import embedded_data
from farense_tui.engine.verify import screen, speed
from farense_tui.engine.verify.outcome import state_of
from farense_tui.engine.verify.row import Row, Verdict, judged
from farense_tui.engine.verify.speed import Measured
from farense_tui.engine.verify.workshop import Workshop

GROUP = _("speed")
_BATCH, _EPOCHS = 8, 2
_EPOCHS_WATCHED = 12
_ROWS, _VALID = 200, 24


def rows(workshop: Workshop, pairs: int) -> Iterator[Row]:
    """Measure so many pairs, the one and the other first in turn, after one that warms up."""
    found = locate.locate(workshop.model, "")
    if found.path is None:
        why = found.why or _("the model is not on this disk")
        yield Row(GROUP, "pairs", _("mlx_lm.lora and this"), "—", why, "untried")
        return
    task = _task(workshop, found.path)
    try:
        speed.theirs(workshop.path / "warm", task, steps=2)
    except FarenseError as error:  # a family whose layers it does not find by these names
        if workshop.model == locate.EMBEDDED:  # which it does
            raise
        check = _("mlx_lm.lora and this")
        yield Row(GROUP, "pairs", check, "—", error.title, "untried", error.detail[-300:])
        return
    measured: list[tuple[Measured, Measured]] = []
    for number in range(pairs):
        here = workshop.path / f"pair-{number}"
        if number % 2:
            ours = speed.ours(here / "ours", task)
            measured.append((speed.theirs(here / "theirs", task), ours))
        else:
            theirs = speed.theirs(here / "theirs", task)
            measured.append((theirs, speed.ours(here / "ours", task)))
    yield same_work(measured)
    yield from _pairs(measured)


def same_work(measured: list[tuple[Measured, Measured]]) -> Row:
    """Both took as many steps over the same tokens and labels, or their times say nothing.

    A row may be a token apart: ours writes the end that a template leaves out (data.append_end).
    """
    runs = [run for pair in measured for run in pair]
    (fewest, most), (low, high) = (_ends(run.steps for run in runs), _ends(t.tokens for t in runs))
    least, labels = _ends(run.labels for run in runs)
    apart = max((high - low) / _EPOCHS / _ROWS, (labels - least) / _VALID)
    holds = fewest == most and min(fewest, low, least) > 0 and apart <= 1
    found = _("{steps} steps, {apart:.2g} tokens a row apart").format(
        steps=fewest if fewest == most else f"{fewest} / {most}", apart=apart
    )
    check, expected = _("both train the same"), _("steps alike, ≤ 1")
    return Row(GROUP, "same_work", check, expected, found, judged(holds), figures={"apart": apart})


def _ends(counts: Iterable[int]) -> tuple[int, int]:
    known = sorted(counts)
    return known[0], known[-1]


def _task(workshop: Workshop, model: Path) -> speed.Task:
    """Rows enough for a second or two of training on a tiny model."""
    data = workshop.path / "speed-data"
    data.mkdir()
    for split, count in (("train", _ROWS), ("valid", _VALID)):
        lines = (embedded_data() / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        text = "\n".join(lines[:count]) + "\n"
        (data / f"{split}.jsonl").write_text(text, encoding="utf-8")
    more = {"train.compile": workshop.compiled}
    return speed.Task(model, data, _ROWS, batch=_BATCH, epochs=_EPOCHS, length=128, more=more)


def _pairs(measured: list[tuple[Measured, Measured]]) -> Iterator[Row]:
    def told(
        name: str, check: str, of: Callable[[Measured], float], show: Callable[[float], str]
    ) -> Row:
        """One figure of both sides; ratio: how many times as good ours is or how much it takes."""
        them, us = ([of(pair[side]) for pair in measured] for side in (0, 1))
        ratios = [ours / other for ours, other in zip(us, them, strict=True)]
        figures = {
            "mlx_lm": statistics.median(them),
            "ours": statistics.median(us),
            "ratio": statistics.median(ratios),
            "lowest": min(ratios),
            "highest": max(ratios),
            "pairs": len(ratios),
        }
        found = _("{ours}, mlx_lm {theirs}: {ratio:.2f} times").format(
            ours=show(figures["ours"]), theirs=show(figures["mlx_lm"]), ratio=figures["ratio"]
        )
        detail = ""
        if len(ratios) > 1:
            detail = _("{low:.2f} to {high:.2f} in {n} pairs").format(
                low=figures["lowest"], high=figures["highest"], n=len(ratios)
            )
        return Row(GROUP, name, check, "—", found, "told", detail, figures)

    def seconds(value: float) -> str:
        return f"{value:.2f} s"

    def useful(run: Measured) -> float:
        return run.tokens / run.training

    yield told("tokens", _("useful tokens a second"), useful, f.speed)
    yield told("first_step", _("time to the first step"), lambda run: run.first_step, seconds)
    yield told("wall", _("time of the whole run"), lambda run: run.wall, seconds)
    yield told("processor", _("processor time"), lambda run: run.processor, seconds)
    yield told("peak", _("MLX's peak"), lambda run: run.peak, f.size)


def watching(workshop: Workshop) -> Iterator[Row]:
    """Train with the app attached and without."""
    speeds = {}
    cost = screen.Cost()
    for name in ("alone", "watched"):
        folder = workshop.run(name, train__epochs=_EPOCHS_WATCHED, report__eval_every=10_000)
        worker = workshop.launch(folder)
        if name == "watched":
            with screen.watched(workshop, folder) as cost:
                workshop.ended(folder, worker)
        else:
            workshop.ended(folder, worker)
        state = state_of(folder)
        speeds[name] = state.tokens / state.active_seconds
    yield screen_row(speeds["watched"] / speeds["alone"], cost)


def screen_row(ratio: float, cost: screen.Cost) -> Row:
    """ratio: speed of the training with the screen over the speed without."""
    figures = {
        "ratio": ratio, "share": cost.share, "memory": cost.memory, "seconds": cost.seconds,
    }  # fmt: skip
    found = _("{share} of a core, {memory}; training {ratio:.2f} times as fast").format(
        share=percent(cost.share), memory=f.size(cost.memory), ratio=ratio
    )
    verdict: Verdict = "told" if cost.seconds else "untried"
    if cost.ended:  # not when it was asked to: nothing was watched
        found, verdict = cost.ended, "fails"
    return Row(GROUP, "screen", _("the screen"), "—", found, verdict, figures=figures)
