"""`farense-tui export`: what was written, and how it was checked."""

from __future__ import annotations

import argparse
from pathlib import Path

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.export import Precision, Request

from farense_tui.cli import common
from farense_tui.cli.output import ProgressLine, relative, say, say_json, tell
from farense_tui.engine import readable as f
from farense_tui.engine.runs import found_again
from farense_tui.engine.tasks import export as exporting
from farense_tui.engine.tasks import hand_over


def export(args: argparse.Namespace) -> int:
    """Write a run's adapter, or the model fused with it, for use elsewhere."""
    run = common.run(args)
    to = Path(args.to).expanduser().resolve()
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
    )
    if (args.ollama or args.lm_studio) and not (args.fuse or args.gguf):
        raise usage(_("Ollama and LM Studio want a whole model"), hint=_("Add --fuse or --gguf."))
    ollama = hand_over.check_ollama(args.ollama) if args.ollama else ""
    place = hand_over.lm_studio_place(run.name) if args.lm_studio else None
    if not common.may_download([found_again.config_of(run).model], yes=args.yes):
        return ExitCode.STOPPED
    code = _export(asked, overwrite=args.overwrite, as_json=args.json)
    if code == ExitCode.DONE and ollama:
        hand_over.to_ollama(ollama, args.ollama, to)
        tell(_("Ollama has it: ollama run {name}").format(name=args.ollama))
    if code == ExitCode.DONE and place:
        hand_over.to_lm_studio(place, to)
        tell(_("LM Studio has it: {folder}").format(folder=place))
    return code


def _export(asked: Request, *, overwrite: bool, as_json: bool) -> int:
    """Export and tell; the exit code."""
    line = ProgressLine()
    try:
        made = exporting.export(asked, overwrite=overwrite, tell=line.show)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    finally:
        line.clear()
    if as_json:
        say_json(made)
        return ExitCode.DONE
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
    return ExitCode.DONE
