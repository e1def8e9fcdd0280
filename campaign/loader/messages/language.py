"""From a template as people write it to the code that minijinja runs.

minijinja overflows the stack on a long expression, compares texts with numbers, repeats a text by `*`, and counts instructions, not bytes.
So it is given none of a person's text: Jinja2 parses a template, each part of it is looked up among those that a message may have, with
the kinds of values that it takes and gives, and written again. What could make a text much longer is one of our `operations`.

An empty column is the empty text. In a condition it stays that; everywhere else `need` refuses it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import jinja2
from jinja2 import nodes

from campaign.loader.columns import same_name, shown
from campaign.loader.messages.operations import MAX_NUMBER, MAX_TEXT, OPERATIONS
from campaign.loader.messages.result import HALF
from campaign.loader.messages.variables import Variables

_PARSER: Final = jinja2.Environment(autoescape=False)  # noqa: S701 - it renders nothing
_MAX_DEPTH: Final = 50
_MAX_LOOPS: Final = 2
_MAX_LOOP_TEXT: Final = 500
_MAX_ITEMS: Final = 200
_TOO_DEEP: Final = "The template is nested too deeply. Write it in simpler parts."
_TOO_MANY_DIGITS: Final = "A number has more than 18 digits. Write it as a text, in quotes."
_PRINTED: Final = re.compile(r"\{\{([^{}]*)\}\}")
_FORMAT: Final = re.compile(r"(?:[^%]|%%|%[-+ #0]*\d{0,2}(?:\.\d{1,2})?[sdifeg])*")

TEXT, NUMBER, TRUTH, TEXTS, NUMBERS, TABLE = "text", "number", "condition", "list of texts", "list of numbers", "dictionary"
_ITEM: Final = {TEXTS: TEXT, NUMBERS: NUMBER}
_ARITHMETIC: Final = {nodes.Add: "+", nodes.Sub: "-", nodes.Mul: "*", nodes.Div: "/", nodes.FloorDiv: "//", nodes.Mod: "%"}
_SIGNS: Final = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in"}
_LOOP: Final = {"index": NUMBER, "index0": NUMBER, "revindex": NUMBER, "first": TRUTH, "last": TRUTH, "length": NUMBER}


class Operation(NamedTuple):
    """A filter, test or method: the kinds it takes, the kind it gives (empty for an item's), and its arguments with their kinds."""

    takes: tuple[str, ...]
    gives: str
    arguments: Mapping[str, str] = {}
    needed: int = 0


_PLAIN: Final = Operation((TEXT,), TEXT)
_TO_NUMBER: Final = Operation((TEXT, NUMBER), NUMBER, {"default": NUMBER})
FILTERS: Final[dict[str, Operation]] = {
    **dict.fromkeys(("capitalize", "lower", "title", "trim", "upper", "urlencode"), _PLAIN),
    "abs": Operation((NUMBER,), NUMBER),
    "d": _PLAIN,
    "default": _PLAIN,
    "first": Operation((TEXTS, NUMBERS), ""),
    "float": _TO_NUMBER,
    "format": _PLAIN,
    "int": _TO_NUMBER,
    "join": Operation((TEXTS, NUMBERS), TEXT, {"d": TEXT}),
    "last": Operation((TEXTS, NUMBERS), ""),
    "length": Operation((TEXT, TEXTS, NUMBERS), NUMBER),
    "replace": Operation((TEXT,), TEXT, {"old": TEXT, "new": TEXT}, needed=2),
    "round": Operation((NUMBER,), NUMBER, {"precision": NUMBER}),
    "string": Operation((TEXT, NUMBER), TEXT),
    "truncate": Operation((TEXT,), TEXT, {"length": NUMBER, "killwords": TRUTH, "end": TEXT, "leeway": NUMBER}),
}
TESTS: Final[dict[str, Operation]] = {
    "defined": Operation((TEXT, NUMBER), TRUTH),
    "undefined": Operation((TEXT, NUMBER), TRUTH),
    "even": Operation((NUMBER,), TRUTH),
    "odd": Operation((NUMBER,), TRUTH),
    "divisibleby": Operation((NUMBER,), TRUTH, {"num": NUMBER}, needed=1),
}
METHODS: Final[dict[str, Operation]] = {
    **dict.fromkeys(("capitalize", "lower", "upper"), _PLAIN),
    **dict.fromkeys(("lstrip", "rstrip", "strip"), Operation((TEXT,), TEXT, {"chars": TEXT})),
    **dict.fromkeys(("endswith", "startswith"), Operation((TEXT,), TRUTH, {"part": TEXT}, needed=1)),
    "get": Operation((TABLE,), TEXT, {"key": TEXT, "default": TEXT}, needed=2),
    "isdigit": Operation((TEXT,), TRUTH),
    "replace": FILTERS["replace"],
    "split": Operation((TEXT,), TEXTS, {"sep": TEXT, "maxsplit": NUMBER}),
}
_CONSTANT: Final = {"round": "precision", "truncate": "length, killwords, end and leeway"}


class RefusedError(Exception):
    """A template that can't be used; `problem` are whole sentences. `column` is where the line has what is wrong, if that is known."""

    def __init__(self, line: int, problem: str, *, column: int | None = None) -> None:
        super().__init__(problem)
        self.line = line
        self.column = column
        self.problem = problem


class Field(NamedTuple):
    """A name that stands for a column (`place` is None if the list has none), as it is in the code."""

    code: str
    name: str
    place: int | None


class PlainField(NamedTuple):
    """`{{ name }}` or `{{ name | default("...") }}`."""

    field: Field
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A template for minijinja.

    Attributes:
        code: what minijinja runs.
        fields: what it needs of a row.
        parts: the texts and fields of a template that has nothing else in it.
        braces_meant: whether it writes `{{` itself.
    """

    code: str
    fields: tuple[Field, ...]
    parts: tuple[str | PlainField, ...] | None
    braces_meant: bool


def translate(text: str, variables: Variables) -> Translated:
    """The template for minijinja.

    Raises:
        RefusedError: its syntax is wrong, it uses what a message may not, or a variable that no column goes by or that could mean two.
    """
    try:
        return _Translator(text, variables).translated(_PARSER.parse(text))
    except jinja2.TemplateSyntaxError as error:
        raise RefusedError(error.lineno, _syntax_problem(error, text, variables)) from None
    except RecursionError:
        raise RefusedError(1, _TOO_DEEP) from None
    except ValueError:
        # Only Python's own limit on the digits of a number gets here.
        raise RefusedError(1, _TOO_MANY_DIGITS) from None


def _syntax_problem(error: jinja2.TemplateSyntaxError, text: str, variables: Variables) -> str:
    line = text.split("\n")[error.lineno - 1 : error.lineno]
    for printed in _PRINTED.findall("".join(line)):
        written = printed.split("|")[0].strip(" -")
        if not written.isidentifier() and (name := variables.meant(written)):
            return f"“{shown(written)}” is not a name that a template can use. Write {{{{ {name} }}}} for this column."
    return f"The template can't be understood: {shown((error.message or '').rstrip('.'), 300)}. Check the braces and tags here."


class _Value(NamedTuple):
    """An expression for minijinja, and the kind of what it gives; `parts` is what a template of plain fields prints by it."""

    code: str
    kind: str
    parts: PlainField | None = None


@dataclass(slots=True)
class _Translator:
    text: str
    variables: Variables
    _code: list[str] = field(default_factory=list)
    _line: int = 1
    _fields: dict[str, Field] = field(default_factory=dict)
    _excused: set[str] = field(default_factory=set)
    _set: dict[str, str] = field(default_factory=dict)
    """The kinds of the variables that are set here."""
    _loops: int = 0
    _depth: int = 0
    _parts: list[str | PlainField] | None = field(default_factory=list)
    _braces_meant: bool = False

    def translated(self, tree: nodes.Template) -> Translated:
        for test in tree.find_all(nodes.Test):
            if test.name in {"defined", "undefined"} and isinstance(test.node, nodes.Name):
                self._excused.add(same_name(test.node.name))
        self._body(tree.body)
        return Translated(
            code="".join(self._code),
            fields=tuple(self._fields.values()),
            parts=tuple(self._parts) if self._parts is not None else None,
            braces_meant=self._braces_meant,
        )

    def _refused(self, node: nodes.Node, problem: str, near: str = "") -> RefusedError:
        # The parser leaves some nodes without a line that only hold others.
        line = next((inner.lineno for inner in (node, *node.find_all(nodes.Node)) if inner.lineno), 1)
        written = self.text.split("\n")[line - 1]
        # Jinja2 tells no columns. What stands in a tag has its end before another begins.
        found = re.search(rf"\b{re.escape(near)}\b(?=[^{{]*[}}%]}})", written) if near else None
        return RefusedError(line, problem, column=found.start() + 1 if found else None)

    # Statements

    def _body(self, body: Sequence[nodes.Node]) -> None:
        for node in body:
            self._deeper(node)
            self._statement(node)
            self._depth -= 1

    def _deeper(self, node: nodes.Node) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._refused(node, _TOO_DEEP)

    def _write(self, code: str, node: nodes.Node, *, prints: bool = False) -> None:
        """A tag on the line on which it is in the template, so that what fails is found there."""
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
                if len(node.elif_) > _MAX_ITEMS:
                    raise self._refused(node, _TOO_DEEP)
                for keyword, branch in [("if", node), *(("elif", branch) for branch in node.elif_)]:
                    self._write(f"{keyword} {self._test(branch.test).code}", branch)
                    self._body(branch.body)
                self._write("else", node)
                self._body(node.else_)
                self._write("endif", node)
            case nodes.For(target=nodes.Name(name=name), else_=[], test=None, recursive=False):
                self._for(node, name)
            case nodes.Assign(target=nodes.Name(name=name)):
                value = self._value(node.node)
                self._write(f"set {self._assigned(node, name, value.kind)} = {value.code}", node)
            case _:
                raise self._refused(
                    node,
                    f"This {type(node).__name__.lower()} tag can't be used in a message. Use {{% if %}}, {{% for x in y %}} and "
                    "{% set x = y %}, or write the text out.",
                )

    def _output(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.TemplateData):
            text = node.data
            if self._loops and len(text) > _MAX_LOOP_TEXT:
                raise self._refused(node, f"There are more than {_MAX_LOOP_TEXT} characters within a loop. No message needs that.")
            self._braces_meant |= "{{" in text or "{%" in text
            self._code.append(f"{{{{ {json.dumps(text)} }}}}" if "{" in text else text)
            self._line += text.count("\n") if "{" not in text else 0
            self._parts = [*self._parts, text] if self._parts is not None else None
            return
        value = self._value(node)
        if value.kind not in {TEXT, NUMBER}:
            advice = " Write it with | join(', ')." if value.kind in _ITEM else ' Write {{ "this" if it else "that" }}.'
            raise self._refused(node, f"{{{{ }}}} gives a {value.kind}, not a text.{advice if value.kind != TABLE else ''}")
        self._parts = [*self._parts, value.parts] if self._parts is not None and value.parts is not None else None
        self._write(value.code, node, prints=True)

    def _for(self, node: nodes.For, name: str) -> None:
        items = self._value(node.iter, TEXTS, NUMBERS)
        before = dict(self._set)
        self._loops += 1
        if self._loops > _MAX_LOOPS:
            raise self._refused(node, _TOO_DEEP)
        self._write(f"for {self._assigned(node, name, _ITEM[items.kind])} in {items.code}", node)
        self._body(node.body)
        self._write("endfor", node)
        self._loops -= 1
        self._set = before

    def _assigned(self, node: nodes.Node, name: str, kind: str) -> str:
        """The code of a variable that gets a value of this kind."""
        name = same_name(name)
        if name in self.variables.places or name in {"loop", *self._fields}:
            raise self._refused(node, f"“{shown(name)}” means something else already, so it can't be set. Take another name.", name)
        if self._set.setdefault(name, kind) != kind:
            raise self._refused(node, f"“{shown(name)}” was a {self._set[name]}, and is a {kind} here. Take another name.", name)
        return f"s{list(self._set).index(name)}"

    # Expressions

    def _value(self, node: nodes.Node, *kinds: str, raw: bool = False) -> _Value:
        """An expression, of one of these kinds if there are any; `raw` leaves an empty column as it is."""
        self._deeper(node)
        value = self._expression(node, raw=raw)
        self._depth -= 1
        if kinds and value.kind not in kinds:
            raise self._refused(node, self._other_kind(node, value.kind, kinds), node.name if isinstance(node, nodes.Name) else "")
        return value

    def _other_kind(self, node: nodes.Node, kind: str, kinds: Sequence[str]) -> str:
        what = f"“{node.name}”" if isinstance(node, nodes.Name) else "This"
        advice = "Write it out."
        if kind == TEXT and NUMBER in kinds:
            advice = "Every column is text; to compute with it, write | int or | float after it."
        elif kind == TEXT and TEXTS in kinds:
            advice = "Write | split or .split(',') after it."
        elif kind == NUMBER and TEXT in kinds:
            advice = "Write | string after it, or the number in quotes."
        return f"{what} is a {kind}, where a {' or a '.join(kinds)} is needed. {advice}"

    def _test(self, node: nodes.Node) -> _Value:
        """A condition, in which empty columns are false."""
        return self._value(node, raw=True)

    def _expression(self, node: nodes.Node, *, raw: bool) -> _Value:  # noqa: C901, PLR0912 - one case for each kind of node
        match node:
            case nodes.Name():
                return self._name(node, raw=raw)
            case nodes.Const():
                return self._const(node)
            case nodes.List() | nodes.Tuple():
                items = [self._value(item, TEXT, NUMBER, raw=raw) for item in node.items]
                if len({item.kind for item in items}) > 1 or len(items) > _MAX_ITEMS:
                    raise self._refused(node, f"A list has texts or numbers, not both, and at most {_MAX_ITEMS} of them. Write it so.")
                return _Value(f"[{', '.join(item.code for item in items)}]", NUMBERS if items and items[0].kind == NUMBER else TEXTS)
            case nodes.Dict():
                pairs = [f"{self._value(pair.key, TEXT).code}: {self._value(pair.value, TEXT).code}" for pair in node.items]
                return _Value(f"{{{', '.join(pairs)}}}", TABLE)
            case nodes.Concat():
                first, *others = [self._value(inner, TEXT, NUMBER, raw=raw) for inner in node.nodes]
                return self._own("concat", first, node, others)
            case nodes.Neg() | nodes.Pos():
                return _Value(f"({'-' * isinstance(node, nodes.Neg)}{self._value(node.node, NUMBER, raw=raw).code})", NUMBER)
            case nodes.BinExpr() if type(node) in _ARITHMETIC:
                left = self._value(node.left, *((TEXT, NUMBER) if isinstance(node, nodes.Add) else (NUMBER,)), raw=raw)
                right = self._value(node.right, left.kind, raw=raw)
                if left.kind == TEXT:
                    return self._own("concat", left, node, [right])
                return _Value(f"({left.code} {_ARITHMETIC[type(node)]} {right.code})", NUMBER)
            case nodes.Not():
                return _Value(f"(not {self._test(node.node).code})", TRUTH)
            case nodes.Or():
                left = self._test(node.left)
                if left.kind == TEXT and _origin(node.left) is not None:
                    return self._fallback(left, node.left, node.right, raw=raw)
                return _Value(f"({left.code} or {self._test(node.right).code})", TRUTH)
            case nodes.And():
                return _Value(f"({self._test(node.left).code} and {self._test(node.right).code})", TRUTH)
            case nodes.CondExpr():
                test, then = self._test(node.test), self._value(node.expr1, raw=raw)
                otherwise = self._value(node.expr2, then.kind, raw=raw) if node.expr2 is not None else _Value('""', TEXT)
                return _Value(f"({then.code} if {test.code} else {otherwise.code})", then.kind)
            case nodes.Compare():
                return self._compare(node)
            case nodes.Filter(name="default" | "d"):
                return self._default(node, raw=raw)
            case nodes.Filter():
                return self._filter(node, raw=raw)
            case nodes.Test():
                return self._tested(node)
            case nodes.Getattr(node=nodes.Name(name="loop"), attr=attr) if self._loops and attr in _LOOP:
                return _Value(f"loop.{attr}", _LOOP[attr])
            case nodes.Getitem(arg=nodes.Slice() as part):
                bounds = [
                    self._value(bound, NUMBER) if bound is not None else _Value(str(otherwise), NUMBER)
                    for bound, otherwise in ((part.start, 0), (part.stop, MAX_TEXT))
                ]
                if part.step is not None:
                    raise self._refused(node, "A text can be cut with [from:to] only. Leave the step out.")
                return self._own("slice", self._value(node.node, TEXT, raw=raw), node, bounds)
            case nodes.Getitem():
                value = self._value(node.node, TEXT, TEXTS, NUMBERS, TABLE, raw=raw)
                key = self._value(node.arg, TEXT if value.kind == TABLE else NUMBER)
                return _Value(f"{value.code}[{key.code}]", _ITEM.get(value.kind, TEXT))
            case nodes.Call(node=nodes.Getattr(attr=attr) as method):
                receiver = self._receiver(node, attr, "method", METHODS, method.node, raw=raw)
                if attr == "replace":
                    return self._own(attr, receiver, node, list(self._arguments(node, attr, METHODS).values()))
                args = ", ".join(arg.code for arg in self._arguments(node, attr, METHODS).values())
                return _Value(f"{receiver.code}.{attr}({args})", METHODS[attr].gives)
            case nodes.Getattr(node=nodes.Name(name=name) as owner) if same_name(name) not in {*self._set, *self.variables.places}:
                raise self._unknown(owner, f".{node.attr}")
            case nodes.Getattr():
                raise self._refused(node, f"“.{shown(node.attr)}” can't be used here: a column has no parts. Remove it.", node.attr)
            case nodes.Call(node=nodes.Name(name=name)):
                raise self._refused(node, f"{shown(name)}() can't be used in a message. Write the text out instead.", name)
            case _:
                raise self._refused(node, "This can't be used in a message. Write the text out instead.")

    def _name(self, node: nodes.Name, *, raw: bool) -> _Value:
        name = same_name(node.name)
        if name in self._set:
            return _Value(f"s{list(self._set).index(name)}", self._set[name])
        place = self.variables.places.get(name)
        if place is not None and (problem := self.variables.ambiguous(name)):
            raise self._refused(node, problem, node.name)
        if place is None and name not in self._excused:
            raise self._unknown(node)
        found = self._fields.setdefault(name, Field(f"v{len(self._fields)}", name, place))
        code = found.code if raw else f"({found.code}|need({list(self._fields).index(name)}))"
        return _Value(code, TEXT, PlainField(found))

    def _unknown(self, node: nodes.Name, part: str = "") -> RefusedError:
        return self._refused(node, self.variables.unknown(same_name(node.name), part=part), node.name)

    def _const(self, node: nodes.Const) -> _Value:
        match node.value:
            case bool() as truth:
                return _Value("true" if truth else "false", TRUTH)
            case int() | float() as number if not abs(number) <= MAX_NUMBER:
                raise self._refused(node, _TOO_MANY_DIGITS)
            case str() as text if HALF.search(text):
                raise self._refused(node, "Half of a character is no text. Remove it.")
            case str() | int() | float() as value:
                return _Value(json.dumps(value), TEXT if isinstance(value, str) else NUMBER)
            case _:
                raise self._refused(node, 'There is no none in a message. Write "" or leave it out.')

    def _own(self, name: str, receiver: _Value, node: nodes.Node, args: Sequence[_Value]) -> _Value:
        """A call of one of the operations, which gets the line too."""
        if len(args) > _MAX_ITEMS:
            raise self._refused(node, _TOO_DEEP)
        code = f"({receiver.code}|{name}({', '.join([str(node.lineno), *(arg.code for arg in args)])}))"
        return _Value(code, NUMBER if name in {"int", "float", "length"} else TEXT)

    def _compare(self, node: nodes.Compare) -> _Value:
        if len(node.ops) > 1:
            raise self._refused(node, "Two comparisons at once can't be used in a message. Join them with “and”.")
        sign, other = _SIGNS[node.ops[0].op], node.ops[0].expr
        left, right = self._test(node.expr), self._test(other)
        for side, value, beside in ((node.expr, left, other), (other, right, node.expr)):
            if (
                isinstance(side, nodes.Name)
                and value.kind == TEXT
                and isinstance(beside, nodes.Const)
                and not isinstance(beside.value, str)
            ):
                name, number = side.name, beside.value
                remedy = (
                    f'Compare it with a text, as in {name} == "yes".' if isinstance(number, bool) else f"Write {name} | int or | float."
                )
                raise self._refused(node, f"“{name}” is text, so it can't be compared with {number}. {remedy}", name)
        match sign, left.kind, right.kind:
            case "==" | "!=", kind, other_kind if kind == other_kind and kind in {TEXT, NUMBER, TRUTH}:
                pass
            case "in" | "not in", kind, other_kind if other_kind == TEXT == kind or _ITEM.get(other_kind) == kind:
                pass
            case _, kind, other_kind if sign not in {"in", "not in"} and kind == other_kind == NUMBER:
                pass
            case _:
                advice = " To compare with a number, write | int or | float after a column." if NUMBER in {left.kind, right.kind} else ""
                problem = f"A {left.kind} can't be compared with a {right.kind} by “{sign}” in a message."
                raise self._refused(node, problem + (advice or " Write the condition in another way."))
        return _Value(f"({left.code} {sign} {right.code})", TRUTH)

    # Filters, tests and methods

    def _fallback(self, value: _Value, wanted: nodes.Node, other: nodes.Node, *, raw: bool) -> _Value:
        """A text, or another where it is empty."""
        alternative = self._value(other, TEXT, raw=raw)
        parts = None
        if isinstance(wanted, nodes.Name) and isinstance(other, nodes.Const) and value.parts is not None:
            parts = PlainField(value.parts.field, other.value)
        return _Value(f"({value.code} or {alternative.code})", TEXT, parts)

    def _default(self, node: nodes.Filter, *, raw: bool) -> _Value:
        other: nodes.Expr
        other, *more = [*node.args, *(keyword.value for keyword in node.kwargs), nodes.Const("", lineno=node.lineno)]
        name = _origin(node.node)
        # `default(..., true)` is what a default is here anyway.
        if len(more) > 2 or node.node is None or name is None or node.dyn_args or node.dyn_kwargs:
            problem = "A default is one text, and can only follow a column, and what is made of that as a text"
            raise self._refused(node, f'{problem}. Write it so: {{{{ first_name | default("there") }}}}, points | int(0).', node.name)
        before = self._excused
        self._excused = before | {name}
        value = self._value(node.node, TEXT, raw=True)
        self._excused = before
        return self._fallback(value, node.node, other, raw=raw)

    def _filter(self, node: nodes.Filter, *, raw: bool) -> _Value:
        name = node.name
        # With a default they take the place of one.
        raw = raw or (name in {"int", "float"} and bool(node.args or node.kwargs))
        value = self._receiver(node, name, "filter", FILTERS, node.node or node, raw=raw)
        if name == "format":
            if not isinstance(node.node, nodes.Const) or not _FORMAT.fullmatch(str(node.node.value)) or node.kwargs:
                problem = "A format is a text with %s, %d, %i, %f, %e, %g and %%, with a width of at most 99"
                raise self._refused(node, f'{problem}. Write it so: "%.2f" | format(price | float).', name)
            return self._own(name, value, node, [self._value(arg, TEXT, NUMBER) for arg in node.args])
        if name in _CONSTANT and not all(isinstance(arg, nodes.Const) for arg in (*node.args, *(keyword.value for keyword in node.kwargs))):
            raise self._refused(
                node, f"What is in the brackets of {name} ({_CONSTANT[name]}) has to be written out here. Write it so.", name
            )
        args = self._arguments(node, name, FILTERS)
        if name in OPERATIONS:
            return self._own(name, value, node, list(args.values()))
        # minijinja takes some only by their names.
        given = ", ".join(f"{key}={arg.code}" if name == "truncate" else arg.code for key, arg in args.items())
        return _Value(f"({value.code}|{name}{f'({given})' if args else ''})", FILTERS[name].gives or _ITEM[value.kind])

    def _tested(self, node: nodes.Test) -> _Value:
        name = node.name
        value = self._receiver(node, name, "test", TESTS, node.node, raw=True)
        args = list(self._arguments(node, name, TESTS).values())
        if name not in {"defined", "undefined"}:
            return _Value(f"({value.code} is {name}{f'({args[0].code})' if args else ''})", TRUTH)
        if not isinstance(node.node, nodes.Name):
            raise self._refused(node, f"Only a column can be {name}. Test the text itself, as in {{% if first_name %}}.", name)
        if value.parts is None:
            return _Value(f"({value.code} is {name})", TRUTH)
        return _Value(f'({value.code} {"!=" if name == "defined" else "=="} "")', TRUTH)

    def _receiver(
        self, node: nodes.Node, name: str, what: str, operations: Mapping[str, Operation], receiver: nodes.Node, *, raw: bool
    ) -> _Value:
        if name not in operations:
            raise self._refused(node, f"“{shown(name)}” is not a {what} that messages have; {', '.join(sorted(operations))} are.", name)
        return self._value(receiver, *operations[name].takes, raw=raw)

    def _arguments(self, node: nodes.Call | nodes.Filter | nodes.Test, name: str, operations: Mapping[str, Operation]) -> dict[str, _Value]:
        """What stands in the brackets of a filter, test or method, by its name there."""
        operation = operations[name]
        names = list(operation.arguments)
        given = dict(zip(names, node.args, strict=False)) | {str(keyword.key): keyword.value for keyword in node.kwargs}
        count = len(node.args) + len(node.kwargs)
        in_order = list(given) == names[:count] or (name == "truncate" and set(given) <= set(names))
        if len(given) != count or not in_order or count < operation.needed or node.dyn_args or node.dyn_kwargs:
            takes = f"takes {', '.join(names)}" if names else "takes nothing"
            raise self._refused(node, f"“{name}” can't be used like this: it {takes}. Change what stands in its brackets.", name)
        return {key: self._value(value, operation.arguments[key]) for key, value in given.items()}


def _origin(node: nodes.Node | None) -> str | None:
    """The name of the one variable that a text comes from, if nothing is added to it on the way."""
    while not isinstance(node, nodes.Name):
        match node:
            case nodes.Filter(node=inner) | nodes.Getitem(node=inner) | nodes.Call(node=nodes.Getattr(node=inner)):
                node = inner
            case _:
                return None
    return same_name(node.name)
