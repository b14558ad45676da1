"""`farense-tui data check`: what of a data set is trained on, and what is wrong with it."""

from __future__ import annotations

import argparse

from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.messages.data_check import Report

from farense_tui.cli import common
from farense_tui.cli.output import ProgressLine, console, say_json
from farense_tui.engine.tasks import data_check, task


def check(args: argparse.Namespace) -> int:
    """Show what of a data set is trained on, and what is wrong with it.

    Exit code 3 if it cannot be trained on.
    """
    asked = data_check.request(common.profile(args), rows=args.rows)
    line = ProgressLine()
    try:
        report = task.result_of("data_check", asked, Report, line.show)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    finally:
        line.clear()
    if args.json:
        say_json(report)
    else:
        from farense_tui.cli.data import view  # rich is not needed for anything else

        view.show(report, console())
    return ExitCode.DONE if report.trainable else ExitCode.REFUSED
