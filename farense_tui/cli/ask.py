"""`farense-tui ask`: the answers of base models and adapters, as they are made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from farense_worker.protocol import system_prompt
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.conversation import Answered, Question, Setup
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Model

from farense_tui.cli import common
from farense_tui.cli.output import say, tell
from farense_tui.engine.models import locate
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.runs import folders, found_again
from farense_tui.engine.tasks import ask as asking


def ask(args: argparse.Namespace) -> int:
    """Answer a question with the base model and with adapters."""
    *names, last = args.words
    text = _question(last, args)
    setups = _setups(names, args)
    models = [Model(setup.repo, revision=setup.revision) for setup, _system in setups]
    if not common.may_download(models, yes=args.yes):
        return ExitCode.STOPPED
    for setup, trained_with in setups:
        with asking.Conversation(setup) as conversation:
            if not conversation.ready().takes_system:
                trained_with = None
            question = Question(
                text=text,
                system=trained_with if args.system is None else args.system or None,
                max_tokens=args.max_tokens,
                temperature=args.temperature,
                top_p=args.top_p,
                min_p=args.min_p,
                repetition=args.repetition,
                seed=args.seed,
            )
            heading, base = None, _("base model")
            for said in conversation.ask(question):
                if heading != said.name:
                    heading = said.name
                    say(f"[{said.name or base}] ", end="")
                end = isinstance(said, Answered)
                piece = "" if isinstance(said, Answered) else said.text
                say(piece, end="\n" if end else "")
                if isinstance(said, Answered) and said.cut_off:
                    told = _("{name}: cut off after {n} tokens; --max-tokens gives it more")
                    tell(told.format(name=said.name or base, n=said.tokens))
    return ExitCode.DONE


def _question(word: str, args: argparse.Namespace) -> str:
    """Give what is asked: the last word, or standard input for `-`.

    Raises FarenseError (usage) where that is nothing, or a run: a name was not meant as a question.
    """
    text = sys.stdin.read().strip() if word == "-" else word
    if not text.strip():
        raise usage(_("there is no question"), hint=_('farense-tui ask RUN "QUESTION"'))
    if word != "-" and folders.path_of(word, common.runs_dir(args)):
        raise usage(
            _("{name} is a run, and there is no question for it").format(name=clean(word)),
            hint=_('farense-tui ask RUN "QUESTION"; - takes it from standard input.'),
        )
    return text


def _setups(names: list[str], args: argparse.Namespace) -> list[tuple[Setup, str | None]]:
    """Give one worker's task for each base model and type, and the system prompt of its runs."""
    by_model: dict[tuple[str, str], list[RunFolder]] = {}
    for name in dict.fromkeys(names):
        run = folders.find(name, common.runs_dir(args))
        for said in found_again.remarks(run, data=args.system is None):
            tell(said)
        model = found_again.config_of(run).model
        by_model.setdefault((model.repo, model.dtype), []).append(run)
    if by_model:
        return [(asking.setup(found), _system(found, args)) for found in by_model.values()]
    profile = catalogue.get(args.profile or catalogue.DEMO)
    return [(Setup(locate.resolve(args.model or profile.model.repo)), None)]


def _system(found: list[RunFolder], args: argparse.Namespace) -> str | None:
    """Give what the runs were trained with; where they differ there is none, which is told."""
    if args.system is not None:
        return None
    data = {run.name: found_again.config_of(run).data for run in found}
    system, alike = system_prompt.shared(data.values())
    if not alike:
        told = _("{runs}: trained with different system prompts, asked without; --system gives one")
        tell(told.format(runs=", ".join(data)))
    for name in data:
        if not (Path(data[name].path) / "train.jsonl").is_file():
            told = _(
                "{run}: its data is gone; if it was trained with a system prompt, give --system"
            )
            tell(told.format(run=name))
    return system
