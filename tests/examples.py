"""How many examples are drawn: few in `make test`, many in `make test-all`."""

from hypothesis import settings


def examples(count: int) -> int:
    """So many, times what the profile of hypothesis draws more than its hundred."""
    return count * settings().max_examples // 100
