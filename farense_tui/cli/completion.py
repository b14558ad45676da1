"""`farense-tui completion`: a script that teaches a shell the command line.

shtab writes it from the parser. Names of runs and profiles are asked for when they are wanted,
with `farense-tui completion --names`; all else stands in the script.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import shtab
from farense_worker.protocol.errors import ExitCode, usage
from farense_worker.protocol.language import LANGUAGES
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.fields import SETTINGS
from farense_worker.protocol.simulation import SCENARIOS

from farense_tui import compat
from farense_tui.cli import common
from farense_tui.cli.output import say
from farense_tui.cli.parser import build
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.runs import folders

SHELLS = ("bash", "zsh", "fish", "tcsh")


def completion(args: argparse.Namespace) -> int:
    """Print a shell's script, or the names that it asks for."""
    if args.names:
        names = {"runs": _runs, "profiles": _profiles}[args.names](args)
        say("\n".join(names), end="\n" if names else "")
        return ExitCode.DONE
    shell = args.shell or Path(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        raise usage(
            _("there is no completion for {shell}").format(shell=shell or _("an unknown shell")),
            hint=_("farense-tui completion SHELL; SHELL is {names}.").format(
                names=", ".join(SHELLS)
            ),
        )
    say(script(shell))
    return ExitCode.DONE


def script(shell: str) -> str:
    program = build()
    _prepare(program)
    written = str(shtab.complete(program, shell))
    return f"{written}\n{_BASH}" if shell == "bash" else written


# shtab asks in a subshell, where nothing can be said about the space that bash adds.
# not translated: a script
_BASH = """
_farense_tui() {
  _shtab_farense_tui
  [[ ${#COMPREPLY[@]} = 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o bashdefault -F _farense_tui farense-tui"""


def _prepare(parser: argparse.ArgumentParser) -> None:
    """Say of each argument how it is completed, and of each command only what it is for."""
    for action in compat.arguments(parser):
        if action.dest in _CHOICES:
            action.choices = list(_CHOICES[action.dest])
        elif action.dest in _VALUES:
            action.complete = _VALUES[action.dest]  # type: ignore[attr-defined]
        for listed, below in compat.commands(action):
            below.description = listed.help
            _prepare(below)


def _runs(args: argparse.Namespace) -> list[str]:
    return [run.name for run in folders.folders(common.runs_dir(args))]


def _profiles(_args: argparse.Namespace) -> list[str]:
    return [each.name for each in catalogue.find()]


# ---- how each shell completes a value --------------------------------------------------------


def _names(what: str) -> dict[str, Any]:
    """Ask for names at the time. shtab.cmd would, in zsh, ask once when the script is loaded."""
    ask = f"farense-tui completion --names {what} 2>/dev/null"  # not translated: a script
    function = f"_farense_tui_{what}"
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({ask})",
        "tcsh": f"`farense-tui completion --names {what}`",  # not translated: a script
        "preamble": {
            # Not `compgen -W`: bash would expand what stands in a name.
            # not translated: a script
            "bash": f"{function}() {{ {ask} | while IFS= read -r name; do "
            f'[[ $name == "$1"* ]] && printf "%s\\n" "$name"; done; }}',
            "zsh": f'{function}() {{ compadd -- ${{(f)"$({ask})"}}; }}',
        },
    }


def _assignments() -> dict[str, Any]:
    """Complete `section.key=`, without a space after it."""
    keys = " ".join(f"{each.name}=" for part in SETTINGS.values() for each in part.values())
    function = "_farense_tui_settings"
    return {
        "bash": function,
        "zsh": function,
        "fish": keys,
        "tcsh": f"({keys})",
        "preamble": {
            "bash": f'{function}() {{ compgen -W "{keys}" -- "$1"; }}',
            "zsh": f"{function}() {{ compadd -S '' -- {keys}; }}",
        },
    }


# Where argparse knows no choices, because what is wrong is told better elsewhere.
_CHOICES = {"scenario": SCENARIOS, "lang": LANGUAGES, "shell": SHELLS}
_RUNS, _PROFILES = _names("runs"), _names("profiles")
_VALUES: dict[str, Any] = {
    "run": _RUNS,
    "runs": _RUNS,
    "words": _RUNS,
    "profile": _PROFILES,
    "set": _assignments(),
    "runs_dir": shtab.DIRECTORY,
    "data": shtab.DIRECTORY,
    "model": shtab.DIRECTORY,
    "to": shtab.DIRECTORY,
    "hosts": shtab.FILE,
    "config": shtab.FILE,
    "record": shtab.FILE,
    "sources": shtab.FILE,
}
