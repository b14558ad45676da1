"""How the parser is put together and how its help is laid out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from farense_worker.protocol.clean_text import printable
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark, ngettext

from farense_tui import compat
from farense_tui.compat import Layout

compat.speak(_, ngettext)
# What a user can get to see of argparse's words, in each of compat.PYTHONS.
ARGPARSE = (
    mark("usage: "),
    mark("positional arguments"),
    mark("options"),
    mark("show this help message and exit"),
    mark("show program's version number and exit"),
    mark("%(heading)s:"),
    mark("%(prog)s: error: %(message)s\n"),
    mark("argument %(argument_name)s: %(message)s"),
    mark("unrecognized arguments: %s"),
    mark("the following arguments are required: %s"),
    mark("one of the arguments %s is required"),
    mark("not allowed with argument %s"),
    mark("ambiguous option: %(option)s could match %(matches)s"),
    mark("invalid choice: %(value)r (choose from %(choices)s)"),
    mark("invalid %(type)s value: %(value)r"),
    mark("ignored explicit argument %r"),
    mark("unknown parser %(parser_name)r (choices: %(choices)s)"),
    mark("expected one argument"),
    mark("expected at most one argument"),
    mark("expected at least one argument"),
    ngettext("expected %s argument", "expected %s arguments", 1),
)


class Parser(compat.Commands):
    """Tells what is wrong with a command line, of which any word may hold escape codes."""

    no_command = _("there is no command {word}.")

    def unknown(self, word: str, commands: Iterable[str]) -> str:
        """Say which of the commands was probably meant."""
        from farense_worker.protocol.settings.fields import nearest  # a good command needs it not

        return f"{self.no_command.format(word=word)} {nearest(word, commands)}"

    def error(self, message: str) -> NoReturn:
        """Say it, cleaned, and leave."""
        super().error(printable(message))


class Command(Parser):
    """One command.

    intermixed: takes any number of words, which may stand before and after its options.
    """

    examples: tuple[str, ...] = ()
    intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, or words and options in any order."""
        if not self.intermixed:
            return super().parse_known_args(args, namespace)
        self.intermixed = False  # argparse calls this method to do it
        usage = self.usage
        if usage is None and sys.version_info < (3, 14):  # argparse cuts off len("usage: ") letters
            self.usage = self.format_usage().removeprefix(_("usage: ")).rstrip()
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.intermixed, self.usage = True, usage


@dataclass
class Group:
    """Commands that are needed together."""

    title: str
    commands: list[argparse.Action] = field(default_factory=list)


class Program(Parser):
    """The program: its help lists the commands under the titles of their groups."""

    no_command = _("there is no command and no folder {word}.")

    def unknown(self, word: str, commands: Iterable[str]) -> str:
        """Say which was probably meant; a folder is one that stands before a command."""
        if os.path.isdir(word):
            told = _(
                "{word} is a folder, no command: the app opens on it where no command is given."
            )
            return told.format(word=word)
        return super().unknown(word, commands)

    def __init__(self, *, prog: str, description: str, epilog: str) -> None:
        """Begin without commands."""
        super().__init__(prog=prog, description=description, epilog=epilog, formatter_class=Layout)
        self.groups: list[Group] = []
        self.commands = self.add_subparsers(metavar=_("COMMAND"), parser_class=Command)
        self.usage = "%(prog)s " + _("[OPTIONS] [COMMAND ...]")
        self.common: list[Command] = []

    def group(self, title: str) -> None:
        """Begin a group: what is added next belongs to it."""
        self.groups.append(Group(title))

    def add(
        self,
        name: str,
        function: str,
        help_: str,
        *,
        about: str = "",
        examples: Sequence[str] = (),
        below: compat.Subparsers | None = None,
    ) -> Command:
        """Add a command.

        function: `module:function` in farense_tui/cli. about: what there is to say beyond `help_`.
        examples: whole command lines. below: the command that this one belongs to, if any.
        """
        to = self.commands if below is None else below
        made = to.add_parser(
            name,
            help=help_,
            description=f"{help_[0].upper()}{help_[1:]}.{f' {about}' if about else ''}",
            epilog="\n".join([_("examples:"), *(f"  {each}" for each in examples)]),
            formatter_class=Layout,
            parents=self.common,
        )
        made.examples = tuple(examples)
        made.set_defaults(command=function)
        if below is None:
            self.groups[-1].commands.append(compat.listed(to)[-1])
        return made

    def format_help(self) -> str:
        """Lay out the help: usage, commands by group, options, what else there is to say."""
        formatter = compat.usage(self)
        formatter.add_text(self.description)
        for group in self.groups:
            formatter.start_section(group.title)
            formatter.add_arguments(group.commands)
            formatter.end_section()
        formatter.start_section(_("options"))
        formatter.add_arguments([each for each in compat.arguments(self) if each.option_strings])
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()
