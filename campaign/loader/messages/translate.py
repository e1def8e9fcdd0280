"""Translates a template as people write it to the code that minijinja runs.

minijinja never gets the template itself: it overflows the stack on a long expression, compares texts with numbers, repeats a text by `*`,
and counts instructions, not bytes. So Jinja2 parses the template, and this module writes it again from parts that are known to be harmless.
Names become `v` with hexadecimal digits, and every filter, method and operator becomes a call of `functions`. minijinja handles conditions,
loops, scopes and assignments. Nodes are allowed by name, so that a new construct of Jinja2 is refused until someone has reviewed it.
"""

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import jinja2
from jinja2 import nodes
from jinja2.visitor import NodeVisitor

from campaign.domain.errors import TemplateError
from campaign.domain.lists.columns import same_name
from campaign.domain.text.lines import shown
from campaign.loader.messages.functions import FILTERS, FUNCTIONS, METHODS, TESTS, Function
from campaign.loader.messages.values import MAX_NUMBER
from campaign.loader.messages.variables import Meaning, Names, Variables

_PARSER: Final = jinja2.Environment(autoescape=False)  # noqa: S701 - it renders nothing
_NOT_SETTABLE: Final = frozenset({"loop", "range", "namespace", "self", "super", "caller"})
_PARTS_OF_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"})
_SPELLED: Final = {"FromImport": "from", "CallBlock": "call", "Scope": "autoescape", "Pow": "**"}
_MAX_DEPTH: Final = 50
_MAX_BRANCHES: Final = 200
_TOO_DEEP: Final = "The template is nested too deeply. Write it in simpler parts."
_TOO_MANY_DIGITS: Final = "A number has more than 18 digits. Write it as a text, in quotes."
_PRINTED: Final = re.compile(r"\{\{([^{}]*)\}\}")

_FUNCTIONS: Final[dict[str, Mapping[str, Function]]] = {"filter": FILTERS, "test": TESTS, "method": METHODS}

_WithArguments = nodes.Call | nodes.Filter | nodes.Test


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A template's text. `file` is its name in errors: the path as it was given, or the option that holds the text."""

    text: str
    file: str

    def refused(self, line: int, problem: str, *, column: int | None = None) -> TemplateError:
        return TemplateError(problem, file=self.file, template_line=line, position=column)


class Translated(NamedTuple):
    """A template as Jinja2 parsed it, its code for minijinja, and its variables by name, each with its column's place (or None)."""

    tree: nodes.Template
    code: str
    variables: dict[str, int | None]


def code_of(name: str) -> str:
    """A variable's name in the code for minijinja, which has no word of its own that looks like this."""
    return f"v{name.encode().hex()}"


def translate(source: Source, variables: Variables) -> Translated:
    """Translate a template.

    Raises:
        TemplateError: the syntax is wrong, or the template uses a forbidden construct, an unknown variable or an ambiguous one.
    """
    try:
        return _Translator(source, Names(variables)).translated(_PARSER.parse(source.text))
    except jinja2.TemplateSyntaxError as error:
        raise source.refused(error.lineno, _syntax_problem(error, source.text, variables)) from None
    except RecursionError:
        raise source.refused(1, _TOO_DEEP) from None
    except ValueError:
        # Only Python's limit on the digits of a number raises this.
        raise source.refused(1, _TOO_MANY_DIGITS) from None


def _syntax_problem(error: jinja2.TemplateSyntaxError, text: str, variables: Variables) -> str:
    line = text.split("\n")[error.lineno - 1 : error.lineno]
    for printed in _PRINTED.findall("".join(line)):
        written = printed.split("|")[0].strip(" -")
        if not written.isidentifier() and (name := variables.meant(written)):
            return f"“{shown(written)}” is not a name that a template can use. Write {{{{ {name} }}}} for this column."
    return f"The template can't be understood: {shown((error.message or '').rstrip('.'), 300)}. Check the braces and tags here."


