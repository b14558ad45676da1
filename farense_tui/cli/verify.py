"""`farense-tui verify`: the trainer and the machine prove themselves, a line for each check."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.task import Progress
from rich.text import Text

from farense_tui.cli.interrupts import interruptible
from farense_tui.cli.output import ProgressLine, console, say, say_json
from farense_tui.engine.machine import hardware, measured
from farense_tui.engine.models import locate
from farense_tui.engine.verify import bench_record, readings
from farense_tui.engine.verify import verify as checking
from farense_tui.engine.verify.row import VERDICTS, Row, Verdict

SIGNS: dict[Verdict, str] = {"holds": "✓", "fails": "✗", "told": "·", "untried": "-"}
_STYLES: dict[Verdict, str] = {
    "holds": "green",
    "fails": "bold red",
    "told": "",
    "untried": "dim",
}
_CHECK, _EXPECTED = 44, 12
_VERDICT = max(map(len, VERDICTS.values())) + 1


def verify(args: argparse.Namespace) -> int:
    """Check everything, each row told when it is done. Exit code 1 if anything fails."""
    model = _model(args.model)
    began, load = time.time(), bench_record.load()
    found: list[Row] = []
    waiting, group = ProgressLine(), ""
    place = args.to or checking.place(measured.folder(), began)
    place.mkdir(parents=True, exist_ok=True)  # now: later it would be in vain
    how = {"bench": args.bench, "compiled": args.compile}
    waiting.show(Progress(_("verifying")))
    try:
        with interruptible(), contextlib.closing(checking.rows(model, **how)) as rows:
            for row in rows:
                waiting.clear()
                found.append(row)
                group = _say(row, group, as_json=args.json)
                waiting.show(Progress(row.group))
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    finally:
        waiting.clear()
        with contextlib.suppress(OSError):  # there is something else in it
            place.rmdir()
    failed = sum(row.verdict == "fails" for row in found)
    record = bench_record.make(found, model, load=load, **how)
    written = _write(place, record, found)
    kept = measured.write(record) if args.bench and not failed else None
    if args.json:
        end = {"type": "verified", "failed": failed, "seconds": round(time.time() - began, 1)}
        say_json(end | {"record": str(written), "load": load, "versions": record.versions})
    else:
        _end(found, failed, time.time() - began, written, kept)
    return ExitCode.FAILED if failed else ExitCode.DONE


def _model(name: str) -> str:
    """Give the model to verify with; nothing is downloaded for it."""
    if not name:
        return locate.EMBEDDED
    model = locate.resolve(name)
    if locate.locate(name).state == "download":
        raise refused(
            _("the model {repo} is not here").format(repo=name),
            hint=_("farense-tui models download {repo} gets it.").format(repo=name),
            kind="model",
        )
    return model


def _say(row: Row, group: str, *, as_json: bool) -> str:
    """Tell a row, and the name of its group before the first of it; that name."""
    if as_json:
        said: dict[str, Any] = {"type": "row", **{n: getattr(row, n) for n in _FIELDS}}
        say_json(said)
        return row.group
    to = console()
    if row.group != group:
        to.print(Text(f"\n{row.group}" if group else row.group, "bold"))
    to.print(line(row))
    return row.group


_FIELDS = ("group", "name", "check", "expected", "found", "verdict", "detail", "figures", "raw")


def line(row: Row) -> Text:
    """`✓ holds   loss = mlx_lm's evaluate, float32   ≤ 3.8e-06   2.1e-07`, and more below it."""
    text = Text().append(
        f"{SIGNS[row.verdict]} {VERDICTS[row.verdict]:{_VERDICT}}", _STYLES[row.verdict]
    )
    text.append(f"{clean(row.check):{_CHECK}} ")
    text.append(f"{clean(row.expected):{_EXPECTED}} ", "dim").append(clean(row.found))
    if row.detail:
        text.append(f"\n{'':{_VERDICT + 2}}{clean(row.detail)}", "dim")
    return text


def _write(place: Path, record: measured.Record, found: list[Row]) -> Path:
    """Write the record, and the system's tools' words beside it; the folder."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "record.json").write_text(measured.encode(record), encoding="utf-8")
    readings.fixtures(found, place / "readings")
    return place


def _end(found: list[Row], failed: int, seconds: float, written: Path, kept: Path | None) -> None:
    machine = hardware.machine()
    say()
    say(f"{machine.chip}, {machine.backend}, {machine.system}")
    held = sum(row.verdict == "holds" for row in found)
    said = ngettext("{n} check holds", "{n} checks hold", held).format(n=held)
    wrong = ngettext("{n} fails", "{n} fail", failed).format(n=failed)
    say(_("{held}, {wrong}; {seconds:.0f} s").format(held=said, wrong=wrong, seconds=seconds))
    say(_("record and readings: {path}").format(path=written))
    if kept:
        say(_("forecasts of time on this machine are made from it: {path}").format(path=kept))
