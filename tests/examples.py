"""How much is tried: little in `make test`, much in `make test-all`."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings


def examples(count: int) -> int:
    """So many for `make test`; of the longer profile of `make test-all` as many times more as it draws more."""
    return count * settings().max_examples // 30


def slow_after(count: int, cases: Iterable[Any], *, unpack: bool = False) -> list[Any]:
    """For `parametrize`: the first cases are run by `make test`, the others by `make test-all`.

    Args:
        count: how many are the first.
        cases: the values of a name; with `unpack` each is a tuple, of a value for each name.
        unpack: see there.
    """
    return [
        pytest.param(*(case if unpack else [case]), marks=[] if number < count else [pytest.mark.slow]) for number, case in enumerate(cases)
    ]
