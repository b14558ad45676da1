"""Libraries that not everybody has: imported when needed, or named with what installs them."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _

from farense_tui.engine.machine import extras

NAME = "data"


def there(name: str) -> bool:
    """Whether a library is installed."""
    return importlib.util.find_spec(name) is not None


def module(name: str, what: str) -> Any:
    """Import a library. what: what takes it, for the error (refused) where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise refused(
            _("{what} take the extra {extra}: {name} is not installed").format(
                what=what, extra=NAME, name=name
            ),
            str(error),
            _("This installs it: {command}").format(command=extras.command([NAME])),
            kind="extra",
        ) from error


@contextlib.contextmanager
def reading(damaged: Callable[[Exception], FarenseError]) -> Iterator[None]:
    """Raise `damaged` for what a library raises of a file, whatever its authors had foreseen."""
    try:
        yield
    except (FarenseError, MemoryError):
        raise
    except Exception as error:
        raise damaged(error) from error
