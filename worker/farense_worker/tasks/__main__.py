"""`python -m farense_worker.tasks NAME`: work that is no training, by name."""

from __future__ import annotations

from farense_worker.process.output import claim_stdout

RECORD = claim_stdout()  # before anything is imported that could print

import importlib  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from typing import Any  # noqa: E402

import msgspec  # noqa: E402

from farense_worker.protocol.errors import ExitCode, FarenseError, is_fault, of_system  # noqa: E402
from farense_worker.protocol.language import gettext as _  # noqa: E402
from farense_worker.protocol.messages import (  # noqa: E402
    conversation,
    data_check,
    doctor,
    download,
    estimation,
    evaluation,
    export,
    line,
    serving,
    upload,
    verification,
)
from farense_worker.protocol.messages.task import Failure  # noqa: E402
from farense_worker.protocol.processes import leash  # noqa: E402

# The request, and the module whose function of the task's name answers it.
TASKS: dict[str, tuple[type[msgspec.Struct], str]] = {
    "ask": (conversation.Setup, "farense_worker.tasks.ask"),
    "data_check": (data_check.Request, "farense_worker.tasks.data_check"),
    "doctor": (doctor.Request, "farense_worker.tasks.doctor"),
    "download": (download.Request, "farense_worker.tasks.download"),
    "estimate": (estimation.Request, "farense_worker.tasks.estimate"),
    "evaluate": (evaluation.Request, "farense_worker.tasks.evaluate"),
    "export": (export.Request, "farense_worker.tasks.export"),
    "probe": (estimation.Probe, "farense_worker.tasks.probe"),
    "serve": (serving.Setup, "farense_worker.tasks.serve"),
    "upload": (upload.Request, "farense_worker.tasks.upload"),
    "verify": (verification.Request, "farense_worker.verify.task"),
}


def main() -> int:
    """Do it; the exit code."""
    if len(sys.argv) != 2 or sys.argv[1] not in TASKS:
        print(f"usage: python -m farense_worker.tasks {'|'.join(TASKS)}", file=sys.stderr)
        return ExitCode.USAGE
    leash.follow_parent()
    kind, module = TASKS[sys.argv[1]]
    try:
        asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=kind)
        work: Any = getattr(importlib.import_module(module), sys.argv[1])
        result = work(asked, _say)
        if result is not None:  # a conversation has none
            _say(result)
    except BrokenPipeError:  # nobody waits for the result any more
        return ExitCode.STOPPED
    except BaseException as error:  # the last resort: every end is told
        if not is_fault(error):
            raise
        return _failed(error)
    return ExitCode.DONE


def _failed(error: BaseException) -> int:
    from farense_worker.process.native_errors import explain

    if not isinstance(error, FarenseError):
        traceback.print_exception(error)
    told = of_system(error) if isinstance(error, OSError) else explain(error)
    if told.kind == "unexpected":
        place = "".join(traceback.format_exception(error)[-2:-1]).strip()
        title = _("{task} ended by {error}").format(task=sys.argv[1], error=type(error).__name__)
        told = FarenseError(title, f"{error}\n{place}")
    _say(Failure.of(told))
    return told.exit_code


def _say(said: msgspec.Struct) -> None:
    left = line.encode(said)
    while left:
        left = left[os.write(RECORD, left) :]


if __name__ == "__main__":
    sys.exit(main())
