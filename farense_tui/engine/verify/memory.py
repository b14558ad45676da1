"""Memory: what was forecast against what MLX took, and MLX's count against the system's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.doctor import Findings, Request
from farense_worker.protocol.percent import percent
from farense_worker.protocol.plan.memory import PROCESS

from farense_tui.engine import readable as f
from farense_tui.engine.forecast import gather
from farense_tui.engine.machine import hardware
from farense_tui.engine.record.state import RunState
from farense_tui.engine.tasks import task
from farense_tui.engine.verify.row import Row, judged
from farense_tui.engine.verify.workshop import Workshop, write_rows

GROUP = _("memory")
# A run may take so much more than was forecast: by docs/performance.md the worst of 48 random
# runs was 9% too low.
TOO_LOW = 0.15
_LETTERS = 1200  # of the answers: a few hundred tokens
# Rows at once, their length, checkpointing, layers trained.
_SHAPES: dict[str, dict[str, Any]] = {
    "short": {"train__batch_size": 8, "train__max_seq_length": 64},
    "long": {"train__batch_size": 2, "train__max_seq_length": 384},
    "checkpointed": {
        "train__batch_size": 4,
        "train__max_seq_length": 256,
        "train__grad_checkpoint": True,
    },
    "top_layers": {
        "train__batch_size": 8,
        "train__max_seq_length": 256,
        "lora__num_layers": 1,
    },
}
_SHAPE_NAMES = {
    "short": _("8 rows of 64 tokens"),
    "long": _("2 rows of 384"),
    "checkpointed": _("4 rows of 256, checkpointing"),
    "top_layers": _("8 rows of 256, one layer trained"),
}


def rows(workshop: Workshop) -> Iterator[Row]:
    """Forecast and train four shapes; then the footprint and the limits."""
    data = write_rows(workshop.path / "long-data", _LETTERS)
    seen: list[RunState] = []
    for name, settings in _SHAPES.items():
        profile = workshop.profile(
            **settings, data__path=str(data), train__grad_accumulation=1, train__epochs=1
        )
        made = gather.estimate(profile, gather.facts(profile), disk=workshop.path)
        state = workshop.finish(workshop.prepare(f"shape-{name}", profile))
        seen.append(state)
        yield peak(name, made, state)
    yield footprint(seen)
    yield limits()


def peak(name: str, made: gather.Estimate, state: RunState) -> Row:
    """Compare a forecast with the run."""
    check = _("peak, {shape}").format(shape=_SHAPE_NAMES[name])
    if made.forecast is None:
        return Row(GROUP, f"peak_{name}", check, "—", made.why, "untried")
    said, took = made.forecast.peak, state.peak_memory
    verdict = judged(took <= said * (1 + TOO_LOW))
    figures = {"forecast": said, "measured": took, "error": said / took - 1 if took else 0.0}
    detail = _("forecast is {error}").format(error=percent(figures["error"], sign="+"))
    expected = f"≤ {f.size(said * (1 + TOO_LOW))}"
    return Row(GROUP, f"peak_{name}", check, expected, f.size(took), verdict, detail, figures)


def footprint(seen: list[RunState]) -> Row:
    """Compare the system's count of the process with MLX's: what is left is Python and libraries.

    Less than MLX has in use would be a count that leaves the GPU's memory out.
    """
    check = _("the process = MLX's and the rest")
    beats = [state.heartbeat for state in seen if state.heartbeat]
    beats = [beat for beat in beats if beat.active_memory]
    if not beats:
        why = _("the runs were too short for a heartbeat")
        return Row(GROUP, "footprint", check, "—", why, "untried")
    beat = max(beats, key=lambda each: each.rss)
    held = beat.active_memory + beat.cache_memory
    rest = beat.rss - held
    most = 2 * PROCESS
    figures = {
        "footprint": beat.rss, "active": beat.active_memory, "cache": beat.cache_memory,
    }  # fmt: skip
    said = f"{f.size(beat.rss)} = {f.size(held)} + {f.size(rest)}"
    holds = beat.rss >= beat.active_memory and rest <= most
    expected = _("rest ≤ {most}").format(most=f.size(most))
    return Row(GROUP, "footprint", check, expected, said, judged(holds), figures=figures)


def limits() -> Row:
    """Tell what MLX says that it may use, and what that is of the memory."""
    found = task.result_of("doctor", Request(), Findings)
    memory = hardware.machine().memory
    figures = {"limit": found.memory_limit, "memory": memory, "mlx_memory": found.memory}
    share = found.memory_limit / memory if memory else 0.0
    said = _("{limit} of {memory} ({share})").format(
        limit=f.size(found.memory_limit), memory=f.size(memory), share=percent(share)
    )
    holds = not found.on_gpu or 0.5 <= share <= 0.9
    expected = f"50–{percent(0.9)}" if found.on_gpu else "—"
    verdict = judged(holds) if found.on_gpu else "told"
    check = _("what MLX may use well")
    return Row(GROUP, "limits", check, expected, said, verdict, found.device, figures)
