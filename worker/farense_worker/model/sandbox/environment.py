"""The sandbox that chat templates are compiled for: jinja2's, with all that is done in it metered.

jinja2 keeps a template away from the machine, but not from its memory and its time. Each body (of
a loop, a branch, a macro) is charged for what stands in it when it is entered; what goes through
a value (a filter, a method, an operator, a comparison, an output) for the value.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser
from jinja2.runtime import BlockReference, Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from farense_worker.model.sandbox import allowed, prices, weighing
from farense_worker.model.sandbox.json_text import to_json
from farense_worker.model.sandbox.meter import ELEMENT, METER, OBJECT
from farense_worker.protocol.language import gettext as _

_MOST_CHARACTERS = 200_000  # the longest that is known has 20,000
_TOKEN = 100  # units, to read it
_OF_A_DICT = frozenset(dir(dict))
_OPERATORS = frozenset(("+", "-", "*", "/", "//", "%", "**"))


class _Metered(CodeGenerator):
    """Charges each body when it is entered. What is constant is computed when it is needed."""

    def blockvisit(self, nodes: Any, frame: Frame) -> None:
        self.writeline(f"environment.charge({ELEMENT + weighing.cost(nodes)})")
        super().blockvisit(nodes, frame)

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def _alone(self, node: nodes.Stmt, frame: Frame) -> None:
        self.fail(_("a chat template stands alone: it cannot take in another"), node.lineno)

    visit_Include = visit_Import = visit_FromImport = visit_Extends = _alone


class _Generation(Extension):
    """`{% generation %}` marks what the model is to write; the text is that within."""

    tags = {"generation"}  # noqa: RUF012

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        for token in stream:
            METER.charge(_TOKEN)
            yield token

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _Metered
    intercepted_binops = _OPERATORS
    charge = staticmethod(METER.charge)

    def _parse(self, *args: Any, **kwargs: Any) -> nodes.Template:
        return weighing.weighed(super()._parse(*args, **kwargs))

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute not in _OF_A_DICT:  # as jinja2 does, without an error
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        kind = type(obj)
        if kind is Namespace:
            return not attr.startswith("_")
        if kind in allowed.METHODS and attr in allowed.METHODS[kind]:
            return True
        return super().is_safe_attribute(obj, attr, value) and allowed.is_safe(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Any:
        if type(value) not in (BuiltinMethodType, MethodType) or value.__name__ != "format":
            return None  # nor is format_map wrapped: is_safe_attribute refuses it
        formats = super().wrap_str_format(value)
        if formats is None:
            return None

        @functools.wraps(value)
        def metered(*args: Any, **kwargs: Any) -> Any:
            prices.of_format(value.__self__, args, kwargs)
            return formats(*args, **kwargs)

        return metered

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and type(left) is str and type(right) is str:
            METER.charge(len(left) + len(right))
            return left + right
        prices.of_operator(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        for scope in ("_loop_vars", "_block_vars"):  # jinja2's, for what takes the context
            kwargs.pop(scope, None)
        if type(__obj) is BuiltinMethodType:  # which none of jinja2's looks concern
            return METER.made(__obj(*prices.of_call(__obj, args, kwargs), **kwargs))
        if isinstance(__obj, (Macro, BlockReference, LoopContext)):
            METER.charge(OBJECT)
        elif __obj is dict or __obj is Namespace:
            METER.charge(OBJECT + 3 * ELEMENT * len(kwargs))
            args = tuple(map(prices.pairs, args))
        else:
            args = prices.of_call(__obj, args, kwargs)
        return METER.made(super().call(__context, __obj, *args, **kwargs))


def environment(**more: Any) -> Any:
    """Make the sandbox for chat templates, with these globals beside jinja2's own."""
    made = _Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        optimized=False,
        extensions=[_Generation, loopcontrols],
        finalize=METER.weigh,
    )
    own = made.filters | {"tojson": to_json}
    made.filters = {name: _filter(name, own[name]) for name in own if name in allowed.FILTERS}
    made.filters |= weighing.FILTERS
    made.tests = {
        name: each if name in allowed.CHEAP_TESTS else _test(name, each)
        for name, each in made.tests.items()
    }
    del made.globals["lipsum"]
    made.globals |= more
    return made


def compiled(made: Any, template: str) -> Any:
    """Compile a template. TooMuch for one that is longer than any, or takes too long."""
    if len(template) > _MOST_CHARACTERS:
        METER.stop()
    with warnings.catch_warnings():  # of Python's compiler, about what jinja2 made of it
        warnings.simplefilter("ignore")
        return made.from_string(template)


def _filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    # jinja2 hands some filters a context, an environment or both before the value.
    before = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def metered(*args: Any, **kwargs: Any) -> Any:
        charged = prices.of_filter(name, args[before:], kwargs)
        return METER.made(function(*args[:before], *charged, **kwargs))

    return metered


def _test(name: str, function: Any) -> Callable[..., Any]:
    before = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def metered(*args: Any, **kwargs: Any) -> Any:
        charged = prices.of_test(name, args[before:])
        return function(*args[:before], *charged, **kwargs)

    return metered
