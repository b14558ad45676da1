"""The report of a run: metrics, summary, plots and page, written into its folder.

It reads the record and the evaluation and writes each file as a whole, so it can be made at any
time, of a run that is going on too, by whoever wants it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from farense_worker.protocol import places, plain_file
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Notice, RunFailed
from farense_worker.protocol.run_folder import RunFolder, disk_error
from msgspec.structs import replace

from farense_tui.engine.models.named import without_places
from farense_tui.engine.record.state import RunState, reduce
from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import describe, folders
from farense_tui.engine.tasks import evaluation
from farense_tui.report import metrics
from farense_tui.report.metrics import Metrics

SUMMARY = "training_summary.json"


def make(folder: RunFolder) -> list[Path]:
    """Write the report; the files. Takes seconds, so not for the UI's loop.

    Raises FarenseError for a run without a step, and where the files cannot be written.
    """
    describe.check_readable(folder)
    try:
        with folders.alone(folder):
            return _make(folder)
    except OSError as error:
        raise disk_error(error, folder.path) from error


def update(folder: RunFolder) -> list[Path]:
    """Write the report if the record has more than it tells of; the files, none if it has not.

    Held from before the look on: one that is being written is waited for, and written once.
    """
    try:
        with folders.alone(folder):
            _, state = _read(folder)
            there = folder.report.is_file() and _written_upto(folder) == state.last_seq
            return [] if there else _make(folder)
    except OSError as error:
        raise disk_error(error, folder.path) from error


def is_current(folder: RunFolder) -> bool:
    """Whether all of the report was written after the last line of the record."""
    try:
        written = (folder.path / SUMMARY).stat().st_mtime_ns
        return folder.report.is_file() and written >= folder.events.stat().st_mtime_ns
    except OSError:
        return False


def _make(folder: RunFolder) -> list[Path]:
    figures, state = _read(folder)
    if not state.step:
        raise refused(
            _("run {name} has not taken a step yet").format(name=folder.name),
            hint=_("There is nothing to report."),
            kind="no_report",
        )
    return [_write(folder.path / name, data) for name, data in _files(folder, figures, state)]


def _read(folder: RunFolder) -> tuple[Metrics, RunState]:
    figures, state, tail = Metrics(), RunState(run=folder.name), Tail(folder.events)
    shown = _places(folder)
    while found := tail.read():
        for event in found:
            if isinstance(event, Notice | RunFailed):
                event = _told(event, shown)
            figures.add(event)
            state = reduce(state, event)
    tail.check()
    return figures, state


def _places(folder: RunFolder) -> list[tuple[str, str]]:
    """Folders of this machine that the record may name, each with what others are told."""
    there = places.read(folder)
    named = [folder.path, *(Path(each) for each in (there.data, there.model) if each)]
    home = os.path.expanduser("~")
    return [(str(path), path.name) for path in named] + ([(home, "~")] if len(home) > 1 else [])


def _told(event: Notice | RunFailed, shown: list[tuple[str, str]]) -> Notice | RunFailed:
    """Give what was told without folders of this machine: a report is handed on."""
    words = [name for name in ("message", "title", "detail", "hint") if hasattr(event, name)]
    said = {name: getattr(event, name) for name in words}
    for place, name in shown:
        said = {key: text.replace(place, name) for key, text in said.items()}
    return replace(event, **said)


def _files(folder: RunFolder, figures: Metrics, state: RunState) -> Iterator[tuple[str, bytes]]:
    # Imported only now: matplotlib and jinja2 take half a second.
    from farense_tui.report.page import page
    from farense_tui.report.plots import plots

    try:
        config = without_places(folder.read_config())
    except FarenseError:
        config = None
    # A worker that is about to end still holds the lock: what it said last counts.
    status = state.status if state.ended else describe.status(state, folder.is_alive(), folder)
    measured = evaluation.kept(folder)
    yield "training_metrics.csv", metrics.as_csv(figures, state).encode()
    yield "training_metrics.json", metrics.as_json(figures, state).encode()
    for name, png in plots(state).items():
        yield f"plots/{name}", png
    stale = measured is not None and evaluation.is_stale(folder, measured)
    yield folder.report.name, page(folder.name, config, state, status, measured, stale).encode()
    summary = metrics.summary(folder, config, state, status)
    yield SUMMARY, (json.dumps(summary, indent=2, ensure_ascii=False) + "\n").encode()


def _write(path: Path, data: bytes) -> Path:
    """Replace a file as a whole. Not synced: it can be made again."""
    if path.parent.name == "plots":
        if path.parent.is_symlink():  # nothing is written through one
            path.parent.unlink()
        path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    beside.unlink(missing_ok=True)  # a link would be followed
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    return path


def _written_upto(folder: RunFolder) -> int:
    try:
        return int(json.loads(plain_file.read(folder.path / SUMMARY, follow=True))["last_seq"])
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError):
        return -1
