"""How long to wait before a try is made again: exponential with full jitter; what the reply asks for wins."""

from typing import Final

from campaign.domain.durations import clamp

LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
"""A reply that asks for more is believed up to here: beyond it the run would rather stop than wait."""


def delay_seconds(
    *,
    attempts: int,
    jitter: float,
    retry_after_seconds: float | None = None,
    base_seconds: float = 1.0,
    longest_seconds: float = 60.0,
) -> float:
    """Seconds until the next try.

    Args:
        attempts: tries made so far, at least 1.
        jitter: a draw from [0, 1).
        retry_after_seconds: what the reply asked for, clamped; a little jitter is added so that not everyone comes back at once.
        base_seconds: upper end of the first wait.
        longest_seconds: upper end of every wait.
    """
    if retry_after_seconds is not None:
        return clamp(retry_after_seconds, 0.0, LONGEST_RETRY_AFTER_SECONDS) + jitter * base_seconds
    # The exponent is bounded so that a large count can't overflow.
    return jitter * min(longest_seconds, base_seconds * 2.0 ** min(max(attempts, 1) - 1, 32))
