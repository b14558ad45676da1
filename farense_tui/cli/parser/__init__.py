"""What the command line looks like: commands, arguments, help. What they do is elsewhere.

The groups stand in the order in which a user needs them.
"""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _

from farense_tui import __version__
from farense_tui.cli.parser import after, before, running, shared, shell, trying
from farense_tui.cli.parser.program import Program


def build() -> Program:
    """Give the parser. `command` of what it parses is `module:function` in farense_tui/cli."""
    program = Program(
        prog="farense-tui",
        description=_(
            "Start, watch and steer LoRA fine-tuning with Apple's MLX. "
            "Without a command it opens the app."
        ),
        epilog=_("examples:")
        + f"\n{_examples()}\n\n"
        + _(
            "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused before the start, "
            "130 stopped by the user."
        ),
    )
    program.add_argument(
        "--version",
        action="version",
        version=f"farense-tui {__version__}",
        help=_("print the version"),
    )
    shared.add_common(program)
    program.set_defaults(command="running.watching:app")
    program.common.append(shared.common())
    for group in (before, running, after, trying, shell):
        group.add(program)
    return program


def _examples() -> str:
    told = {
        "": _("open the app"),
        _("~/my-data"): _("open it on your own data"),
        "doctor": _("is all here that a run needs?"),
        "train --profile demo": _("train the small model that comes along"),  # not translated
        _("COMMAND --help"): _("what a command takes"),
    }
    width = max(map(len, told)) + 5
    return "\n".join(f"  farense-tui {words:{width}}{what}" for words, what in told.items())
