"""A list's columns and rows for the tests of messages, and how to render one of them."""

from collections.abc import Sequence
from typing import Final

import pytest

from campaign.domain.errors import InputError, TemplateError
from campaign.domain.model import Invalid
from campaign.loader.messages.resolve import Messages, plan_messages
from campaign.loader.messages.result import Rendered

COLUMNS: Final = ("pass_id", "First name", "code", "shop", "points")
ANNA: Final = ("p1", "Anna", "X1", "Köln", "120")
NOBODY: Final = ("p2", "", "", " ", "")
# What has no bound takes minutes or more; what has one never comes near this, on a busy machine either.
HANG_SECONDS: Final = 15


def plan(message: str, *, columns: Sequence[str] = COLUMNS, max_length: int = 350) -> Messages:
    return plan_messages(columns, message=message, template=None, templates=None, max_length=max_length)


def render(message: str, cells: Sequence[str] = ANNA, *, columns: Sequence[str] = COLUMNS) -> str:
    """The text, of which there must be one."""
    rendered = plan(message, columns=columns).render(cells)
    assert rendered.reason is None, rendered.error
    assert not rendered.error
    return rendered.text


def invalid(message: str, cells: Sequence[str], reason: Invalid) -> str:
    """The sentence for a row that has no message for the reason given."""
    rendered = plan(message).render(cells)
    assert rendered == Rendered(text="", reason=reason, error=rendered.error)
    assert is_sentence(rendered.error)
    return rendered.error


def refused(message: str, *, columns: Sequence[str] = COLUMNS) -> InputError:
    """The error for a template that no list is rendered with, found before any row."""
    with pytest.raises(InputError) as caught:
        plan(message, columns=columns)
    assert caught.value.file == "--message"
    assert is_sentence(caught.value.problem)
    return caught.value


def refused_at(message: str, *, columns: Sequence[str] = COLUMNS) -> tuple[int, int | None]:
    """The line and the column of what is wrong with a template."""
    error = refused(message, columns=columns)
    assert isinstance(error, TemplateError)
    return error.template_line, error.position


def is_sentence(text: str) -> bool:
    return text.endswith(".") and (text[0].isupper() or text.startswith(("--", "/", "“")))