@dataclass
class _Translator(NodeVisitor):
    source: Source
    names: Names
    _code: list[str] = field(default_factory=list)
    _line: int = 1
    _loops: int = 0
    _depth: int = 0

    def translated(self, tree: nodes.Template) -> Translated:
        for test in tree.find_all(nodes.Test):
            if test.name in {"defined", "undefined"} and isinstance(test.node, nodes.Name):
                self.names.tested.add(same_name(test.node.name))
        self._body(tree.body)
        return Translated(tree, "".join(self._code), self.names.used)

    def _refused(self, node: nodes.Node, problem: str, near: str = "") -> TemplateError:
        # The parser gives no line to some nodes that only contain others.
        line = next(inner.lineno for inner in (node, *node.find_all(nodes.Node)) if inner.lineno)
        # Jinja2 reports no columns. A word is inside a tag if the tag's end follows before another tag begins.
        found = re.search(rf"\b{re.escape(near)}\b(?=[^{{]*[}}%]}})", self.source.text.split("\n")[line - 1]) if near else None
        return self.source.refused(line, problem, column=found.start() + 1 if found else None)

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        """The code of an expression; None for a statement, whose code is written."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._refused(node, _TOO_DEEP)
        code = super().visit(node, *args, **kwargs)
        self._depth -= 1
        return code

    def generic_visit(self, node: nodes.Node, *_args: Any, **_kwargs: Any) -> str:
        kind = type(node).__name__
        if (name := f"op_{kind.lower()}") in FUNCTIONS:
            return self._call(name, node, self._values(list(node.iter_child_nodes())))
        raise self._refused(node, f"“{_SPELLED.get(kind, kind.lower())}” can't be used in a message. Write the text out instead.")

    # Statements

    def _body(self, body: Sequence[nodes.Node]) -> None:
        for node in body:
            self.visit(node)

    def _write(self, node: nodes.Node, code: str, opens: str = "{%", closes: str = "%}") -> None:
        """Write a tag on the same line as in the template, so that errors have the right line."""
        self._code.append(f"{opens}{chr(10) * (node.lineno - self._line)} {code} {closes}")
        self._line = max(self._line, node.lineno)

    def visit_Output(self, node: nodes.Output) -> None:
        for inner in node.nodes:
            self._output(inner)

    def _output(self, node: nodes.Expr) -> None:
        # The budget doesn't pay for what minijinja prints itself, so nothing in a loop is left to it.
        if isinstance(node, nodes.TemplateData) and not self._loops and "{" not in node.data:
            self._code.append(node.data)
            self._line += node.data.count("\n")
            return
        value = json.dumps(node.data) if isinstance(node, nodes.TemplateData) else self.visit(node)
        printed = self._call("op_print", node, [value])
        if isinstance(node, nodes.Name) and self.names.is_column(node.name) and not self._loops:
            printed = f"{value} or {printed}"  # a column is true exactly when it is not empty
        self._write(node, printed, "{{", "}}")

    def visit_If(self, node: nodes.If) -> None:
        if len(node.elif_) > _MAX_BRANCHES:
            raise self._refused(node, _TOO_DEEP)
        for keyword, branch in [("if", node), *(("elif", branch) for branch in node.elif_)]:
            self._write(branch, f"{keyword} {self.visit(branch.test)}")
            self._body(branch.body)
        self._write(node, "else")
        self._body(node.else_)
        self._write(node, "endif")

    def visit_For(self, node: nodes.For) -> None:
        if node.recursive:
            raise self._refused(node, "A loop can't be recursive in a message. Write the text out instead.")
        codes, names = self._targets(node.target)
        items = self._call("op_items" if isinstance(node.target, nodes.Name) else "op_pairs", node, [self.visit(node.iter)])
        with self.names.scope(names):
            test = f" if {self.visit(node.test)}" if node.test is not None else ""
        self._write(node, f"for {codes} in {items}{test}")
        self._loops += 1
        with self.names.scope(names, loop=Meaning.LOOP):
            self._body(node.body)
        self._loops -= 1
        self._write(node, "else")
        self._scoped(node, node.else_)
        self._write(node, "endfor")

    def visit_Assign(self, node: nodes.Assign) -> None:
        match node.target, node.node:
            case nodes.NSRef(name=name, attr=attr), value:
                if not self.names.is_namespace(name):
                    raise self._refused(node, f"“{shown(name)}” is not a namespace, so nothing can be set in it.", name)
                self._write(node, f"set {code_of(name)}.{code_of(attr)} = {self.visit(value)}")
            case nodes.Name(name=name) as target, nodes.Call(node=nodes.Name(name="namespace"), args=[]) as call:
                given = ", ".join(f"{code_of(key)}={value}" for key, value in self._keywords(call).items())
                self._write(node, f"set {code_of(self._target(target))} = namespace({given})")
                self.names.define(same_name(name), meaning=Meaning.NAMESPACE)
            case target, value:
                code = self.visit(value)
                codes, names = self._targets(target)
                self._write(node, f"set {codes} = {self._call('op_items', node, [code]) if isinstance(target, nodes.Tuple) else code}")
                self.names.define(*names)

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> None:
        """Set a variable to the text of a body, filtered."""
        name = self._target(node.target)
        self._write(node, f"set {code_of(name)}")
        self._scoped(node, node.body)
        self._write(node, "endset")
        self.names.define(name)
        if node.filter is not None:
            innermost = [node.filter, *node.filter.find_all(nodes.Filter)]
            next(chained for chained in innermost if chained.node is None).node = nodes.Name(name, "load", lineno=node.lineno)
            self._write(node, f"set {code_of(name)} = {self.visit(node.filter)}")

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> None:
        # Spaces keep the name apart from all that a template can write.
        name = f" {self._depth}"
        self.visit_AssignBlock(nodes.AssignBlock(nodes.Name(name, "store"), node.filter, node.body, lineno=node.lineno))
        self._output(nodes.Name(name, "load", lineno=node.lineno))

    def visit_With(self, node: nodes.With) -> None:
        given = [nodes.Assign(*pair, lineno=node.lineno) for pair in zip(node.targets, node.values, strict=True)]
        self._scoped(node, [*given, *node.body])

    def _scoped(self, node: nodes.Node, body: Sequence[nodes.Node]) -> None:
        """Write a body that has a scope in Jinja2 but none in minijinja."""
        self._write(node, "with")
        with self.names.scope():
            self._body(body)
        self._write(node, "endwith")

    # Names

    def _targets(self, node: nodes.Node) -> tuple[str, list[str]]:
        """What an assignment sets, in code and by name."""
        names = [self._target(item) for item in node.items] if isinstance(node, nodes.Tuple) else [self._target(node)]
        codes = ", ".join(map(code_of, names))
        return f"({codes},)" if isinstance(node, nodes.Tuple) else codes, names

    def _target(self, node: nodes.Node) -> str:
        if not isinstance(node, nodes.Name) or node.name in _NOT_SETTABLE:
            raise self._refused(node, "This can't be set, as it means something in every template. Take another name.")
        return same_name(node.name)

    def visit_Name(self, node: nodes.Name) -> str:
        if problem := self.names.use(name := same_name(node.name)):
            raise self._refused(node, problem, node.name)
        return code_of(name)

    # Expressions

    def _values(self, found: Sequence[nodes.Node]) -> list[str]:
        return [self.visit(node) for node in found]

    def visit_Not(self, node: nodes.Not) -> str:
        return f"(not {self.visit(node.node)})"

    def visit_And(self, node: nodes.And | nodes.Or) -> str:
        return f"({self.visit(node.left)} {type(node).__name__.lower()} {self.visit(node.right)})"

    visit_Or = visit_And

    def visit_CondExpr(self, node: nodes.CondExpr) -> str:
        otherwise = self.visit(node.expr2) if node.expr2 is not None else '""'
        return f"({self.visit(node.expr1)} if {self.visit(node.test)} else {otherwise})"

    def visit_Getitem(self, node: nodes.Getitem) -> str:
        if not isinstance(part := node.arg, nodes.Slice):
            return self.generic_visit(node)
        bounds = [self.visit(bound) if bound is not None else "none" for bound in (part.start, part.stop, part.step)]
        return self._call("op_cut", node, [self.visit(node.node), *bounds])

    def visit_Test(self, node: nodes.Test) -> str:
        return self._applied("test", node, self.visit(node.node), node.name)

    def _call(self, name: str, node: nodes.Node, args: Sequence[str], keywords: Mapping[str, str] | None = None) -> str:
        """A call of a function of `functions`; the template's line is its first argument."""
        given = [str(node.lineno), *args, *(f"{key}={value}" for key, value in (keywords or {}).items())]
        return f"{name}({', '.join(given)})"

    def visit_Const(self, node: nodes.Const) -> str:
        match node.value:
            case int() | float() as number if abs(number) > MAX_NUMBER:
                raise self._refused(node, _TOO_MANY_DIGITS)
            case float() as number:
                # Passed as a text, because minijinja turns 1.0 into 1.
                return self._call("op_float", node, [json.dumps(str(number))])
            case str() | int() as value:
                return json.dumps(value)
            case _:
                return "none"

    def visit_Compare(self, node: nodes.Compare) -> str:
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        values = self._values(sides)
        columns = [side.name for side in sides if isinstance(side, nodes.Name) and self.names.is_column(side.name)]
        numbers = [side.value for side in sides if isinstance(side, nodes.Const) and isinstance(side.value, int | float)]
        if columns and numbers:
            name, number = columns[0], numbers[0]
            remedy = f'Compare it with a text, as in {name} == "yes".' if isinstance(number, bool) else f"Write {name} | int or | float."
            raise self._refused(node, f"“{name}” is text, as every column is, so it can't be compared with {number}. {remedy}", name)
        signs = [json.dumps(operand.op.replace("teq", "e")) for operand in node.ops]
        rest = [code for pair in zip(signs, values[1:], strict=True) for code in pair]
        return self._call("op_compare", node, [values[0], *rest])

    def visit_Getattr(self, node: nodes.Getattr) -> str:
        match node.node:
            case nodes.Name(name=name) if self.names.is_namespace(name) and not node.attr.startswith("_"):
                return f"{code_of(name)}.{code_of(node.attr)}"
            case nodes.Name(name="loop") if self.names.is_set("loop") and node.attr in _PARTS_OF_LOOP:
                return f"loop.{node.attr}"
            case nodes.Name() as owner if not self.names.is_set(owner.name) and not self.names.is_column(owner.name):
                raise self._refused(owner, self.names.variables.unknown(same_name(owner.name), part=f".{node.attr}"), owner.name)
            case _:
                problem = f"“.{shown(node.attr)}” can't be used here: a column is plain text, without parts. Remove it."
                raise self._refused(node, problem, node.attr)

    def visit_Call(self, node: nodes.Call) -> str:
        plain = not node.kwargs
        match node.node:
            case nodes.Name(name="range") if plain:
                return self._call("op_range", node, self._positional(node))
            case nodes.Getattr(node=nodes.Name(name="loop"), attr="cycle" | "changed" as attr) if plain and self.names.is_set("loop"):
                return f"loop.{attr}({', '.join(self._positional(node))})"
            case nodes.Getattr(attr=attr) as method:
                return self._applied("method", node, self.visit(method.node), attr)
            case nodes.Name(name="namespace"):
                raise self._refused(node, "namespace() can only be given a name, as in {% set ns = namespace(total=0) %}.", "namespace")
            case _:
                raise self._refused(node, "Only range(), namespace() and the methods of a text can be called in a message.")

    def visit_Filter(self, node: nodes.Filter) -> str:
        excuses = node.name in {"default", "d"}
        self.names.excused += excuses
        value = self.visit(node.node)  # type: ignore[arg-type]  # None only in a block, whose text takes its place
        self.names.excused -= excuses
        if node.name == "map":
            if not (node.args and isinstance(node.args[0], nodes.Const) and isinstance(node.args[0].value, str)):
                raise self._refused(node, 'map() needs the name of a filter. Write it in quotes, as in map("trim").', "map")
            self._check(node, node.args[0].value, "filter", node.args[1:], {})
        return self._applied("filter", node, value, node.name)

    def _applied(self, kind: str, node: _WithArguments, receiver: str, name: str) -> str:
        args, keywords = self._positional(node), self._keywords(node)
        self._check(node, name, kind, args, keywords)
        return self._call(f"{kind[0]}_{name}", node, [receiver, *args], keywords)

    def _check(self, node: _WithArguments, name: str, kind: str, args: Sequence[object], keywords: Mapping[str, object]) -> None:
        """Raises TemplateError if there is no such filter, test or method, or it can't be called with these arguments."""
        functions = _FUNCTIONS[kind]
        if name not in functions:
            raise self._refused(node, f"“{shown(name)}” is not a {kind}, but {', '.join(sorted(functions))} are.", name)
        try:
            inspect.signature(functions[name]).bind(None, *args, **keywords)
        except TypeError as error:
            problem = f"“{shown(name)}” can't be used like this: {error}. Change what stands in its brackets."
            raise self._refused(node, problem, name) from None

    def _positional(self, node: _WithArguments) -> list[str]:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise self._refused(node, "* and ** can't be used in a message. Write the values out instead.")
        return self._values(node.args)

    def _keywords(self, node: _WithArguments) -> dict[str, str]:
        keywords = [keyword for keyword in node.kwargs if isinstance(keyword, nodes.Keyword)]
        if len({keyword.key for keyword in keywords}) < len(keywords):
            raise self._refused(node, "A value is named twice. Check what stands in brackets.")
        return {keyword.key: self.visit(keyword.value) for keyword in keywords}
