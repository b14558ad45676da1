"""`farense-tui models`: what is on this machine, and downloading what is not."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.download import Downloaded, Request
from rich.table import Table
from rich.text import Text

from farense_tui.cli.output import ProgressLine, console, relative, say, say_json, tell
from farense_tui.engine import readable as f
from farense_tui.engine.models import installed, locate
from farense_tui.engine.models.installed import Listed
from farense_tui.engine.tasks import task


def list_models(args: argparse.Namespace) -> int:
    found = installed.found()
    if args.json:
        say_json([asdict(each) | {"whole": each.whole} for each in found], indent=2)
        return ExitCode.DONE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = (_("model"), _("size"), _("kind"), _("layers"), _("vocabulary"), _("weights"), "")
    for at, head in enumerate(heads):
        right = at in (1, 3, 4)
        table.add_column(
            head, justify="right" if right else "left", header_style="dim", no_wrap=at > 0
        )
    for each in found:
        table.add_row(
            Text(clean(each.name), "bold"),
            f.size(each.bytes),
            Text(clean(each.kind) or f.UNKNOWN),
            str(each.layers or f.UNKNOWN),
            str(each.vocabulary or f.UNKNOWN),
            Text(clean(each.weights) or f.UNKNOWN),
            Text(_said(each), "yellow"),
        )
    console().print(table)
    return ExitCode.DONE


def _said(each: Listed) -> str:
    """What is missing of a model, and what brings it."""
    if each.whole:
        return ""
    missing = ", ".join(each.missing)
    if each.source == "cache":
        return _("missing: {what}; models download brings it").format(what=missing)
    return _("missing: {what}").format(what=missing)


def download(args: argparse.Namespace) -> int:
    """Bring a repository into the cache; Ctrl-C leaves it to be continued."""
    repo = args.repo
    found = locate.locate(repo, args.revision)
    if found.state == "missing" or Path(repo).is_dir():
        raise refused(
            _("{name!r} cannot be downloaded").format(name=repo),
            found.why,
            hint=_("It is the name of one on the hub: owner/name."),
            kind="model",
        )
    line = ProgressLine()
    try:
        made = task.result_of("download", Request(repo, args.revision), Downloaded, line.show)
    except KeyboardInterrupt:
        line.clear()
        tell(_("broken off; the same command continues it"))
        return ExitCode.STOPPED
    finally:
        line.clear()
    if args.json:
        say_json(made)
    else:
        say(_("{repo} is here, {size}").format(repo=clean(made.repo), size=f.size(made.bytes)))
        say(f"  {clean(relative(Path(made.path)))}")
    return ExitCode.DONE
