"""`farense-tui export`: what was written, and how it was checked."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from farense_worker.protocol import plain_file
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, FarenseError, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.export import Exported, Precision, Request

from farense_tui.cli import common
from farense_tui.cli.output import ProgressLine, relative, say, say_json, tell
from farense_tui.engine import readable as f
from farense_tui.engine.runs import found_again
from farense_tui.engine.tasks import export as exporting
from farense_tui.engine.tasks import hand_over
from farense_tui.engine.tasks import upload as uploading

_Place = TypeVar("_Place")


def export(args: argparse.Namespace) -> int:
    """Write a run's adapter, or the model fused with it, for use elsewhere."""
    run = common.run(args)
    to = plain_file.resolved(Path(os.path.expanduser(args.to)))
    if (args.dequantize or args.requantize) and not args.fuse:
        raise usage(_("--dequantize and --requantize say how to fuse"), hint=_("Add --fuse."))
    precision: Precision = (
        "float" if args.dequantize else "quantised" if args.requantize else "keep"
    )
    asked = exporting.request(
        run,
        to,
        fuse=args.fuse,
        gguf=args.gguf,
        peft=args.peft,
        gguf_lora=args.gguf_lora,
        precision=precision,
        check=not args.no_check,
        repo=args.upload or "",
    )
    if args.upload is not None:  # a script's variable may be empty: nobody means that
        _check_upload(args)
    elif args.public:
        raise usage(_("--public says how to upload"), hint=_("Add --upload OWNER/NAME."))
    if (args.ollama or args.lm_studio) and not (args.fuse or args.gguf):
        raise usage(_("Ollama and LM Studio want a whole model"), hint=_("Add --fuse or --gguf."))
    made = uploading.earlier(asked) if args.upload and not args.overwrite else None
    ollama = place = None
    if args.ollama:
        check = partial(hand_over.check_ollama, args.ollama, replace=args.overwrite)
        ollama = _unless_there(check, made)
    if args.lm_studio:
        place = _unless_there(partial(hand_over.lm_studio_place, run.name), made)
    if not common.may_download([found_again.config_of(run).model], yes=args.yes):
        return ExitCode.STOPPED
    for said in (*found_again.remarks(run), *exporting.remarks(run)):
        tell(said)
    if made:
        tell(_("{folder} is there already, from this adapter").format(folder=relative(to)))
    else:
        made = _export(asked, overwrite=args.overwrite, as_json=args.json)
    if made is None:
        return ExitCode.STOPPED
    if ollama:
        hand_over.to_ollama(ollama, args.ollama, to)
        tell(_("Ollama has it: ollama run {name}").format(name=args.ollama))
    if place:
        hand_over.to_lm_studio(place, to)
        tell(_("LM Studio has it: {folder}").format(folder=place))
    return _upload(to, made, args) if args.upload else ExitCode.DONE


def _unless_there(check: Callable[[], _Place], made: Exported | None) -> _Place | None:
    """Give where an export is handed to; None where the try that is continued has done that.

    made: what is there of it. Raises FarenseError as `check` does.
    """
    try:
        return check()
    except FarenseError as error:
        if made is None or error.kind != "exists":
            raise
        tell(error.title)
        return None


def _check_upload(args: argparse.Namespace) -> None:
    """Refuse before the export what would be refused after it: the name, the hub, the token."""
    if (args.fuse or args.gguf) + args.peft + args.gguf_lora > 1:
        raise usage(
            _("a repository is of one kind"), hint=_("--fuse, --gguf, --peft or --gguf-lora.")
        )
    there = uploading.standing(args.upload)
    uploading.check_public(args.upload, there, public=args.public)
    if not args.yes and not common.terminal():
        raise uploading.unasked(args.upload)


def _upload(to: Path, made: Exported, args: argparse.Namespace) -> int:
    """Ask, send and tell; the exit code."""
    parcel, repo = uploading.parcel(to, made), args.upload
    there = uploading.standing(repo)
    for said in uploading.words(parcel, repo, there, public=args.public).splitlines():
        tell(said)
    if not (args.yes or common.agrees(_("Upload it?"))):
        return ExitCode.STOPPED
    line = ProgressLine()
    try:
        sent = uploading.send(parcel, repo, public=args.public, tell=line.show)
    except KeyboardInterrupt:
        line.clear()
        tell(_("broken off; the same command continues it"))
        return ExitCode.STOPPED
    finally:
        line.clear()
    if args.json:
        say_json(sent)
    else:
        say(uploading.done(sent))
    return ExitCode.DONE


def _export(asked: Request, *, overwrite: bool, as_json: bool) -> Exported | None:
    """Export and tell; None where it was stopped."""
    line = ProgressLine()
    try:
        made = exporting.export(asked, overwrite=overwrite, tell=line.show)
    except KeyboardInterrupt:
        return None
    finally:
        line.clear()
    if as_json:
        say_json(made)
        return made
    folder = relative(Path(asked.to))
    say(_("{run} is exported to {folder}").format(run=made.run, folder=folder))
    for part in made.parts:
        say(f"  {_(part.what):17} {clean(part.path):22} {f.size(part.bytes)}")
        if told := exporting.verified(part):
            say(f"  {'':17} {told}")
    if told := exporting.unchecked(made):
        say(f"  {told}")
    for remark in made.remarks:
        say(f"  {clean(remark)}")
    return made
