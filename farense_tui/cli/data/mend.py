"""`farense-tui data mend`: what `data check` found, left out, cut or held out in a new folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from farense_worker.protocol.errors import ExitCode, usage
from farense_worker.protocol.language import gettext as _

from farense_tui.cli import common
from farense_tui.cli.data import make
from farense_tui.cli.output import ProgressLine


def mend(args: argparse.Namespace) -> int:
    """Apply remedies and tell what became of the rows."""
    from farense_tui.dataset import mend as mending
    from farense_tui.dataset import remedies

    codes = [code.strip() for code in args.leave_out.split(",") if code.strip()]
    known = remedies.row_codes()
    if strange := [code for code in codes if code not in known]:
        hint = _("Codes of findings: {codes}.").format(codes=", ".join(known))
        raise usage(f"--leave-out {','.join(strange)}", hint=hint)
    line, to = ProgressLine(), Path(args.to)
    try:
        made = mending.apply(
            common.profile(args),
            to,
            leave_out=codes,
            cut=args.cut,
            valid=args.valid,
            test=args.test,
            tell=line.show,
        )
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    finally:
        line.clear()
    make.tell(to, made)
    return ExitCode.DONE
