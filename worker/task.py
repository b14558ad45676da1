"""`python -m worker.task NAME`: work that is no training. See worker/protocol/task.py."""

from __future__ import annotations

from worker.output import claim_stdout

RECORD = claim_stdout()  # before anything is imported that could print

import importlib  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from typing import Any  # noqa: E402

import msgspec  # noqa: E402

from worker.protocol import doctor, download, estimation, evaluation, export  # noqa: E402
from worker.protocol.errors import ExitCode, FarenseError  # noqa: E402
from worker.protocol.language import gettext as _  # noqa: E402
from worker.protocol.task import Failure  # noqa: E402

# The request, and the module whose function of the task's name answers it.
TASKS: dict[str, tuple[type[msgspec.Struct], str]] = {
    "doctor": (doctor.Request, "worker.doctor"),
    "download": (download.Request, "worker.download"),
    "estimate": (estimation.Request, "worker.estimate"),
    "evaluate": (evaluation.Request, "worker.evaluate"),
    "export": (export.Request, "worker.export"),
    "probe": (estimation.Probe, "worker.probe"),
}


def main() -> int:
    """Do it; the exit code."""
    if len(sys.argv) != 2 or sys.argv[1] not in TASKS:
        print(f"usage: python -m worker.task {'|'.join(TASKS)}", file=sys.stderr)
        return ExitCode.USAGE
    kind, module = TASKS[sys.argv[1]]
    try:
        asked = msgspec.json.decode(sys.stdin.buffer.read(), type=kind)
        work: Any = getattr(importlib.import_module(module), sys.argv[1])
        _say(work(asked, _say))
    except BrokenPipeError:  # nobody waits for the result any more
        return ExitCode.STOPPED
    except Exception as error:  # noqa: BLE001 - the last resort: every end is told
        return _failed(error)
    return ExitCode.DONE


def _failed(error: Exception) -> int:
    from worker.failures import explain

    if not isinstance(error, FarenseError):
        traceback.print_exception(error)
    told = explain(error)
    if told.kind == "unexpected":
        place = "".join(traceback.format_exception(error)[-2:-1]).strip()
        title = _("{task} ended by {error}").format(task=sys.argv[1], error=type(error).__name__)
        told = FarenseError(title, f"{error}\n{place}")
    _say(Failure.of(told))
    return told.exit_code


def _say(line: msgspec.Struct) -> None:
    left = msgspec.json.encode(line) + b"\n"
    while left:
        left = left[os.write(RECORD, left) :]


if __name__ == "__main__":
    sys.exit(main())
