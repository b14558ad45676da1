"""What a chat template may compute: so many steps, so long a text, so much time.

jinja2's sandbox keeps a template away from the machine, but not from its memory and its time:
`{{ 'a' * 10**10 }}` and loops within loops would take both. Here each body of a loop, a branch and
a macro counts as a step, each text and list that is made counts by its length, and what would be
made too long by a number is refused before.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import TemplateRuntimeError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from farense_worker.protocol.language import gettext as _

_STEPS = 2_000_000
_LENGTH = 40_000_000  # characters of all that is made on the way
_ELEMENT = 8  # what an element of a list counts
_NUMBER = 100_000  # of padding, repeating, and the digits of a number
_SECONDS = 20.0
_LOOK_EVERY = 1024  # steps between two looks at the clock
_WIDE = re.compile(r"\d{5}")  # a width in a pattern of % or format
_PADDING = {
    *("batch", "center", "expandtabs", "format", "generate_lorem_ipsum", "indent", "ljust"),
    *("rjust", "round", "slice", "tojson", "truncate", "wordwrap", "zfill"),
}


class TooMuch(TemplateRuntimeError):
    """The template computes more than is allowed."""


class Bounds:
    """Counts what one rendering takes. One at a time: the worker renders in one thread."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._steps = self._length = 0
        self._until = time.monotonic() + _SECONDS

    def tick(self) -> None:
        self._steps += 1
        if self._steps > _STEPS or (
            self._steps % _LOOK_EVERY == 0 and time.monotonic() > self._until
        ):
            raise TooMuch(_("the chat template does not come to an end: it was stopped"))

    def made(self, value: Any) -> Any:
        """Take down the length of what was made, and give it back."""
        if isinstance(value, str):
            self.length(len(value))
        elif isinstance(value, list | tuple | dict):
            self.length(len(value) * _ELEMENT)
        return value

    def length(self, length: int) -> None:
        """Take down a length, before it is made where that can be told."""
        self._length += length
        if self._length > _LENGTH:
            raise TooMuch(_("the chat template writes without end: it was stopped"))

    def pattern(self, pattern: Any) -> None:
        """Look at a pattern with widths in it."""
        if isinstance(pattern, str) and (_WIDE.search(pattern) or len(pattern) > _NUMBER):
            self.length(_LENGTH + 1)

    def arguments(self, name: str, value: Any, arguments: tuple[Any, ...]) -> None:
        """Look at the arguments of a function that makes texts as long as it is told."""
        if name in _PADDING:
            if any(isinstance(each, int) and each > _NUMBER for each in arguments):
                self.length(_LENGTH + 1)
            self.pattern(value)
        elif name == "replace" and isinstance(value, str) and len(arguments) > 1:
            old, new = str(arguments[0]), str(arguments[1])
            self.length((value.count(old) if old else len(value) + 1) * len(new))
        elif name == "join":
            texts, between = (
                (value, arguments[:1])
                if not isinstance(value, str)
                else (
                    arguments[0] if arguments else "",
                    (value,),
                )
            )
            if hasattr(texts, "__len__") and between:
                self.length(len(texts) * len(str(between[0])))


BOUNDS = Bounds()


class _Counted(CodeGenerator):
    """Puts a step before each body, and joins texts where they are counted."""

    def blockvisit(self, nodes: Any, frame: Frame) -> None:
        self.writeline("environment.tick()")
        super().blockvisit(nodes, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.made(''.join((")
        for each in node.nodes:
            self.write("str(")
            self.visit(each, frame)
            self.write("), ")
        self.write(")))")


class _Generation(Extension):
    """`{% generation %}` marks what the model is to write; the text is that within."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _Counted
    intercepted_binops = frozenset(("*", "**", "+", "%"))

    def tick(self) -> None:
        BOUNDS.tick()

    def made(self, value: Any) -> Any:
        return BOUNDS.made(value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, str | list | tuple) and isinstance(other, int):
                    BOUNDS.length(len(one) * max(0, other) * _ELEMENT)
        if operator in ("*", "**") and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length()
            if max(bits, right.bit_length()) > _NUMBER:
                BOUNDS.length(_LENGTH + 1)
        if operator == "%":
            BOUNDS.pattern(left)
        return BOUNDS.made(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps str.format
        name, owner = getattr(method, "__name__", ""), getattr(method, "__self__", None)
        BOUNDS.arguments(name, owner, (*args, *kwargs.values()))
        return BOUNDS.made(super().call(__context, __obj, *args, **kwargs))


def bounded_environment(filters: Mapping[str, Callable[..., Any]]) -> Any:
    """Make the sandbox for chat templates, with these filters beside jinja2's own."""
    environment = _Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, loopcontrols],
        finalize=BOUNDS.made,
    )
    own = environment.filters | dict(filters)
    environment.filters = {name: _counted(name, each) for name, each in own.items()}
    return environment


def _counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    # jinja2 hands some filters a context, an environment or both before the value.
    before = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        value, more = args[before], (*args[before + 1 :], *kwargs.values())
        BOUNDS.arguments(name, value, more)
        return BOUNDS.made(function(*args, **kwargs))

    return counted
