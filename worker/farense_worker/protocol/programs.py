"""How one of our programs starts another."""

from __future__ import annotations

import sys


def program(module: str, *words: str) -> list[str]:
    """The command line of `python -m module`, by this Python.

    -P, because otherwise Python looks for modules where the user stands before it looks anywhere
    else: a json.py or a numpy.py beside somebody's data would be run in the place of the real one.
    """
    return [sys.executable, "-P", "-m", module, *words]
