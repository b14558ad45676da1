"""Which events of a record count, for who can take none back, as trackers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from farense_worker.protocol.messages.events import AnyEvent, Sample, Step, Validation

from farense_tui.engine.record.superseded import kept_until

Figured = Step | Validation | Sample


class Course:
    """What a record has told so far, event by event."""

    def __init__(self) -> None:
        self.read = 0
        self._step = 0  # the newest one taken
        self._highest = 0  # that anything was told of
        self._newest: dict[tuple[str, int, str], int] = {}
        self._cuts: list[tuple[int, int]] = []  # at the nth event, steps above this one

    def supersedes(self, event: AnyEvent) -> bool:
        """Whether the event says again, or takes back, what was said before it."""
        upto = kept_until(event, self._step)
        if upto is not None:
            return upto < self._highest
        return isinstance(event, Validation | Sample) and _key(event) in self._newest

    def take(self, event: AnyEvent) -> None:
        upto = kept_until(event, self._step)
        if upto is not None and upto < self._highest:
            self._cut(upto)
        match event:
            case Step():
                self._step = event.step
            case Validation() | Sample():
                self._newest[_key(event)] = self.read
        if isinstance(event, Figured):
            self._highest = max(self._highest, event.step)
        self.read += 1

    def _cut(self, upto: int) -> None:
        self._cuts.append((self.read, upto))
        self._newest = {key: at for key, at in self._newest.items() if key[1] <= upto}
        self._step = min(self._step, upto)
        self._highest = upto

    def counting(self, events: Iterable[AnyEvent]) -> Iterator[AnyEvent]:
        """Give those of the events taken, which are brought again, that still count."""
        cuts = self._cuts[::-1]
        lowest = [min(upto for _, upto in cuts[: n + 1]) for n in range(len(cuts))][::-1]
        limits = list(zip((at for at, _ in self._cuts), lowest, strict=True))
        for at, event in enumerate(events):
            while limits and limits[0][0] <= at:
                limits.pop(0)
            if not isinstance(event, Figured):
                yield event
            elif limits and event.step > limits[0][1]:
                continue
            elif isinstance(event, Step) or self._newest.get(_key(event)) == at:
                yield event


def _key(event: Validation | Sample) -> tuple[str, int, str]:
    return type(event).__name__, event.step, event.prompt if isinstance(event, Sample) else ""
