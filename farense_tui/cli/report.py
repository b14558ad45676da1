"""`farense-tui report`."""

from __future__ import annotations

import argparse

from farense_worker.protocol.errors import ExitCode

from farense_tui.cli import common
from farense_tui.cli.output import relative, say
from farense_tui.report import make


def report(args: argparse.Namespace) -> int:
    run = common.run(args)
    for path in make.update(run) if args.update else make.make(run):
        say(relative(path))
    return ExitCode.DONE
