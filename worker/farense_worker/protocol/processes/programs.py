"""How one of our programs starts another."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _

_TEMPORARY = "farense-"


def temporary_folder() -> Path:
    """Make a folder of its own for temporary files; FarenseError (refused) where none can be."""
    try:
        return Path(tempfile.mkdtemp(prefix=_TEMPORARY))
    except OSError as error:
        raise _nowhere(error) from error


def is_temporary(folder: Path) -> bool:
    """Whether a folder is one that `temporary_folder` made: no other is thrown away by itself."""
    return folder.name.startswith(_TEMPORARY) and folder.parent.samefile(tempfile.gettempdir())


def environment() -> dict[str, str]:
    """What a program of ours has from this one, with a folder for temporary files that is there.

    MLX compiles in it, and would end midway. Raises FarenseError (refused) where there is none.
    """
    try:
        return {**os.environ, "TMPDIR": tempfile.gettempdir()}
    except OSError as error:
        raise _nowhere(error) from error


def _nowhere(error: OSError) -> FarenseError:
    return refused(
        _("there is no folder for temporary files"),
        error.strerror or str(error),
        _("Set TMPDIR to a folder that can be written to."),
        kind="no_tmpdir",
    )


def program(module: str, *words: str) -> list[str]:
    """The command line of `python -m module`, by this Python.

    -P, because otherwise Python looks for modules where the user stands before it looks anywhere
    else: a json.py or a numpy.py beside somebody's data would be run in the place of the real one.
    """
    return [sys.executable, "-P", "-m", module, *words]
