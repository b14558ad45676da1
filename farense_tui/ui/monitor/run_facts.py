"""What is trained, on what and how: for places with room to spare."""

from __future__ import annotations

from pathlib import PurePath

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from farense_tui.engine import readable as show
from farense_tui.engine.runs.watch import Snapshot

Facts = tuple[tuple[str, str], ...]


def facts(snapshot: Snapshot) -> Facts:
    """Name and value of what does not change while the run goes on."""
    config, started = snapshot.config, snapshot.state.started
    found: list[tuple[str, str]] = []
    if config is not None:
        train = config.train
        found += [
            (_("profile"), config.run.profile_name or show.UNKNOWN),
            (_("model"), PurePath(config.model.repo).name),
            (_("data"), PurePath(config.data.path).name),
            (
                _("batch"),
                f"{config.effective_batch} = {train.batch_size} x {train.grad_accumulation}",
            ),
            (_("sequence"), _("{n} tokens").format(n=train.max_seq_length)),
            (
                "LoRA",
                _("rank {rank}, scale {scale:g}").format(
                    rank=config.lora.rank, scale=config.lora.scale
                ),
            ),
        ]
    if started is not None:
        found += [
            (
                _("trains"),
                _("{trained} of {total} parameters").format(
                    trained=show.count(started.trainable_parameters),
                    total=show.count(started.total_parameters),
                ),
            ),
            (_("computes on"), started.device),
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
        rows = [
            Content.assemble((f"{name:<12}", "$text-muted"), (value, "$foreground")).truncate(
                max(1, self.size.width), ellipsis=True
            )
            for name, value in self.facts
        ]
        return Content("\n").join(rows)
