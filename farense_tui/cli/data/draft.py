"""`farense-tui data draft` and `data review`: documents become questions, which a person reads."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext

from farense_tui.cli import common
from farense_tui.cli.output import ProgressLine, relative, say, tell


def draft(args: argparse.Namespace) -> int:
    """Cut documents into passages, and have a model ask and answer about each."""
    from farense_tui.dataset.documents import draft as drafts
    from farense_tui.dataset.documents import drafting, wanted

    folder = Path(args.to)
    paths = [Path(each) for each in args.documents]
    wanted.check(args.address or "", args.name or "")
    profile = common.profile(args)
    if not (args.address or common.may_download([profile.model], yes=args.yes)):
        return ExitCode.STOPPED
    line = ProgressLine()
    begun = drafting.begin(
        paths,
        folder,
        model=args.name or profile.model.repo,
        address=args.address or "",
        questions=args.questions,
        again=not args.once,
        remark=tell,
    )
    said = _("passages: {n}; documents: {documents}")
    say(said.format(n=begun.passages, documents=begun.documents))
    try:
        with drafting.asked(profile, args.address or "", args.name or "") as model:
            drafting.go_on(folder, model, line.show)
    except KeyboardInterrupt:
        line.clear()
        tell(_("stopped; the same command goes on there"))
        return ExitCode.STOPPED
    finally:
        line.clear()
    _counts(folder)
    place = shlex.quote(relative(folder))
    if drafts.shown(folder):
        say(_("farense-tui data review {folder} shows them one by one").format(folder=place))
    else:
        say(_("a larger model may write some: --model REPO, or --address URL --name MODEL"))
    return ExitCode.DONE


def review(args: argparse.Namespace) -> int:
    """Show the pairs of a draft, to be kept, edited or dropped."""
    from farense_tui.dataset.documents import draft as drafts

    folder = Path(args.draft)
    if not drafts.is_draft(folder):
        title = _("{folder} is no draft").format(folder=folder)
        raise refused(title, hint=_("farense-tui data draft DOCUMENT --to DIR makes one."))
    if args.list or not common.terminal():
        _list(folder)
        return ExitCode.DONE
    from farense_tui.ui.app import run_app

    code = run_app(common.runs_dir(args), review=folder)
    _counts(folder)
    kept = sum(each.state == "keep" for each in drafts.shown(folder))
    if kept:
        place = shlex.quote(relative(folder))
        say(_("farense-tui data make {folder} --to DIR makes rows of them").format(folder=place))
    return code


def _counts(folder: Path) -> None:
    from farense_tui.dataset.documents import draft as drafts

    pairs = drafts.shown(folder)
    aside = sum(bool(each.pair.aside) and each.state == "open" for each in pairs)
    kept = sum(each.state == "keep" for each in pairs)
    dropped = sum(each.state == "drop" for each in pairs)
    said = _("{n} pairs: {kept} kept, {dropped} dropped, {aside} set aside, {open} to be read")
    rest = len(pairs) - aside - kept - dropped
    say(said.format(n=len(pairs), kept=kept, dropped=dropped, aside=aside, open=rest))
    if barren := drafts.barren(folder):
        said = ngettext(
            "{n} passage has none, as the model did not write the form it was asked for:",
            "{n} passages have none, as the model did not write the form it was asked for:",
            len(barren),
        )
        say(said.format(n=len(barren)))
        say(f"  {clean(barren[0])[:200]}")


def _list(folder: Path) -> None:
    from farense_tui.dataset.documents import draft as drafts

    for each in drafts.shown(folder):
        where = " ".join(filter(None, (each.passage.document, each.passage.place)))
        say(f"{each.at[0]}.{each.at[1]} {each.state}  {clean(where)}")
        say(f"  {clean(each.question)}")
        say(f"  {clean(each.answer)}")
        if each.pair.aside:
            say("  " + _("set aside: {why}").format(why=clean(each.pair.aside)))
    _counts(folder)
