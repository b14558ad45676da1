"""What is trained, on what and how: for places with room to spare."""

from __future__ import annotations

from pathlib import PurePath

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from farense_tui.engine import format as show
from farense_tui.engine.text import clean
from farense_tui.engine.watch import Snapshot

Facts = tuple[tuple[str, str], ...]


def facts(snapshot: Snapshot) -> Facts:
    """Name and value of what does not change while the run goes on."""
    config, started = snapshot.config, snapshot.state.started
    found: list[tuple[str, str]] = []
    if config is not None:
        train = config.train
        found += [
            ("profile", config.run.profile_name or show.UNKNOWN),
            ("model", PurePath(config.model.repo).name),
            ("data", PurePath(config.data.path).name),
            ("batch", f"{config.effective_batch} = {train.batch_size} x {train.grad_accumulation}"),
            ("sequence", f"{train.max_seq_length} tokens"),
            ("LoRA", f"rank {config.lora.rank}, scale {config.lora.scale:g}"),
        ]
    if started is not None:
        found += [
            (
                "trains",
                f"{show.count(started.trainable_parameters)} of "
                f"{show.count(started.total_parameters)} parameters",
            ),
            ("computes on", started.device),
        ]
    return tuple((name, clean(value)) for name, value in found)


class RunFacts(Widget):
    """A list of names and values."""

    DEFAULT_CSS = """
    RunFacts {
        height: auto;
    }
    """

    facts: reactive[Facts] = reactive((), layout=True)

    def render(self) -> RenderResult:
        """One fact a line."""
        rows = [
            Content.assemble((f"{name:<12}", "$text-muted"), (value, "$foreground")).truncate(
                max(1, self.size.width), ellipsis=True
            )
            for name, value in self.facts
        ]
        return Content("\n").join(rows)
