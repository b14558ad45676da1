"""Puts the meter around what goes through values without a call: `==`, `in`, `~`, `[a:b]`.

It does so in the tree that jinja2's parser makes, before it becomes Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from farense_worker.model.sandbox import prices
from farense_worker.model.sandbox.meter import ELEMENT, METER, OBJECT

_NODE = 500  # units, to compile it
_NAME = 4  # units, to copy it

# Filters of our own, by names that no template can write.
_WEIGHED, _SEARCHED, _MADE, _STEPPED = " weighed", " searched", " made", " stepped"
_SPREAD = " spread"
FILTERS = {
    _WEIGHED: METER.weigh,
    _SEARCHED: prices.searched,
    _MADE: METER.made,
    _SPREAD: prices.spread,
    _STEPPED: METER.step,
}


def weighed(tree: nodes.Template) -> nodes.Template:
    """Give the tree of a template with the meter in it, and charge for compiling it."""
    weighing = _Weighing()
    weighing.visit(tree)
    # jinja2 copies the names that it knows at each branch.
    METER.charge(_NAME * len(weighing.names) * weighing.branches)
    return tree


class _Weighing(NodeTransformer):
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.branches = 0

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        METER.charge(_NODE)
        if isinstance(node, nodes.Name):
            self.names.add(node.name)
        self.branches += isinstance(node, nodes.If)
        return super().visit(node, *args, **kwargs)

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

    def visit_Call(self, node: Any) -> nodes.Node:
        self.generic_visit(node)
        if node.dyn_args is not None:
            node.dyn_args = _put(_SPREAD, node.dyn_args)
        if node.dyn_kwargs is not None:
            node.dyn_kwargs = _put(_SPREAD, node.dyn_kwargs)
        return node

    visit_Filter = visit_Test = visit_Call

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


def _stepped(node: Any) -> nodes.Expr:
    """Charge an expression each time that it is computed."""
    return _put(_STEPPED, node, nodes.Const(cost([node])))


def _is_constant(node: nodes.Node) -> bool:
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return all(isinstance(each, nodes.Const) for each in node.items)
    return isinstance(node, nodes.Const)


def cost(body: Iterable[nodes.Node]) -> int:
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
        units += cost(node.iter_child_nodes(exclude=("body", "else_")))
    return units
