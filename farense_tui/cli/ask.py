"""`farense-tui ask`: the answers of base models and adapters, as they are made."""

from __future__ import annotations

import argparse

from farense_tui.cli import common
from farense_tui.cli.headless import clean
from farense_tui.engine import ask as asking
from farense_tui.engine import models, profiles, runs
from worker.protocol.conversation import Answered, Question, Setup
from worker.protocol.errors import ExitCode
from worker.protocol.language import gettext as _
from worker.protocol.runfolder import RunFolder


def ask(args: argparse.Namespace) -> int:
    """Answer a question with the base model and with adapters."""
    *names, text = args.words
    question = Question(
        text=text, max_tokens=args.max_tokens, temperature=args.temperature, seed=args.seed
    )
    for setup in _setups(names, args):
        with asking.Conversation(setup) as conversation:
            conversation.ready()
            heading, base = None, _("base model")
            for said in conversation.ask(question):
                if heading != said.name:
                    heading = said.name
                    print(f"[{said.name or base}] ", end="")
                end = isinstance(said, Answered)
                piece = "" if isinstance(said, Answered) else said.text
                print(clean(piece), end="\n" if end else "", flush=True)
    return ExitCode.DONE


def _setups(names: list[str], args: argparse.Namespace) -> list[Setup]:
    """Give one worker's task for each base model."""
    by_model: dict[str, list[RunFolder]] = {}
    for name in dict.fromkeys(names):
        run = runs.find(name, common.runs_dir(args))
        by_model.setdefault(run.read_config().model.repo, []).append(run)
    if by_model:
        return [asking.setup(found) for found in by_model.values()]
    profile = profiles.get(args.profile or profiles.DEMO)
    return [Setup(models.resolve(args.model or profile.model.repo))]
