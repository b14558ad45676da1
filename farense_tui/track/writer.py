"""What a tracker is told of a run, whichever it is."""

from __future__ import annotations

from typing import Protocol

from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import AnyEvent, number
from farense_worker.protocol.settings.profile import Config

from farense_tui.engine.models.named import without_places


class Writer(Protocol):
    """Writes a run for one tracker. Values that are not finite come as NaN."""

    def scalars(self, step: int, time: float, values: dict[str, float]) -> None:
        """Write figures of a step, by their names; time in Unix seconds."""

    def sample(self, step: int, time: float, prompt: str, text: str) -> None:
        """Write an answer that the model gave after a step."""

    def flush(self) -> None:
        """Let readers see what was written."""

    def close(self) -> None:
        """End the file."""


class Feed:
    """Puts the events of a run into a writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._rss = 0

    def put(self, event: AnyEvent) -> None:
        """Write what the event tells, if it is figures or an answer."""
        match event:
            case events.Heartbeat():
                self._rss = event.rss
            case events.Step():
                self._writer.scalars(event.step, event.time, self._step(event))
            case events.Validation():
                found = {
                    "validation/loss": number(event.loss),
                    "validation/perplexity": number(event.perplexity),
                }
                self._writer.scalars(event.step, event.time, found)
            case events.Sample():
                self._writer.sample(event.step, event.time, event.prompt, event.text)

    def _step(self, event: events.Step) -> dict[str, float]:
        found = {
            "train/loss": number(event.loss),
            "train/learning_rate": event.learning_rate,
            "train/grad_norm": number(event.grad_norm),
            "train/epoch": event.epoch,
            "train/tokens_per_second": event.tokens_per_second,
            "memory/active_bytes": event.active_memory,
            "memory/cache_bytes": event.cache_memory,
            "memory/peak_bytes": event.peak_memory,
        }
        return found | ({"memory/process_bytes": self._rss} if self._rss else {})


def settings(config: Config) -> dict[str, str | int | float | bool]:
    """Every setting of a run by its name, lists as a string, for tables of runs."""
    found: dict[str, str | int | float | bool] = {}
    config = without_places(config)
    for section in config.__struct_fields__:
        values = getattr(config, section)
        for key in values.__struct_fields__:
            value = getattr(values, key)
            found[f"{section}.{key}"] = " ".join(value) if isinstance(value, tuple) else value
    return found
