"""Which names a template uses, followed through its scopes, and whether the list has a column for each.

Scopes are Jinja2's: a `{% set %}` inside a loop ends with the loop, one inside an `{% if %}` does not.
"""
# ruff: noqa: N802 - Jinja2 finds a visitor by the name of its node

from collections.abc import Iterable
from typing import Final

from jinja2 import nodes
from jinja2.visitor import NodeVisitor

from campaign.loader.messages.fields import Fields
from campaign.loader.messages.grammar import RefusedError
from campaign.loader.names import same_name, shown

_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"})


def check_names(template: nodes.Template, fields: Fields) -> frozenset[str]:
    """The variables that no column goes by, but that the template excuses by `default` or `is defined`.

    Spells the template's names as `fields` does.

    Raises:
        RefusedError: a variable is unknown, is taken for more than a text, or is compared with a number.
    """
    for name in template.find_all((nodes.Name, nodes.NSRef)):
        if isinstance(name, nodes.Name | nodes.NSRef):
            name.name = same_name(name.name)
    walk = _Walk(template, fields)
    walk.all_of(template.body, set())
    return frozenset(walk.excused)


class _Walk(NodeVisitor):
    """Each visitor gets the names that the template itself has set so far, and adds those that its node sets."""

    def __init__(self, template: nodes.Template, fields: Fields) -> None:
        self._fields = fields
        self._tested = {
            test.node.name
            for test in template.find_all(nodes.Test)
            if test.name in {"defined", "undefined"} and isinstance(test.node, nodes.Name)
        }
        self._namespaces = {
            assigned.target.name
            for assigned in template.find_all(nodes.Assign)
            if isinstance(assigned.target, nodes.Name) and _is_namespace(assigned.node)
        }
        self.excused: set[str] = set()

    def all_of(self, many: Iterable[nodes.Node | None], scope: set[str], *, excused: bool = False) -> None:
        for node in many:
            if node is not None:
                self.visit(node, scope, excused=excused)

    def visit_Name(self, node: nodes.Name, scope: set[str], *, excused: bool, part: str = "") -> None:
        if node.ctx != "load" or node.name in scope or node.name in self._fields.places:
            return
        if not excused and node.name not in self._tested:
            raise RefusedError(node.lineno, self._fields.unknown(node.name, part=part))
        self.excused.add(node.name)

    def visit_Assign(self, node: nodes.Assign, scope: set[str], *, excused: bool) -> None:
        self.visit(node.node, scope, excused=excused)
        scope |= _set_by(node.target)

    def visit_AssignBlock(self, node: nodes.AssignBlock, scope: set[str], *, excused: bool) -> None:
        self.all_of([node.filter], scope, excused=excused)
        self.all_of(node.body, set(scope), excused=excused)
        scope |= _set_by(node.target)

    def visit_With(self, node: nodes.With, scope: set[str], *, excused: bool) -> None:
        self.all_of(node.values, scope, excused=excused)
        self.all_of(node.body, scope.union(*map(_set_by, node.targets)), excused=excused)

    def visit_FilterBlock(self, node: nodes.FilterBlock, scope: set[str], *, excused: bool) -> None:
        self.visit(node.filter, scope, excused=excused)
        self.all_of(node.body, set(scope), excused=excused)

    def visit_For(self, node: nodes.For, scope: set[str], *, excused: bool) -> None:
        self.visit(node.iter, scope, excused=excused)
        inner = scope | _set_by(node.target)
        self.all_of([node.test], inner, excused=excused)
        self.all_of(node.body, inner | {"loop"}, excused=excused)
        self.all_of(node.else_, set(scope), excused=excused)

    def visit_If(self, node: nodes.If, scope: set[str], *, excused: bool) -> None:
        set_in_any: set[str] = set()
        for branch in [node, *node.elif_]:
            self.visit(branch.test, scope, excused=excused)
            inner = set(scope)
            self.all_of(branch.body, inner, excused=excused)
            set_in_any |= inner
        inner = set(scope)
        self.all_of(node.else_, inner, excused=excused)
        scope |= set_in_any | inner

    def visit_Filter(self, node: nodes.Filter, scope: set[str], *, excused: bool) -> None:
        self.all_of([node.node], scope, excused=excused or node.name in {"default", "d"})
        self.all_of([*node.args, *node.kwargs], scope, excused=excused)

    def visit_Call(self, node: nodes.Call, scope: set[str], *, excused: bool) -> None:
        if isinstance(node.node, nodes.Getattr):
            self.visit(node.node.node, scope, excused=excused)
        self.all_of([*node.args, *node.kwargs], scope, excused=excused)

    def visit_Getattr(self, node: nodes.Getattr, scope: set[str], *, excused: bool) -> None:
        owner = node.node
        if isinstance(owner, nodes.Name):
            if owner.name in scope and owner.name in self._namespaces and not node.attr.startswith("_"):
                return
            if owner.name in scope and owner.name == "loop" and node.attr in _LOOP:
                return
            self.visit_Name(owner, scope, excused=excused, part=f".{node.attr}")
        raise RefusedError(node.lineno, f"“.{shown(node.attr)}” can't be used here: a column is plain text, without parts. Remove it.")

    def visit_Compare(self, node: nodes.Compare, scope: set[str], *, excused: bool) -> None:
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        columns = [side.name for side in sides if isinstance(side, nodes.Name) and side.name in self._fields.places.keys() - scope]
        numbers = [side.value for side in sides if isinstance(side, nodes.Const) and isinstance(side.value, int | float)]
        if columns and numbers:
            name, number = columns[0], numbers[0]
            remedy = f'Compare it with a text, as in {name} == "yes".' if isinstance(number, bool) else f"Write {name} | int or | float."
            raise RefusedError(node.lineno, f"“{name}” is text, as every column is, so it can't be compared with {number}. {remedy}")
        self.generic_visit(node, scope, excused=excused)


def _is_namespace(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "namespace"


def _set_by(target: nodes.Node) -> set[str]:
    return {name.name for name in (target, *target.find_all(nodes.Name)) if isinstance(name, nodes.Name)}
