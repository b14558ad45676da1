"""What commands share: the run, the profile and the settings that the arguments name."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from farense_worker.protocol.errors import refused, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.fields import setting
from farense_worker.protocol.settings.profile import Model, Profile, replace_setting

from farense_tui.cli.output import tell
from farense_tui.engine.machine import hardware
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.runs import folders


def terminal() -> bool:
    """Whether there is a terminal for a screen; one that is dumb can place nothing."""
    dumb = os.environ.get("TERM") == "dumb"
    return sys.stdin.isatty() and sys.stdout.isatty() and not dumb


def agrees(question: str) -> bool:
    """Ask at the terminal; enter alone, and the end of the input, is no."""
    yes_or_no = _("[y/N]")
    try:
        answer = input(f"{question} {yes_or_no} ")
    except EOFError:
        return False
    return answer.strip().casefold() in ("y", "yes", _("y"), _("yes"))


def may_download(models: Iterable[Model], *, yes: bool) -> bool:
    """Ask before large models are downloaded; without a terminal that is refused."""
    from farense_tui.engine.preflight import download

    for model in () if yes else models:
        found = download.needed(model)
        if found is None:
            continue
        if not terminal():
            raise download.unasked(found)
        tell(found.words)
        if not agrees(_("Download it?")):
            return False
    return True


def runs_dir(args: argparse.Namespace) -> Path:
    """Give the folder of the runs."""
    return folders.runs_dir(args.runs_dir)


def run(args: argparse.Namespace) -> RunFolder:
    """Give the run that RUN names; FarenseError if it is not there."""
    return folders.find(args.run, runs_dir(args))


def profile_name(args: argparse.Namespace) -> str:
    """Give --profile, else the one that fits this machine."""
    return str(args.profile or catalogue.fitting(hardware.machine(), catalogue.find()))


def profile(args: argparse.Namespace, name: str | None = None) -> Profile:
    """Give a profile, --profile's if none is named, with --model, --data and --set applied."""
    made = catalogue.get(name or profile_name(args))
    given = [f"{n}={v}" for n, v in (("model.repo", args.model), ("data.path", args.data)) if v]
    for key, value in settings([*given, *args.set]):
        made = replace_setting(made, key, value)
    return made


def settings(assignments: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Parse `section.key=VALUE`, each."""
    for assignment in assignments:
        name, sign, text = assignment.partition("=")
        if not sign:
            raise usage(f"--set {assignment}", hint=_("It is --set section.key=VALUE."))
        declared = setting(name.strip())
        try:
            yield declared.name, declared.parse_text(text.strip())
        except ValueError as error:
            hint = declared.description
            raise refused(f"{declared.name} {error}", hint=hint, kind="profile") from error
