"""An error that is expected, by its class, its code and its values; what it says to people is in the golden files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from campaign.domain.errors import CampaignError

E = TypeVar("E", bound=CampaignError)


@contextmanager
def raises(kind: type[E], code: str, **values: object) -> Iterator[pytest.ExceptionInfo[E]]:
    """The block raises this kind of error, with at least these values."""
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    assert (error.code, {name: getattr(error, name) for name in values}) == (code, values), str(error)
