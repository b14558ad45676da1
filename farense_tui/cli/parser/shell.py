"""The command for the shell itself."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _

from farense_tui.cli.parser.program import Program


def add(program: Program) -> None:
    program.group(_("for your shell"))
    command = program.add(
        "completion",
        "completion:completion",
        _("print a script that completes commands, options and names"),
        about=_(
            "For bash, zsh, fish and tcsh. Names of runs are those in $FARENSE_RUNS, "
            "else ./checkpoints."
        ),
        examples=(
            "farense-tui completion bash > ~/.local/share/bash-completion/completions/farense-tui",
            "farense-tui completion zsh > ~/.zfunc/_farense-tui",
            "farense-tui completion fish > ~/.config/fish/completions/farense-tui.fish",
        ),
    )
    command.add_argument(
        "shell", nargs="?", metavar=_("SHELL"), help=_("bash, zsh, fish or tcsh; default: $SHELL")
    )
    command.add_argument(
        "--names",
        choices=("runs", "profiles"),
        help=_("print the names of these instead, one a line, as the scripts ask for them"),
    )
