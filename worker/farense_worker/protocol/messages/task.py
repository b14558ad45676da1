"""Work that is no training: what `python -m farense_worker.tasks NAME` reads and prints.

It reads one request as a line of JSON from stdin and prints JSON lines: progress any number of
times, then one result, or one failure. Which requests and results there are stands beside this
file, a module for each task.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from farense_worker.protocol.errors import ExitCode, FarenseError


class Progress(Struct, tag="progress", frozen=True):
    """How far a part of the work is; `what` names it, `total` is 0 while it is not known."""

    what: str
    done: int = 0
    total: int = 0
    unit: str = ""


class Failure(Struct, tag="error", frozen=True):
    """A FarenseError on its way from one process to another: why there is no result."""

    kind: str
    title: str
    detail: str
    hint: str
    exit_code: int

    @classmethod
    def of(cls, error: FarenseError, most: int | None = None) -> Failure:
        """Take an error apart. most: characters of its detail."""
        return cls(error.kind, error.title, error.detail[:most], error.hint, int(error.exit_code))

    def error(self) -> FarenseError:
        """Put it together again."""
        code = ExitCode(self.exit_code)
        return FarenseError(self.title, self.detail, self.hint, kind=self.kind, exit_code=code)


Tell = Callable[[Progress], None]
