"""Ctrl-C, `kill` and a closed terminal end a command for sure, with nothing left behind.

What a signal's handler raises is lost where C code calls Python and passes over its errors:
msgspec looks a type up in a dict by PyDict_GetItem, and the hash of an Annotated is Python. So it
is raised again until it is on its way.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

_AGAIN = 0.5  # seconds


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Have SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in this block; in the main thread.

    It is to be caught outside of the block: what catches it inside hears it once more.
    """

    def leave(number: int, _frame: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        if number != signal.SIGALRM or not _on_its_way():
            raise KeyboardInterrupt

    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = {each: signal.signal(each, leave) for each in heard}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _on_its_way() -> bool:
    """Whether what has been interrupted is cleaning up for it."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
