"""Commands for what a run has made: ask it, measure it, report it, take it elsewhere."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable

from farense_worker.protocol.dataset import SPLITS
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.serving import CONTEXT, LOOPBACK

from farense_tui.cli.parser import shared
from farense_tui.cli.parser.program import Program


def add(program: Program) -> None:
    program.group(_("after a run"))
    _ask(program)
    _serve(program)
    _evaluate(program)
    _report(program)
    _export(program)
    _track(program)


def _ask(program: Program) -> None:
    command = program.add(
        "ask",
        "ask:ask",
        _("answer with the base model and with each adapter"),
        about=_(
            "Without a RUN the base model answers alone. A system prompt that the rows of the "
            "run's data share goes before the question, as in the training."
        ),
        examples=(
            'farense-tui ask demo-1 "Quem marcou na final de 1990?"',
            'farense-tui ask demo-1 demo-2 "Quem marcou na final de 1990?" --temperature 0.7',
            'farense-tui ask --model embedded "Quem marcou na final de 1990?"',
            "farense-tui ask demo-1 --system 'Responde numa frase.' \"Quem foi Paco Fortes?\"",
        ),
    )
    command.usage = "%(prog)s " + _("[OPTIONS] [RUN ...] QUESTION")
    command.intermixed = True
    command.add_argument(
        "words",
        nargs="+",
        metavar=_("[RUN ...] QUESTION"),
        help=_("whom to ask, and at the end what; - reads that from standard input"),
    )
    shared.add_profile(command, default=_("demo; whose model answers without a RUN"))
    shared.add_model(command)
    command.add_argument(
        "--system",
        metavar=_("TEXT"),
        help=_("system prompt; default: the one that the data's rows share; '': none"),
    )
    command.add_argument(
        "--max-tokens", type=int, default=100, metavar="N", help=_("of an answer; default 100")
    )
    command.add_argument(
        "--temperature",
        type=_between(0.0, 5.0),
        default=0.0,
        metavar="T",
        help=_("0 to 5; default 0: always the likeliest answer"),
    )
    for name, bounds, default, told in (
        (
            "--top-p",
            (0.01, 1.0),
            1.0,
            _("draw from the likeliest words, up to this share; default 1: all"),
        ),
        (
            "--min-p",
            (0.0, 1.0),
            0.0,
            _("the least chance of a word, as a share of the likeliest one's; default 0"),
        ),
        ("--repetition", (0.5, 3.0), 1.0, _("above 1 holds back what was said lately; default 1")),
    ):
        command.add_argument(name, type=_between(*bounds), default=default, metavar="X", help=told)
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help=_("of what is drawn; default 0")
    )
    shared.add_yes(command)


def _serve(program: Program) -> None:
    command = program.add(
        "serve",
        "serve:serve",
        _("answer at an OpenAI-compatible address, with the adapters and the base model"),
        about=_(
            "Only this machine reaches it unless --host says otherwise. Ctrl-c ends it. Each model "
            "goes by the name of its run; the first one answers where none is named."
        ),
        examples=(
            "farense-tui serve demo-1",
            "farense-tui serve demo-1 demo-2 --port 9000 --api-key env:CLUB_KEY",
        ),
    )
    command.intermixed = True
    command.add_argument(
        "runs", nargs="+", metavar=_("RUN"), help=_("names of runs, or their folders")
    )
    command.add_argument(
        "--port",
        type=int,
        metavar="N",
        help=_("default: the first that is free from 8080 to 8089; 0: any"),
    )
    command.add_argument(
        "--host",
        default=LOOPBACK,
        metavar="H",
        help=_("the address of another interface; default: {host}").format(host=LOOPBACK),
    )
    command.add_argument(
        "--api-key",
        metavar=_("FILE"),
        help=_("a file with the key that requests must bear, or env:NAME; default: none"),
    )
    command.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="URL",
        help=_("web pages of this origin may ask; as often as you like; default: none"),
    )
    command.add_argument(
        "--system",
        metavar=_("TEXT"),
        help=_("system prompt; default: the one that the data's rows share; '': none"),
    )
    command.add_argument(
        "--context",
        type=int,
        default=CONTEXT,
        metavar="N",
        help=_("the most tokens of question and answer; default {n}").format(n=CONTEXT),
    )
    shared.add_yes(command)
    shared.add_json(command, _("print what is told of it as JSON lines"))


def _evaluate(program: Program) -> None:
    command = program.add(
        "evaluate",
        "evaluate:evaluate",
        _("measure adapters and base models on the test set"),
        about=_(
            "Loss, perplexity, exact match, token F1 and chrF, in one table, with the answers "
            "that changed most."
        ),
        examples=(
            "farense-tui evaluate demo-1",
            "farense-tui evaluate demo-1 demo-2 --rows 100 --json",
        ),
    )
    command.intermixed = True
    command.add_argument(
        "runs", nargs="+", metavar=_("RUN"), help=_("names of runs, or their folders")
    )
    command.add_argument(
        "--data",
        metavar=_("DIR"),
        help=_("another data set; default: what the runs were trained on"),
    )
    command.add_argument(
        "--split", choices=SPLITS, default="test", help=_("which part of it; default: test")
    )
    for name, default, help_ in (
        ("--rows", 0, _("at most this many, drawn by lot; default: all")),
        ("--max-tokens", 0, _("of an answer; default: 1.5 times the longest reference")),
        ("--examples", 3, _("rows to show of each adapter; default 3")),
    ):
        command.add_argument(name, type=int, default=default, metavar="N", help=help_)
    shared.add_yes(command)
    shared.add_json(command, _("print JSON, with every answer"))


def _report(program: Program) -> None:
    command = program.add(
        "report",
        "report:report",
        _("write a run's plots, metrics and report.html"),
        examples=("farense-tui report demo-1",),
    )
    shared.add_run(command)
    command.add_argument("--update", action="store_true", help=_("only if there is something new"))


def _export(program: Program) -> None:
    command = program.add(
        "export",
        "export:export",
        _("write the adapter or the fused model for use elsewhere"),
        about=_("What is written is loaded again and compared with the run's answers."),
        examples=(
            "farense-tui export demo-1 --to club-adapter",
            "farense-tui export demo-1 --to club --fuse --dequantize",
            "farense-tui export demo-1 --to club --gguf",
            "farense-tui export demo-1 --to club --fuse --dequantize --ollama club",
            "farense-tui export demo-1 --to club --upload OWNER/club",
        ),
    )
    shared.add_run(command)
    command.add_argument("--to", metavar=_("DIR"), required=True, help=_("a new folder"))
    command.add_argument(
        "--fuse", action="store_true", help=_("write the model with the adapter in it")
    )
    how = command.add_mutually_exclusive_group()
    how.add_argument(
        "--dequantize", action="store_true", help=_("with --fuse: all layers as floats")
    )
    how.add_argument(
        "--requantize", action="store_true", help=_("with --fuse: all layers quantised, as before")
    )
    how.add_argument("--gguf", action="store_true", help=_("write a GGUF file too, in float16"))
    command.add_argument(
        "--peft", action="store_true", help=_("write the adapter as peft and transformers read it")
    )
    command.add_argument(
        "--gguf-lora", action="store_true", help=_("write the adapter as llama.cpp reads it")
    )
    command.add_argument(
        "--ollama", metavar=_("NAME"), help=_("then have Ollama make a model of it by this name")
    )
    command.add_argument(
        "--lm-studio", action="store_true", help=_("then copy the model where LM Studio finds it")
    )
    command.add_argument(
        "--upload",
        metavar=_("OWNER/NAME"),
        help=_("then send it to this repository of the hub, which is made private; asks first"),
    )
    command.add_argument(
        "--public", action="store_true", help=_("with --upload: everybody may see it")
    )
    command.add_argument(
        "--overwrite",
        action="store_true",
        help=_("replace an earlier export, with --ollama a model of that name too"),
    )
    command.add_argument(
        "--no-check", action="store_true", help=_("do not compare what was written with the run")
    )
    command.add_argument(
        "--yes", action="store_true", help=_("agree to --upload, and to a download of the model")
    )
    shared.add_json(command)


def _track(program: Program) -> None:
    command = program.add(
        "track",
        "track:track",
        _("write a run's figures for TensorBoard or Weights & Biases"),
        about=_(
            "Each comes with an extra: farense-tui[tensorboard], farense-tui[wandb]. wandb's run "
            "stays on the disk until 'wandb sync' takes it. The setting report.trackers does it "
            "while a run trains."
        ),
        examples=(
            "farense-tui track demo-1 --to tensorboard",
            "farense-tui track demo-1 --to wandb --follow",
        ),
    )
    shared.add_run(command)
    command.add_argument(
        "--to", choices=("tensorboard", "wandb"), required=True, help=_("which of them")
    )
    command.add_argument("--follow", action="store_true", help=_("go on until the run has ended"))


def _between(least: float, most: float) -> Callable[[str], float]:
    """Take a number within bounds, the bounds included."""

    def number(text: str) -> float:
        with contextlib.suppress(ValueError):
            if least <= float(text) <= most:
                return float(text)
        said = _("it is a number from {least:g} to {most:g}")
        raise argparse.ArgumentTypeError(said.format(least=least, most=most))

    return number
