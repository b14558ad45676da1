"""`farense-tui report`."""

from __future__ import annotations

import argparse
import sys

from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.language import gettext as _

from farense_tui.cli import common
from farense_tui.cli.output import relative, say, tell
from farense_tui.report import fonts, make


def report(args: argparse.Namespace) -> int:
    run = common.run(args)
    if sys.platform == "darwin" and not args.update and not fonts.are_known():
        tell(_("matplotlib looks through this Mac's fonts once: some ten seconds ..."))
    for path in make.update(run) if args.update else make.make(run):
        say(relative(path))
    return ExitCode.DONE
