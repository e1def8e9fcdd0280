"""Rewrites a checked syntax tree so that every step that could grow or repeat goes through a bounded function of the sandbox.

A rewritten tree goes through Jinja2's own compiler. The names of these functions (`~`, `for`, `.upper`) are not among the filters that a
template may name.
"""
# ruff: noqa: N802 - Jinja2 finds a visitor by the name of its node

from typing import Any, Final

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from campaign.loader.messages.sandbox import ENVIRONMENT


def instrument(template: nodes.Template) -> nodes.Template:
    """The tree to compile; the one given is used up."""
    rewritten = _Instrument().visit(template)
    assert isinstance(rewritten, nodes.Template)  # noqa: S101 - for the type checker
    rewritten.set_environment(ENVIRONMENT)
    return rewritten


def _through(name: str, node: nodes.Expr, *args: nodes.Expr | None, kwargs: list[nodes.Keyword] | None = None, line: int) -> nodes.Filter:
    given = [nodes.Const(None, lineno=line) if arg is None else arg for arg in args]
    return nodes.Filter(node, name, given, kwargs or [], None, None, lineno=line)


_STEP: Final = 5
"""What a turn costs besides what is written in its loop."""


class _Instrument(NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.Node:
        # The text of a body is written at every turn without passing any function, so it is paid for in advance.
        turn = _STEP + sum(1 + len(getattr(inner, "data", "")) for inner in node.find_all(nodes.Node))
        self.generic_visit(node)
        assert isinstance(node.iter, nodes.Expr)  # noqa: S101 - for the type checker
        node.iter = _through("for", node.iter, nodes.Const(turn), line=node.lineno)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        for operand in node.ops:
            # Searching a text for another is the one comparison that takes long: milliseconds for the longest.
            if operand.op in {"in", "notin"} and not isinstance(operand.expr, nodes.List | nodes.Tuple | nodes.Dict):
                operand.expr = _through("in", operand.expr, line=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _through("~", node.nodes[0], *node.nodes[1:], line=node.lineno)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return _through("[:]", node.node, node.arg.start, node.arg.stop, node.arg.step, line=node.lineno)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        method = node.node
        if isinstance(method, nodes.Getattr) and method.attr not in {"cycle", "changed"}:
            return _through(f".{method.attr}", method.node, *node.args, kwargs=node.kwargs, line=node.lineno)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return self._built(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return self._built(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self._built(node) if node.ctx == "load" else node

    def _built(self, node: Any) -> nodes.Node:
        # One of constants only is no larger than the template's source, and is measured wherever it is used.
        constant = all(isinstance(inner, nodes.Const | nodes.Pair) for inner in node.find_all(nodes.Node))
        self.generic_visit(node)
        return node if constant else _through("[]", node, line=node.lineno)
