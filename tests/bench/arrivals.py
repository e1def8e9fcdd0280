"""What times of arrival say of a rate."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence


def most_in_a_second(times: Sequence[float]) -> int:
    """The fullest of all windows of one second; times in order, in seconds."""
    return max((bisect_left(times, at + 1.0) - number for number, at in enumerate(times)), default=0)


def average_per_second(times: Sequence[float], first: float, last: float) -> float:
    """The rate from one time to another, by the gaps between what arrived: a count over seconds would be wrong by up to one.

    Raises:
        ValueError: fewer than two arrived.
    """
    within = times[bisect_left(times, first) : bisect_right(times, last)]
    if len(within) < 2:
        raise ValueError(f"{len(within)} arrived from {first:.1f} s to {last:.1f} s; a rate needs two.")
    return (len(within) - 1) / (within[-1] - within[0])
