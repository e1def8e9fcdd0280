"""Values that come from an empty field. They behave as the empty text does, in tests too, but must not reach a message.

What is computed from one is one again, so that `{{ first_name | title }}` and `{{ points | int * 2 }}` are as invalid for an empty field as
the field itself, whichever way a `{% set %}` took them there. `default` ends it.
"""

from dataclasses import dataclass
from typing import Self

from campaign.domain.cells import strip_unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A variable of a template; `column` is None for one that no column goes by, but that the template excuses."""

    name: str
    column: str | None


def is_empty(cell: str) -> bool:
    """Whether nobody would see anything of a cell."""
    return not (cell.strip() and (cell.isprintable() or strip_unseen(cell)))


class MissingFieldError(Exception):
    def __init__(self, field: Field) -> None:
        super().__init__(field.name)
        self.field = field


class Lacking:
    """The mark that all of them bear."""

    __slots__ = ()
    field: Field


class LackingText(Lacking, str):
    __slots__ = ("field",)

    def __new__(cls, value: str, field: Field) -> Self:
        made = super().__new__(cls, value)
        made.field = field
        return made


class LackingInt(Lacking, int):
    def __new__(cls, value: int, field: Field) -> Self:
        made = super().__new__(cls, value)
        made.field = field
        return made


class LackingFloat(Lacking, float):
    def __new__(cls, value: float, field: Field) -> Self:
        made = super().__new__(cls, value)
        made.field = field
        return made


def lacking(value: object, field: Field | None) -> object:
    """The value, marked with the empty field it was computed from; truth values stay as they are: they were only tested."""
    if field is None or isinstance(value, bool):
        return value
    match value:
        case str():
            return LackingText(value, field)
        case int():
            return LackingInt(value, field)
        case float():
            return LackingFloat(value, field)
        case list() | tuple():
            return [lacking(item, field) for item in value]
        case _:
            return value


def field_of(*values: object) -> Field | None:
    """The empty field that the first of the marked values comes from."""
    return next((value.field for value in values if isinstance(value, Lacking)), None)
