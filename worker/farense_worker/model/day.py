"""The day whose date chat templates write, as those of Llama 3.2, SmolLM3 and gpt-oss do.

It is today's for a question. Rows have that of the day on which their run was made: they stay what
they are when it is resumed or evaluated on another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

_CALL = b"strftime_now"
_PLACES = ("tokenizer_config.json", "*.jinja", "additional_chat_templates/*.jinja")


class Day:
    """Today, or a day that is kept."""

    def __init__(self) -> None:
        self._kept: datetime | None = None

    def now(self) -> datetime:
        """Give the time that templates see."""
        return self._kept or datetime.now()

    def keep(self, seconds: float) -> None:
        """Stay at a moment, in Unix seconds; 0 is none. It is the same day in all time zones."""
        self._kept = datetime.fromtimestamp(seconds, UTC) if seconds else None

    @contextlib.contextmanager
    def kept(self, seconds: float) -> Iterator[None]:
        """Stay at a moment meanwhile, as `keep` does."""
        before = self._kept
        self.keep(seconds)
        try:
            yield
        finally:
            self._kept = before


DAY = Day()


def asked_for(model: Path) -> bool:
    """Whether a model's templates ask for it."""
    paths = [path for place in _PLACES for path in model.glob(place) if path.is_file()]
    try:
        return any(_CALL in path.read_bytes() for path in paths)
    except OSError:  # whoever needs it says so
        return False
