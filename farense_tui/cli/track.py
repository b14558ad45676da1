"""`farense-tui track`."""

from __future__ import annotations

import argparse

from farense_worker.protocol.errors import ExitCode

from farense_tui.cli import common
from farense_tui.cli.output import relative, say


def track(args: argparse.Namespace) -> int:
    from farense_tui.track.follow import track as write

    say(relative(write(common.run(args), args.to, follow=args.follow)))
    return ExitCode.DONE
