"""What is done once a run has ended: the command that its launcher left, and leaving."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from farense_worker.protocol import plain_file, whole_folder
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.processes import leash

COMMAND = "FARENSE_AFTERWARDS"
_OWN = (COMMAND, "FARENSE_LOCK", leash.PARENT)


def start(code: int, folder: Path) -> None:
    """Start the launcher's command in a session of its own and wait for nothing.

    The run folder is handed on to it as a whole, so that others can wait for its end. A run that
    was refused leaves nothing behind, so nothing is started for it. What goes wrong is told in
    worker.log and changes neither the run's record nor its exit code.
    """
    command = os.environ.get(COMMAND)
    if not command or code in (ExitCode.REFUSED, ExitCode.USAGE):
        return
    environment = {name: value for name, value in os.environ.items() if name not in _OWN}
    held = None
    try:
        held = whole_folder.taken(folder)
        handed_on = {} if held is None else {whole_folder.HANDED_ON: str(held)}
        subprocess.Popen(
            json.loads(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=() if held is None else (held,),
            env=environment | handed_on,
        )
    except (OSError, ValueError, TypeError) as error:
        said = f"not started afterwards: {command}: {error}"  # not translated: for worker.log
        print(f"worker: {said}", file=sys.stderr)
    finally:
        if held is not None:
            plain_file.release(held)


def leave(code: int) -> NoReturn:
    """End this process with this exit code, whatever comes in its last moments.

    Python takes its signal handlers down while it ends, and a signal that comes then would kill a
    worker whose work is done; a log that cannot be flushed would change the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
