"""Translates a template as people write it to the code that minijinja runs.

minijinja never gets the template itself: it overflows the stack on a long expression, compares texts with numbers, repeats a text by `*`,
and counts instructions, not bytes. So Jinja2 parses the template, and this module writes it again from parts that are known to be harmless.
Names become `v1`, and every filter, method and operator becomes a call of `functions`. minijinja handles conditions, loops, scopes and
assignments. Nodes are allowed by name, so that a new construct of Jinja2 is refused until someone has reviewed it.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import jinja2
from jinja2 import nodes

from campaign.loader.columns import same_name, shown
from campaign.loader.messages.functions import FILTERS, GIVE_TEXTS, MAX_NUMBER, METHODS, TESTS, Function
from campaign.loader.messages.result import HALF
from campaign.loader.messages.variables import Variables

_PARSER: Final = jinja2.Environment(autoescape=False)  # noqa: S701 - it renders nothing
_NOT_SETTABLE: Final = frozenset({"loop", "range", "namespace", "self", "super", "caller"})
_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"})
_ARITHMETIC: Final = {"Add": "op_add", "Sub": "op_sub", "Mul": "op_mul", "Div": "op_div", "FloorDiv": "op_floordiv", "Mod": "op_mod"}
_SIGNS: Final = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in"}
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
_MAX_DEPTH: Final = 50
_MAX_LOOPS: Final = 8
_MAX_BRANCHES: Final = 200
_MAX_VALUES: Final = 1_000
_MAX_QUICK_PRINTS: Final = 50
_TOO_DEEP: Final = "The template is nested too deeply. Write it in simpler parts."
_TOO_MANY_DIGITS: Final = "A number has more than 18 digits. Write it as a text, in quotes."
_PRINTED: Final = re.compile(r"\{\{([^{}]*)\}\}")
_NO_CONSTANT: Final = object()

_WithArguments = nodes.Call | nodes.Filter | nodes.Test


class RefusedError(Exception):
    """A template can't be used. `problem` is in whole sentences; `column` is the position in the line, from 1, if it is known."""

    def __init__(self, line: int, problem: str, *, column: int | None = None) -> None:
        super().__init__(problem)
        self.line = line
        self.column = column
        self.problem = problem


class Variable(NamedTuple):
    """A variable: its name in the code for minijinja, its name in the template, and its column's position (None without a column)."""

    code: str
    name: str
    place: int | None


