"""`farense-tui export`: what was written, and how it was checked."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from farense_tui.engine import export as exporting
from farense_tui.engine import format as f
from farense_tui.engine.text import clean
from farense_tui.headless import relative
from farense_tui.progress_line import ProgressLine
from worker.protocol.errors import ExitCode
from worker.protocol.export import Part, Request


def export(asked: Request, *, overwrite: bool, as_json: bool) -> int:
    """Export and tell; the exit code."""
    line = ProgressLine(sys.stderr)
    try:
        made = exporting.export(asked, overwrite=overwrite, tell=line.show)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    finally:
        line.clear()
    if as_json:
        print(msgspec.json.encode(made).decode())
        return ExitCode.DONE
    print(f"{clean(made.run)} is exported to {clean(relative(Path(asked.to)))}")
    for part in made.parts:
        print(f"  {part.what:17} {clean(part.path):22} {f.size(part.bytes)}")
        if part.verified:
            print(f"  {'':17} {_verified(part)}")
    for remark in made.remarks:
        print(f"  {clean(remark)}")
    return ExitCode.DONE


def _verified(part: Part) -> str:
    found = part.verified
    assert found is not None
    return (
        f"loaded again: {found.answers_same} of {found.answers} answers and "
        f"{found.tokens_same} of {found.tokens} tokens are the same, "
        f"{found.kept:.2%} of the adapter's effect is there"
    )
