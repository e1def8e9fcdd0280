"""What a template may say, whatever the list: checked on its syntax tree before any row is rendered.

Nodes are allowed by name, so that whatever Jinja2 learns in future stays out until someone has thought about it.
"""

import inspect
from collections.abc import Sequence
from typing import Final

from jinja2 import nodes

from campaign.loader.messages.bounds import MAX_NUMBER
from campaign.loader.messages.filters import FILTERS, TESTS
from campaign.loader.messages.methods import METHODS
from campaign.loader.names import shown

_ALLOWED: Final = (
    "Template Output TemplateData Name NSRef Const List Tuple Dict Pair Keyword If For With Assign AssignBlock FilterBlock CondExpr Filter "
    "Test Compare Operand And Or Not Neg Pos Add Sub Mul Div FloorDiv Mod Concat Getattr Getitem Slice Call"
)
_ALLOWED_KINDS: Final = frozenset(_ALLOWED.split())
_REFUSED: Final = {
    "Include": "{% include %}",
    "Import": "{% import %}",
    "FromImport": "{% from %}",
    "Extends": "{% extends %}",
    "Block": "{% block %}",
    "Macro": "{% macro %}",
    "CallBlock": "{% call %}",
    "Scope": "{% autoescape %}",
    "Pow": "**",
}
_OTHER_FILTERS: Final = f"filter, but {', '.join(sorted([*FILTERS, 'map']))} are"
_OTHER_TESTS: Final = f"test, but {', '.join(sorted(TESTS))} are"
_OTHER_METHODS: Final = f"method, but {', '.join(sorted(METHODS))} are"
_MAX_DEPTH: Final = 50
_MAX_LOOPS: Final = 8
"""Loops within loops; Python itself refuses more than 20 blocks."""


class RefusedError(Exception):
    """A template that can't be used; `problem` are whole sentences that go after the place."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


def check_grammar(template: nodes.Template) -> None:
    """Raises RefusedError for a template that says what a message may not."""
    waiting: list[tuple[nodes.Node, int, int]] = [(template, 0, 0)]
    while waiting:
        node, depth, loops = waiting.pop()
        kind = type(node).__name__
        if kind not in _ALLOWED_KINDS:
            raise RefusedError(_line_of(node), f"{_REFUSED.get(kind, kind)} can't be used in a message. Write the text out instead.")
        loops += isinstance(node, nodes.For)
        if depth > _MAX_DEPTH or loops > _MAX_LOOPS:
            raise RefusedError(node.lineno, "The template is nested too deeply. Write it in simpler parts.")
        _check_node(node)
        # Reversed, so that the first problem in the text is the one that is told.
        waiting += [(child, depth + 1, loops) for child in reversed(list(node.iter_child_nodes()))]


def _line_of(node: nodes.Node) -> int:
    # The parser leaves some nodes without a line that only hold others.
    return next(inner.lineno for inner in (node, *node.find_all(nodes.Node)) if inner.lineno)


def _check_node(node: nodes.Node) -> None:
    match node:
        case nodes.Const(value=int() | float() as value) if abs(value) > MAX_NUMBER:
            raise RefusedError(node.lineno, "A number has more than 18 digits. Write it as a text, in quotes.")
        case nodes.For(recursive=True):
            raise RefusedError(node.lineno, "A loop can't be recursive in a message. Write the text out instead.")
        case nodes.Filter(name="map"):
            _check_map(node)
        case nodes.Filter():
            _check_function(node, node.name, FILTERS.get(node.name), _OTHER_FILTERS)
        case nodes.Test():
            _check_function(node, node.name, TESTS.get(node.name), _OTHER_TESTS)
        case nodes.Call():
            _check_call(node)
        case _:
            pass


def _check_call(node: nodes.Call) -> None:
    _check_stars(node)
    match node.node:
        case nodes.Name(name="range") if not node.kwargs:
            pass
        case nodes.Name(name="namespace") if not node.args:
            pass
        case nodes.Getattr(node=nodes.Name(name="loop"), attr="cycle" | "changed") if not node.kwargs:
            pass
        case nodes.Getattr(attr=attr):
            _check_function(node, attr, METHODS.get(attr), _OTHER_METHODS)
        case _:
            raise RefusedError(node.lineno, "Only range(), namespace() and the methods of a text can be called in a message.")


def _check_map(node: nodes.Filter) -> None:
    _check_stars(node)
    match node.args:
        case [nodes.Const(value=str() as name), *args] if not node.kwargs:
            _check_known(node.lineno, name, FILTERS.get(name), _OTHER_FILTERS, args=args)
        case _:
            raise RefusedError(node.lineno, 'map() needs the name of a filter. Write it in quotes, as in map("trim").')


def _check_function(node: nodes.Filter | nodes.Test | nodes.Call, name: str, function: object, others: str) -> None:
    _check_stars(node)
    keywords = [keyword.key for keyword in node.kwargs if isinstance(keyword, nodes.Keyword)]
    _check_known(node.lineno, name, function, others, args=node.args, keywords=keywords)


def _check_known(line: int, name: str, function: object, others: str, *, args: Sequence[nodes.Expr], keywords: Sequence[str] = ()) -> None:
    if not callable(function):
        raise RefusedError(line, f"“{shown(name)}” is not a {others}.")
    try:
        inspect.signature(function).bind(None, *args, **dict.fromkeys(keywords))
    except TypeError as error:
        raise RefusedError(line, f"“{name}” can't be used like this: {error}. Change what stands in its brackets.") from None


def _check_stars(node: nodes.Filter | nodes.Test | nodes.Call) -> None:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise RefusedError(node.lineno, "* and ** can't be used in a message. Write the values out instead.")
