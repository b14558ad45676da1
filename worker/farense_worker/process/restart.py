"""A worker that can only go on in a new process starts again by itself, in its own place.

That is one whose GPU was taken away, and one that leaves float16 for another type.

Metal gives its driver's state back to a new process only. So the worker replaces itself (exec: its
process id, its lock and whoever watches it stay) and goes on from its newest checkpoint like any
resumed run, with half the tokens at once each time. What a step computes stays the same.
"""

from __future__ import annotations

import os
import sys

from farense_worker.process.signals import Control
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Notice
from farense_worker.protocol.run_folder import RunFolder, write_atomically
from farense_worker.protocol.settings.profile import replace_setting
from farense_worker.protocol.settings.profile_file import dumps

OVERFLOW = "float16"  # the kind of the error
_COUNT = "FARENSE_GPU_RESTARTS"
_MOST = 3


def count() -> int:
    """How many times this run has been started again so."""
    said = os.environ.get(_COUNT, "")
    return int(said) if said.isdigit() else 0


def helps(error: FarenseError) -> bool:
    """Whether it is an error of the GPU's, and there are tries left."""
    return error.kind.startswith("gpu_") and count() < _MOST


def notice(error: FarenseError) -> Notice:
    """Say what happened, and that it goes on."""
    return Notice(
        level="warning",
        code="gpu_restart",
        message=_(
            "{what}: the worker starts again from the newest checkpoint, with half as many tokens "
            "at once ({n} of {most})"
        ).format(what=error.title, n=count() + 1, most=_MOST),
        hint=error.hint,
    )


def change_type(folder: RunFolder) -> Notice:
    """Have the run compute in bfloat16 from its next start on, and say so."""
    changed = replace_setting(folder.read_config(), "model.dtype", "bfloat16")
    write_atomically(folder.config, dumps(changed))
    return Notice(
        level="warning",
        code="float16",
        message=_(
            "not a finite number in float16, whose range ends at 65,504: the run goes on in "
            "bfloat16 from the newest checkpoint"
        ),
        hint=_("An M1 or M2 emulates bfloat16: that is slower, and right."),
    )


def begin(record: int, lock: int, count: int, control: Control) -> None:
    """Start again. record, lock: the descriptors of the record and of the run's lock.

    count: how many times it has started again for the GPU's sake then. control: what was asked of
    this worker is asked of the new one.
    """
    os.dup2(record, 1)  # what `claim_stdout` took away; with it the new worker writes on
    os.set_inheritable(lock, True)
    environment = {**os.environ, "FARENSE_LOCK": str(lock), _COUNT: str(count)}
    with control.handed_on():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