class PlainField(NamedTuple):
    """`{{ name }}` or `{{ name | default("...") }}`."""

    variable: Variable
    default: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A template for minijinja.

    Attributes:
        code: the code that minijinja runs.
        variables: the variables of the code.
        parts: the texts and fields, if the template has nothing else; None otherwise.
        braces_meant: whether the template's text contains `{{` or `{%`.
    """

    code: str
    variables: tuple[Variable, ...]
    parts: tuple[str | PlainField, ...] | None
    braces_meant: bool


def translate(text: str, variables: Variables) -> Translated:
    """Translate a template.

    Raises:
        RefusedError: the syntax is wrong, or the template uses a forbidden construct, an unknown variable or an ambiguous one.
    """
    try:
        return _Translator(text, variables).translated(_parsed(text, variables))
    except RecursionError:
        raise RefusedError(1, _TOO_DEEP) from None


def _parsed(text: str, variables: Variables) -> nodes.Template:
    try:
        return _PARSER.parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise RefusedError(error.lineno, _syntax_problem(error, text, variables)) from None
    except ValueError:
        # Only Python's limit on the digits of a number raises this.
        raise RefusedError(1, _TOO_MANY_DIGITS) from None


def _syntax_problem(error: jinja2.TemplateSyntaxError, text: str, variables: Variables) -> str:
    line = text.split("\n")[error.lineno - 1 : error.lineno]
    for printed in _PRINTED.findall("".join(line)):
        written = printed.split("|")[0].strip(" -")
        if not written.isidentifier() and (name := variables.meant(written)):
            return f"“{shown(written)}” is not a name that a template can use. Write {{{{ {name} }}}} for this column."
    return f"The template can't be understood: {shown((error.message or '').rstrip('.'), 300)}. Check the braces and tags here."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """An expression for minijinja, which filters can follow.

    `variable` is set if the expression is only a variable, `default` if it is a variable with a default text. `is_text` says that the value
    is always a text, which minijinja can print as it is.
    """

    code: str
    variable: Variable | None = None
    default: str | None = None
    constant: object = _NO_CONSTANT
    is_text: bool = False

    @property
    def column(self) -> str | None:
        """The variable, if the expression is only a column; None otherwise."""
        return self.variable.name if self.variable and self.variable.place is not None and self.default is None else None


_NONE: Final = _Value(code="none", constant=None)
_PLACE_HOLDER: Final = _Value(code="0")


def _constant(value: str | float) -> _Value:
    return _Value(code=json.dumps(value), constant=value, is_text=isinstance(value, str))


@dataclass(slots=True)
class _Translator:
    text: str
    variables: Variables
    _code: list[str] = field(default_factory=list)
    _line: int = 1
    _codes: dict[str, str] = field(default_factory=dict)
    _used: dict[str, Variable] = field(default_factory=dict)
    _tested: set[str] = field(default_factory=set)
    _unknown: list[tuple[nodes.Name, str]] = field(default_factory=list)
    _namespaces: set[str] = field(default_factory=set)
    _scopes: list[set[str]] = field(default_factory=lambda: [set()])
    _loops: int = 0
    _depth: int = 0
    _quick_prints: int = 0
    _parts: list[str | PlainField] | None = field(default_factory=list)
    _braces_meant: bool = False

    def translated(self, tree: nodes.Template) -> Translated:
        for test in tree.find_all(nodes.Test):
            if test.name in {"defined", "undefined"} and isinstance(test.node, nodes.Name):
                self._tested.add(same_name(test.node.name))
        self._body(tree.body)
        if self._unknown:
            raise self._refused_unknown(*self._unknown[0])
        return Translated(
            code="".join(self._code),
            variables=tuple(self._used.values()),
            parts=tuple(self._parts) if self._parts is not None else None,
            braces_meant=self._braces_meant,
        )

    def _refused(self, node: nodes.Node, problem: str, near: str = "") -> RefusedError:
        # The parser gives no line to some nodes that only contain others.
        line = next(inner.lineno for inner in (node, *node.find_all(nodes.Node)) if inner.lineno)
        written = self.text.split("\n")[line - 1]
        # Jinja2 reports no columns. A word is inside a tag if the tag's end follows before another tag begins.
        found = re.search(rf"\b{re.escape(near)}\b(?=[^{{]*[}}%]}})", written) if near else None
        return RefusedError(line, problem, column=found.start() + 1 if found else None)

    def _refused_kind(self, node: nodes.Node) -> RefusedError:
        kind = type(node).__name__
        return self._refused(node, f"{_REFUSED.get(kind, kind)} can't be used in a message. Write the text out instead.")

    def _refused_unknown(self, node: nodes.Name, part: str) -> RefusedError:
        return self._refused(node, self.variables.unknown(same_name(node.name), part=part), node.name)

    @contextmanager
    def _deeper(self, node: nodes.Node) -> Iterator[None]:
        self._depth += 1
        if self._depth > _MAX_DEPTH or self._loops > _MAX_LOOPS:
            raise self._refused(node, _TOO_DEEP)
        yield
        self._depth -= 1

    # Statements

    def _body(self, body: Sequence[nodes.Node], scope: set[str] | None = None) -> None:
        """Write the statements of a body; `scope` are the names of its scope, if it has one."""
        self._scopes += [scope] if scope is not None else []
        for node in body:
            with self._deeper(node):
                self._statement(node)
        self._scopes = self._scopes[:-1] if scope is not None else self._scopes

    def _write(self, code: str, node: nodes.Node, *, prints: bool = False) -> None:
        """Write a tag on the same line as in the template, so that errors have the right line."""
        opens, closes = ("{{", "}}") if prints else ("{%", "%}")
        self._code.append(f"{opens}{chr(10) * (node.lineno - self._line)} {code} {closes}")
        self._line = max(self._line, node.lineno)

    def _statement(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Output):
            for inner in node.nodes:
                self._output(inner)
            return
        self._parts = None
        match node:
            case nodes.If():
                self._if(node)
            case nodes.For():
                self._for(node)
            case nodes.Assign():
                self._assign(node)
            case nodes.With():
                values = [self._value(value).code for value in node.values]
                targets = [self._target(target) for target in node.targets]
                given = ", ".join(f"{target} = {value}" for (target, _), value in zip(targets, values, strict=True))
                self._write(f"with {given}", node)
                self._body(node.body, {name for _, names in targets for name in names})
                self._write("endwith", node)
            case nodes.AssignBlock():
                target, names = self._target(node.target)
                self._scoped(node, node.body, f"set {target}" + (f"|{self._chain(node.filter)}" if node.filter else ""), "endset")
                self._scopes[-1].update(names)
            case nodes.FilterBlock():
                self._scoped(node, node.body, f"filter {self._chain(node.filter)}|op_print({node.lineno})", "endfilter")
            case _:
                raise self._refused_kind(node)

    def _output(self, node: nodes.Node) -> None:
        part: str | PlainField | None
        if isinstance(node, nodes.TemplateData):
            part, value = node.data, _constant(node.data)
            self._braces_meant |= "{{" in part or "{%" in part
        else:
            value = self._value(node)
            part = PlainField(value.variable, value.default) if value.variable is not None else None
        self._parts = [*self._parts, part] if self._parts is not None and part is not None else None
        if isinstance(part, str) and not self._loops and "{" not in part:
            self._code.append(part)
            self._line += part.count("\n")
            return
        # The budget doesn't pay for what minijinja prints itself, so that is allowed only outside loops, and not often.
        self._quick_prints += value.is_text
        quick = value.is_text and not self._loops and self._quick_prints <= _MAX_QUICK_PRINTS
        self._write((value if quick else self._call("op_print", value, node)).code, node, prints=True)

    def _if(self, node: nodes.If) -> None:
        if len(node.elif_) > _MAX_BRANCHES:
            raise self._refused(node, _TOO_DEEP)
        for keyword, branch in [("if", node), *(("elif", branch) for branch in node.elif_)]:
            self._write(f"{keyword} {self._value(branch.test).code}", branch)
            self._body(branch.body)
        self._write("else", node)
        self._body(node.else_)
        self._write("endif", node)

    def _for(self, node: nodes.For) -> None:
        if node.recursive:
            raise self._refused(node, "A loop can't be recursive in a message. Write the text out instead.")
        items = self._call("op_items", self._value(node.iter), node)
        target, names = self._target(node.target)
        self._scopes.append(set(names))
        test = f" if {self._value(node.test).code}" if node.test is not None else ""
        self._scopes.pop()
        self._write(f"for {target} in {items.code}{test}", node)
        self._loops += 1
        self._body(node.body, {*names, "loop"})
        self._loops -= 1
        self._scoped(node, node.else_, "else", "endfor")

    def _assign(self, node: nodes.Assign) -> None:
        names: list[str] = []
        match node.target, node.node:
            case nodes.NSRef(name=name, attr=attr), value:
                if not self._is_namespace(name):
                    raise self._refused(node, f"“{shown(name)}” is not a namespace, so nothing can be set in it.", name)
                self._write(f"set {self._code_of(name)}.{self._code_of(attr)} = {self._value(value).code}", node)
            case nodes.Name(name=name), nodes.Call(node=nodes.Name(name="namespace"), args=[]) as call:
                given = ", ".join(f"{self._code_of(key)}={value.code}" for key, value in self._keywords(call).items())
                code, names = self._target(node.target)
                self._write(f"set {code} = namespace({given})", node)
                self._namespaces.add(same_name(name))
            case target, value:
                found = self._value(value)
                code, names = self._target(target)
                # `op_items` also splits a text into its letters.
                self._write(f"set {code} = {(self._call('op_items', found, node) if len(names) > 1 else found).code}", node)
        self._scopes[-1].update(names)

    def _scoped(self, node: nodes.Node, body: Sequence[nodes.Node], opens: str, closes: str) -> None:
        """Write a body that has a scope in Jinja2 but none in minijinja."""
        for code in (opens, "with"):
            self._write(code, node)
        self._body(body, set())
        for code in ("endwith", closes):
            self._write(code, node)

    def _target(self, node: nodes.Node) -> tuple[str, list[str]]:
        """The target of an assignment for minijinja, and its names."""
        match node:
            case nodes.Name(name=name) if name not in _NOT_SETTABLE:
                self._namespaces.discard(same_name(name))
                return self._code_of(name), [same_name(name)]
            case nodes.Tuple():
                found = [self._target(item) for item in node.items]
                return f"({', '.join(code for code, _ in found)})", [name for _, names in found for name in names]
            case _:
                raise self._refused(node, "This can't be set, as it means something in every template. Take another name.")

    def _chain(self, node: nodes.Filter) -> str:
        """The filters of a block, as they follow its content."""
        before = f"{self._chain(node.node)}|" if isinstance(node.node, nodes.Filter) else ""
        return before + self._filter(node, _Value(code="")).code.removeprefix("|")

    # Names

    def _code_of(self, name: str) -> str:
        return self._codes.setdefault(same_name(name), f"v{len(self._codes)}")

    def _in_scope(self, name: str) -> bool:
        return any(same_name(name) in scope for scope in self._scopes)

    def _is_namespace(self, name: str) -> bool:
        return same_name(name) in self._namespaces and self._in_scope(name)

    def _name(self, node: nodes.Name, part: str = "") -> _Value:
        name = same_name(node.name)
        code = self._code_of(name)
        if self._in_scope(name):
            if name == "loop" or self._is_namespace(name):
                raise self._refused(node, f"“{shown(name)}” is not a value. Write one of its parts.", node.name)
            return _Value(code=code)
        place = self.variables.places.get(name)
        if place is not None and (problem := self.variables.ambiguous(name)):
            raise self._refused(node, problem, node.name)
        if place is None and name not in self._tested:
            self._unknown.append((node, part))
        self._used[name] = Variable(code, name, place)
        return _Value(code=code, variable=self._used[name], is_text=True)

    # Expressions

    def _value(self, node: nodes.Node) -> _Value:
        with self._deeper(node):
            return self._expression(node)

    def _values(self, found: Sequence[nodes.Node]) -> list[_Value]:
        return [self._value(node) for node in found]

    def _expression(self, node: nodes.Node) -> _Value:  # noqa: C901, PLR0912 - one case for each kind of node
        match node:
            case nodes.Name():
                return self._name(node)
            case nodes.Const():
                return self._const(node)
            case nodes.List() | nodes.Tuple():
                return self._call("op_list" if isinstance(node, nodes.List) else "op_tuple", _PLACE_HOLDER, node, self._values(node.items))
            case nodes.Dict():
                halves = [half for pair in node.items for half in (pair.key, pair.value)]
                return self._call("op_dict", _PLACE_HOLDER, node, self._values(halves))
            case nodes.Concat():
                first, *others = self._values(node.nodes)
                return self._call("op_concat", first, node, others)
            case nodes.Neg() | nodes.Pos():
                return self._call("op_neg" if isinstance(node, nodes.Neg) else "op_pos", self._value(node.node), node)
            case nodes.Not():
                return _Value(code=f"(not {self._value(node.node).code})")
            case nodes.And() | nodes.Or():
                left, right = self._values([node.left, node.right])
                sign = "and" if isinstance(node, nodes.And) else "or"
                return _Value(code=f"({left.code} {sign} {right.code})", is_text=left.is_text and right.is_text)
            case nodes.CondExpr():
                then, test, *others = self._values([node.expr1, node.test, *([node.expr2] if node.expr2 is not None else [])])
                otherwise = others[0] if others else _constant("")
                is_text = then.is_text and otherwise.is_text
                return _Value(code=f"({then.code} if {test.code} else {otherwise.code})", is_text=is_text)
            case nodes.Compare():
                return self._compare(node)
            case nodes.Filter():
                return self._filter(node)
            case nodes.Test():
                return self._call(f"t_{node.name}", self._value(node.node), node, *self._arguments(node, node.name, "test", TESTS))
            case nodes.Getattr():
                return self._attribute(node)
            case nodes.Getitem(arg=nodes.Slice() as part):
                bounds = [self._value(bound) if bound is not None else _NONE for bound in (part.start, part.stop, part.step)]
                return self._call("op_slice", self._value(node.node), node, bounds)
            case nodes.Getitem():
                return self._call("op_item", self._value(node.node), node, [self._value(node.arg)])
            case nodes.Call():
                return self._called(node)
            case nodes.BinExpr() if (name := _ARITHMETIC.get(type(node).__name__)) is not None:
                return self._call(name, self._value(node.left), node, [self._value(node.right)])
            case _:
                raise self._refused_kind(node)

    def _call(
        self,
        name: str,
        receiver: _Value,
        node: nodes.Node,
        args: Sequence[_Value] = (),
        keywords: Mapping[str, _Value] | None = None,
    ) -> _Value:
        """A call of a function of `functions`; the template's line is its second argument."""
        given = [str(node.lineno), *(arg.code for arg in args), *(f"{key}={value.code}" for key, value in (keywords or {}).items())]
        if len(given) > _MAX_VALUES:
            raise self._refused(node, f"More than {_MAX_VALUES:,} values are joined or listed here. Write it in simpler parts.")
        return _Value(code=f"{receiver.code}|{name}({', '.join(given)})", is_text=name in GIVE_TEXTS)

    def _const(self, node: nodes.Const) -> _Value:
        match node.value:
            case int() | float() as number if abs(number) > MAX_NUMBER:
                raise self._refused(node, _TOO_MANY_DIGITS)
            case float() as number:
                # Passed as a text, because minijinja turns 1.0 into 1.
                return replace(self._call("op_float", _constant(str(number)), node), constant=number)
            case str() as text if HALF.search(text):
                raise self._refused(node, "Half of a character is no text. Remove it.")
            case str() | int() as value:
                return _constant(value)
            case _:
                return _NONE

    def _compare(self, node: nodes.Compare) -> _Value:
        sides = self._values([node.expr, *(operand.expr for operand in node.ops)])
        signs = [_SIGNS[operand.op] for operand in node.ops]
        columns = [side.column for side in sides if side.column is not None]
        numbers = [side.constant for side in sides if isinstance(side.constant, int | float)]
        if columns and numbers:
            name, number = columns[0], numbers[0]
            remedy = f'Compare it with a text, as in {name} == "yes".' if isinstance(number, bool) else f"Write {name} | int or | float."
            raise self._refused(node, f"“{name}” is text, as every column is, so it can't be compared with {number}. {remedy}", name)
        if signs in (["=="], ["!="]) and columns and any(isinstance(side.constant, str) and side.constant.strip() for side in sides):
            return _Value(code=f"({sides[0].code} {signs[0]} {sides[1].code})")  # minijinja too finds an empty column unequal to this text
        rest = [value for sign, side in zip(signs, sides[1:], strict=True) for value in (_constant(sign), side)]
        return self._call("op_compare", sides[0], node, rest)

    def _attribute(self, node: nodes.Getattr) -> _Value:
        match node.node:
            case nodes.Name(name=name) if self._is_namespace(name) and not node.attr.startswith("_"):
                return _Value(code=f"{self._code_of(name)}.{self._code_of(node.attr)}")
            case nodes.Name(name="loop") if self._in_scope("loop") and node.attr in _LOOP:
                return _Value(code=f"loop.{node.attr}")
            case nodes.Name(name=name) as owner if not self._in_scope(name) and same_name(name) not in self.variables.places:
                raise self._refused_unknown(owner, f".{node.attr}")
            case _:
                problem = f"“.{shown(node.attr)}” can't be used here: a column is plain text, without parts. Remove it."
                raise self._refused(node, problem, node.attr)

    def _called(self, node: nodes.Call) -> _Value:
        match node.node:
            case nodes.Name(name="range") if not node.kwargs:
                return self._call("op_range", _PLACE_HOLDER, node, self._positional(node))
            case nodes.Getattr(node=nodes.Name(name="loop"), attr="cycle" | "changed" as attr) if (
                self._in_scope("loop") and not node.kwargs
            ):
                return _Value(code=f"loop.{attr}({', '.join(arg.code for arg in self._positional(node))})")
            case nodes.Getattr(attr=attr) as method:
                return self._call(f"m_{attr}", self._value(method.node), node, *self._arguments(node, attr, "method", METHODS))
            case nodes.Name(name="namespace"):
                raise self._refused(node, "namespace() can only be given a name, as in {% set ns = namespace(total=0) %}.", "namespace")
            case _:
                raise self._refused(node, "Only range(), namespace() and the methods of a text can be called in a message.")

    def _positional(self, node: _WithArguments) -> list[_Value]:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise self._refused(node, "* and ** can't be used in a message. Write the values out instead.")
        return self._values(node.args)

    def _keywords(self, node: _WithArguments) -> dict[str, _Value]:
        keywords = [keyword for keyword in node.kwargs if isinstance(keyword, nodes.Keyword)]
        if len({keyword.key for keyword in keywords}) < len(keywords):
            raise self._refused(node, "A value is named twice. Check what stands in brackets.")
        return {keyword.key: self._value(keyword.value) for keyword in keywords}

    def _arguments(
        self, node: _WithArguments, name: str, kind: str, functions: Mapping[str, Function], *, skip: int = 0
    ) -> tuple[list[_Value], dict[str, _Value]]:
        """The arguments of a filter, test or method. Raises RefusedError if it can't be called with them, without the first `skip`."""
        args, keywords = self._positional(node), self._keywords(node)
        if name not in functions:
            raise self._refused(node, f"“{shown(name)}” is not a {kind}, but {', '.join(sorted(functions))} are.", name)
        try:
            inspect.signature(functions[name]).bind(None, *args[skip:], **keywords)
        except TypeError as error:
            raise self._refused(
                node, f"“{shown(name)}” can't be used like this: {error}. Change what stands in its brackets.", name
            ) from None
        return args, keywords

    def _filter(self, node: nodes.Filter, content: _Value | None = None) -> _Value:
        before = len(self._unknown)
        value = content or self._value(node.node or node)
        receiver = slice(before, len(self._unknown))
        args, keywords = self._arguments(node, node.name, "filter", FILTERS)
        if node.name == "map":
            if not isinstance(args[0].constant, str):
                raise self._refused(node, 'map() needs the name of a filter. Write it in quotes, as in map("trim").', "map")
            self._arguments(node, args[0].constant, "filter", FILTERS, skip=1)
        if node.name in {"default", "d"}:
            del self._unknown[receiver]
            if value.variable is not None and value.default is None:
                # A column is true exactly when it is not empty.
                otherwise = args[0] if args else keywords.get("default_value", _constant(""))
                text = otherwise.constant if isinstance(otherwise.constant, str) else None
                variable = value.variable if text is not None else None
                return _Value(code=f"({value.code} or {otherwise.code})", variable=variable, default=text, is_text=otherwise.is_text)
        return self._call(f"f_{node.name}", value, node, args, keywords)
