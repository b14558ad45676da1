"""Why a worker is gone that said nothing at its end: the one place where that is found out."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import describe
from farense_tui.engine.runs.disk_fault import disk_fault

# What faulthandler writes into worker.log before a signal of a native crash ends the process.
_CRASH = re.compile(r"^Fatal Python error: (.*)$", re.MULTILINE)  # not translated: a log's own
_CRASH_WITHIN = 60  # lines


def last_words(log: Path, lines: int = 12) -> str:
    """Give the end of worker.log, for a worker that died without a last event."""
    try:
        with plain_file.reading(log) as file:
            file.seek(max(0, log.stat().st_size - 8192))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def explain_exit(code: int, folder: RunFolder) -> FarenseError:
    """Say what became of a worker of ours that ended without a last event.

    code: its exit code, negative for the signal that killed it.
    """
    return _explained(folder, *why(folder, "", code), code)


def explain(folder: RunFolder, status: str) -> FarenseError:
    """Say it of a run that has no worker any more and no last event; status: as `describe` has it.

    One that has said nothing at all was not begun yet; of a folder that is gone nothing is known.
    """
    if not os.path.isdir(folder.path) and (gone := disk_fault(folder.path)):
        return gone
    if status == "new":
        hint = _("farense-tui resume {name} starts it.").format(name=folder.name)
        return refused(_("run {name} was not started").format(name=folder.name), hint=hint)
    return _explained(folder, *why(folder, status))


def _explained(folder: RunFolder, title: str, detail: str, code: int = -1) -> FarenseError:
    looked = code > 0 or code == -signal.SIGBUS  # of a mapped file that the disk has no space for
    fault = disk_fault(folder.path) if looked else None
    again = _("farense-tui resume {name} continues from the last checkpoint.")
    if describe.resume_step(folder) == (None, None):
        again = _("farense-tui resume {name} starts it again.")
    # Of a disk that takes nothing the log, which is on it, tells nothing either.
    lines = (detail, "" if fault else last_words(folder.log))
    hints = (fault.hint if fault else "", again.format(name=folder.name))
    return FarenseError(
        title,
        "\n".join(part for part in lines if part),
        "\n".join(part for part in hints if part) if os.path.isdir(folder.path) else hints[0],
        kind="killed" if code < 0 else "worker",
        exit_code=ExitCode.FAILED,
    )


def why(folder: RunFolder, status: str, code: int | None = None) -> tuple[str, str]:
    """Say it of any run, in a title and perhaps a sentence more. Reads worker.log.

    status: as `describe.status` has it. code: of the worker's exit, where it was ours.
    """
    fault = disk_fault(folder.path)
    if code and (code > 0 or code == -signal.SIGBUS) and fault:
        return fault.title, fault.detail
    if code is not None:
        return by_code(code)
    may_be = _("Nothing can be written there: {why}").format(why=fault.title) if fault else ""
    crash = _CRASH.search(last_words(folder.log, _CRASH_WITHIN))
    if status == "lost":
        return _("the machine went down while it trained"), ""
    if crash:
        return _("the worker crashed: {why}").format(why=clean(crash[1])), ""
    return _("the worker was killed: it ended without a last word"), may_be


def in_short(status: str) -> str:
    """Say what the status alone tells of it, where worker.log is not at hand."""
    if status == "lost":
        return _("the machine went down")
    return _("the worker was killed or crashed")


def by_code(code: int) -> tuple[str, str]:
    """Say it of any process by its exit code, negative for a signal's number."""
    if code >= 0:
        return _("the worker ended with exit code {code}").format(code=code), ""
    named = {each.value: each.name for each in signal.Signals}
    by = named.get(-code) or _("signal {number}").format(number=-code)
    detail = {
        signal.SIGKILL.value: _("Somebody killed it, or the system did because memory ran out."),
        signal.SIGABRT.value: _("A native library gave up; the log may say why."),
        signal.SIGSEGV.value: _("A native library crashed."),
        signal.SIGXCPU.value: _("It has used the processor time that ulimit -t allows."),
    }.get(-code, "")
    return _("the worker was killed by {signal}").format(signal=by), detail
