"""The command line: parse it, load the command's module, run it, tell an error."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Container, Sequence
from importlib import import_module
from pathlib import Path

from farense_worker.protocol.errors import (
    ExitCode,
    FarenseError,
    of_fault,
    of_system,
    refused,
    usage,
)
from farense_worker.protocol.language import gettext as _

from farense_tui.cli.output import flush, let_go, tell
from farense_tui.cli.parser import build


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale may know no arrow
            stream.reconfigure(errors="replace")
    try:
        try:
            return _run(sys.argv[1:] if argv is None else list(argv))
        finally:
            flush()  # what cannot be written is told below, and not by Python at its end
    except FarenseError as error:
        return _report(error)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    except BrokenPipeError:  # `farense-tui runs | head`
        return ExitCode.FAILED
    except OSError as error:  # a full device behind stdout, a file that may not be read
        return _report(of_system(error))
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback is for a user
        return _report(of_fault(error))
    finally:
        let_go()


def _run(argv: list[str]) -> int:
    for word in argv:
        if not _is_text(word):
            raise usage(_("{word} is not UTF-8").format(word=ascii(word)))
    program = build()
    data, words = own_data(argv, program.commands.choices)
    args = program.parse_args(words)  # --lang has been taken before (farense_tui/__main__.py)
    args.own_data = data
    if not _stands_somewhere():
        gone, hint = _("the current folder was deleted"), _("Go to another one and try again.")
        raise refused(gone, hint=hint)
    if args.ascii:
        os.environ["FARENSE_ASCII"] = "1"
    # A command is named `module:function`: nothing waits for the modules of the others.
    module, function = args.command.split(":")
    return int(getattr(import_module(f"farense_tui.cli.{module}"), function)(args))


def _stands_somewhere() -> bool:
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


def _is_text(word: str) -> bool:
    """Whether a word of the command line can be written down: Python takes other bytes, too."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def own_data(words: list[str], commands: Container[str]) -> tuple[str, list[str]]:
    """Take the data that the app is to open on, where no command is given: `farense-tui .`.

    Options may stand on both sides of it. A folder of the name of a command is ./NAME. Gives an
    absolute path, empty for none, and the other words.
    """
    said = [at for at in range(len(words)) if not _of_option(words, at)]
    if not said or any(words[at] in commands for at in said):
        return "", words
    word = words[said[0]]
    path = Path(os.path.expanduser(word))
    if not os.path.exists(path) and not {"/", "~", "."} & {word[:1], *word}:
        return "", words  # a command that was misspelt: the parser says so
    return str(path.absolute()), [*words[: said[0]], *words[said[0] + 1 :]]


def _of_option(words: Sequence[str], at: int) -> bool:
    return words[at].startswith("-") or (at > 0 and words[at - 1] in ("--runs-dir", "--lang"))


def _report(error: FarenseError) -> int:
    """Tell an error on stderr; its exit code."""
    tell(f"farense-tui: {error.title}")
    for part in (error.detail, error.hint):
        for line in part.splitlines():
            tell(f"  {line}")
    return error.exit_code
