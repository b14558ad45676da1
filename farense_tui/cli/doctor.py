"""`farense-tui doctor`: a line for each thing, and the remedy where something is not well."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress
from rich.text import Text

from farense_tui.cli import common
from farense_tui.cli.output import ProgressLine, console, say_json
from farense_tui.engine.preflight import doctor as looking
from farense_tui.engine.preflight.doctor import Check, Level
from farense_tui.engine.readable import from_here

SIGNS: dict[Level, str] = {"ok": "✓", "warn": "▲", "fail": "✗"}
_STYLES: dict[Level, str] = {
    "ok": "green",
    "warn": "yellow",
    "fail": "bold red",
}
_NAME = 12
_LEVEL = max(map(len, looking.LEVELS.values())) + 1


def doctor(args: argparse.Namespace) -> int:
    """Look at all that a run depends on.

    Exit code 3 if something would keep a run from being started.
    """
    profile = common.profile(args)
    found: list[Check] = []
    to, waiting = console(), ProgressLine()
    try:
        for check in looking.checks(profile, common.runs_dir(args)):
            waiting.clear()
            found.append(check)
            if not args.json:
                to.print(line(check))
            waiting.show(Progress(_("looking")))
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    finally:
        waiting.clear()
    if args.json:
        said = {"level": looking.worst(found), "checks": [asdict(check) for check in found]}
        say_json(said, indent=2)
    return ExitCode.REFUSED if looking.worst(found) == "fail" else ExitCode.DONE


def line(check: Check) -> Text:
    """`✓ ok    Python       3.11.7 (...)`, and the remedy below it."""
    level = looking.LEVELS[check.level]
    text = Text().append(f"{SIGNS[check.level]} {level:{_LEVEL}}", _STYLES[check.level])
    text.append(f"{_(check.name):{_NAME}} ", "bold").append(clean(from_here(check.found)))
    if check.remedy:
        text.append(f"\n{'':{_LEVEL + _NAME + 3}}{clean(check.remedy)}", "dim")
    return text
