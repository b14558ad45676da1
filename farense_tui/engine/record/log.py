"""The log of a run as a person reads it: one entry for each event that is worth a line."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events

from farense_tui.engine.record import lines
from farense_tui.engine.record.lines import Kind

_KEPT = 1000


class Entry(NamedTuple):
    """One entry. `number` counts up from 1, also over entries that are no longer kept."""

    number: int
    time: float
    kind: Kind
    text: str


class Noted(NamedTuple):
    """An event that has an entry; `text` where that depends on what came before."""

    number: events.Whole
    event: events.AnyEvent
    text: str = ""


class Journal:
    """Collects the newest entries. Texts are made when they are asked for, not before."""

    def __init__(
        self,
        log_every: int = 10,
        noted: Iterable[Noted] = (),
        count: int = 0,
        paused: bool = False,
    ) -> None:
        """A line for every `log_every`th step. The rest is what `noted` of another one gave."""
        self.entries: tuple[Entry, ...] = ()
        self._log_every = log_every
        self._kept: deque[Noted] = deque(noted, maxlen=_KEPT)
        self._count = count
        self._paused = paused

    def add(self, event: events.AnyEvent) -> None:
        match event:
            case events.Step():
                self.add_steps([event])
            case events.Phase():
                if text := self._phase(event):
                    self._note(event, text)
            case events.Heartbeat() | events.Progress():
                pass
            case _:
                self._note(event)

    def add_steps(self, steps: list[events.Step]) -> None:
        """Take steps in; only the newest are looked at where there are more than are kept."""
        logged = [step for step in steps if step.step % self._log_every == 0]
        self._count += len(logged[:-_KEPT])
        for step in logged[-_KEPT:]:
            self._note(step)

    def publish(self) -> tuple[Entry, ...]:
        """Give what is kept; the same tuple for as long as nothing came."""
        known = self.entries[-1].number if self.entries else 0
        if self._count != known:
            new = [_entry(each) for each in self._kept if each.number > known]
            self.entries = (*self.entries, *new)[-_KEPT:]
        return self.entries

    def noted(self) -> tuple[tuple[Noted, ...], int, bool]:
        """What another one needs to go on from here."""
        return tuple(self._kept), self._count, self._paused

    def _note(self, event: events.AnyEvent, text: str = "") -> None:
        self._count += 1
        self._kept.append(Noted(self._count, event, text))

    def _phase(self, event: events.Phase) -> str:
        text = lines.phase(event.name)
        if self._paused and not text:
            text = _("continued")
        self._paused = event.name == "paused"
        return text


def _entry(noted: Noted) -> Entry:
    kind, text = lines.line(noted.event)
    return Entry(noted.number, noted.event.time, kind, noted.text or text)
