"""The sandbox that chat templates are compiled for: jinja2's, with all that is done in it metered.

jinja2 keeps a template away from the machine, but not from its memory and its time. Each body (of
a loop, a branch, a macro) is charged for what stands in it when it is entered; what goes through
a value (a filter, a method, an operator, a comparison, an output) for the value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import BlockReference, Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from farense_worker.model.sandbox import prices
from farense_worker.model.sandbox.meter import ELEMENT, METER, OBJECT
from farense_worker.protocol.language import gettext as _

_MOST_CHARACTERS = 200_000  # the longest that is known has 20,000
_NODE = 16  # units, to compile it
_OF_A_DICT = frozenset(dir(dict))
_OPERATORS = frozenset(("+", "-", "*", "/", "//", "%", "**"))

# Filters of our own, by names that no template can write.
_WEIGHED, _SEARCHED, _MADE, _STEPPED = " weighed", " searched", " made", " stepped"
_OWN = {
    _WEIGHED: METER.weigh,
    _SEARCHED: prices.searched,
    _MADE: METER.made,
    _STEPPED: lambda value, units: (METER.charge(units), value)[1],
}


class _Weighing(NodeTransformer):
    """Puts the meter around what goes through values without a call: `==`, `in`, `~`, `[a:b]`."""

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        sides = [node.expr, *(each.expr for each in node.ops)]
        if len(node.ops) == 1 and node.ops[0].op not in ("in", "notin"):
            if any(isinstance(each, nodes.Const) for each in sides):
                return node  # no longer than the constant
        node.expr = _put(_WEIGHED, node.expr)
        for each in node.ops:
            if each.op in ("in", "notin"):
                each.expr = _put(_SEARCHED, each.expr)
            else:
                each.expr = _put(_WEIGHED, each.expr)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [_put(_WEIGHED, each) for each in node.nodes]
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return _put(_MADE, node)
        node.arg = _put(_WEIGHED, node.arg)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:
        self.generic_visit(node)
        node.key = _put(_WEIGHED, node.key)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        if node.test is not None:
            node.test = _stepped(node.test)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        self.generic_visit(node)
        node.defaults = [_stepped(each) for each in node.defaults]
        return node

    visit_CallBlock = visit_Macro


def _put(name: str, node: nodes.Expr, *arguments: nodes.Expr) -> nodes.Expr:
    if _is_constant(node):
        return node
    return nodes.Filter(node, name, list(arguments), [], None, None, lineno=node.lineno)


def _stepped(node: nodes.Expr) -> nodes.Expr:
    """Charge an expression each time that it is computed."""
    return _put(_STEPPED, node, nodes.Const(_cost([node])))


def _is_constant(node: nodes.Node) -> bool:
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return all(isinstance(each, nodes.Const) for each in node.items)
    return isinstance(node, nodes.Const)


def _cost(body: Iterable[nodes.Node]) -> int:
    """Count what stands in a body, without the bodies within."""
    units = 0
    for node in body:
        units += 1
        if isinstance(node, nodes.TemplateData):
            units += len(node.data)
        elif isinstance(node, (nodes.Dict, nodes.List, nodes.Tuple)):
            units += OBJECT + ELEMENT * len(node.items)
            keys = [each for each in node.items if isinstance(each, nodes.Pair)]
            units += sum(not isinstance(each.key, nodes.Const) for each in keys) ** 2
        elif isinstance(node, (nodes.For, nodes.Macro, nodes.CallBlock)):
            units += OBJECT
        units += _cost(node.iter_child_nodes(exclude=("body", "else_")))
    return units


class _Metered(CodeGenerator):
    """Charges each body when it is entered. What is constant is computed when it is needed."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        METER.charge(_NODE)
        return super().visit(node, *args, **kwargs)

    def blockvisit(self, nodes: Any, frame: Frame) -> None:
        self.writeline(f"environment.charge({ELEMENT + _cost(nodes)})")
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

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _Metered
    intercepted_binops = _OPERATORS
    charge = staticmethod(METER.charge)

    def _parse(self, *args: Any, **kwargs: Any) -> nodes.Template:
        tree = super()._parse(*args, **kwargs)
        _Weighing().visit(tree)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute not in _OF_A_DICT:  # as jinja2 does, without an error
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        kind = type(obj)
        if kind is Namespace:
            return not attr.startswith("_")
        if kind in prices.METHODS and attr in prices.METHODS[kind]:
            return True
        return super().is_safe_attribute(obj, attr, value) and prices.is_safe(obj, attr, value)

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


def environment(filters: Mapping[str, Callable[..., Any]], **more: Any) -> Any:
    """Make the sandbox for chat templates, with these filters and globals beside jinja2's own."""
    made = _Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        optimized=False,
        extensions=[_Generation, loopcontrols],
        finalize=METER.weigh,
    )
    own = made.filters | dict(filters)
    made.filters = {name: _filter(name, own[name]) for name in own if name in prices.FILTERS}
    made.filters |= _OWN
    made.tests = {
        name: each if name in prices.CHEAP_TESTS else _test(name, each)
        for name, each in made.tests.items()
    }
    del made.globals["lipsum"]
    made.globals |= more
    return made


def compiled(made: Any, template: str) -> Any:
    """Compile a template. TooMuch for one that is longer than any, or takes too long."""
    if len(template) > _MOST_CHARACTERS:
        METER.stop()
    return made.from_string(template)


def _filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    # jinja2 hands some filters a context, an environment or both before the value.
    before = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def metered(*args: Any, **kwargs: Any) -> Any:
        charged = prices.of_filter(name, args[before:], kwargs)
        return METER.made(function(*args[:before], *charged, **kwargs))

    return metered


def _test(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    before = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def metered(*args: Any, **kwargs: Any) -> Any:
        charged = prices.of_test(name, args[before:])
        return function(*args[:before], *charged, **kwargs)

    return metered
