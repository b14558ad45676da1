"""What the command line looks like: commands, arguments, help. What they do is elsewhere.

The groups stand in the order in which a user needs them.
"""

from __future__ import annotations

from farense_tui import __version__
from farense_tui.cli.parser import after, before, running, shared, shell, trying
from farense_tui.cli.parser.program import Program


def build() -> Program:
    """Give the parser. `command` of what it parses is `module:function` in farense_tui/cli."""
    program = Program(
        prog="farense-tui",
        description="Start, watch and steer LoRA fine-tuning with Apple's MLX. "
        "Without a command it opens the app.",
        epilog=(
            "examples:\n"
            "  farense-tui                          open the app\n"
            "  farense-tui doctor                   is all here that a run needs?\n"
            "  farense-tui train --profile demo     train the small model that comes along\n"
            "  farense-tui COMMAND --help           what a command takes\n"
            "\n"
            "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused before the start, "
            "130 stopped by the user."
        ),
    )
    program.add_argument(
        "--version",
        action="version",
        version=f"farense-tui {__version__}",
        help="print the version",
    )
    shared.add_common(program)
    program.set_defaults(command="watching:app")
    program.common.append(shared.common())
    for group in (before, running, after, trying, shell):
        group.add(program)
    return program
