"""Estimates who else uses the token: the API says how much of its limit is left, and we know how much of it we use."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from campaign.domain.pace.pacing import LOWEST_FACTOR

ANSWERS: Final = 30
"""This many answers are averaged: a single one may have been counted while requests bunched on their way."""

STEP: Final = 0.93
"""A full window hides how much more others would use, so we go down by at least this factor, and measure again."""

THROTTLED: Final = 3
"""This many 429s among these answers, at a rate of ours that can't cause them, are no accident."""

FULL: Final = 0.9
"""A window as full as this leaves no room."""

NOISE: Final = 0.05
"""The part of the limit by which our own requests may seem to exceed our rate for a moment."""

SAME: Final = 0.01
"""Answers from a time when our rate differed by more than this share are dropped."""

SPARE: Final = 0.05
"""The part of the limit that stays free beside foreign traffic, as its next second is not known."""


@dataclass(slots=True)
class ForeignTrafficEstimator:
    """Foreign traffic at one endpoint: call `note` for each answer. `per_second` is the foreign requests per second, 0 if none show."""

    per_second: float = 0.0
    _used: deque[int] = field(default_factory=lambda: deque(maxlen=ANSWERS))
    _throttled: deque[bool] = field(default_factory=lambda: deque(maxlen=ANSWERS))
    _limit: int = 0
    _ours: float = 0.0

    def note(self, *, limit: int | None, remaining: int | None, throttled: bool, ours_per_second: float) -> None:
        """Record one answer.

        Args:
            limit: requests that the API allows in its window of a second; None if it does not say.
            remaining: how many of them are left after this one.
            throttled: whether the answer was a 429.
            ours_per_second: what everyone who shares our budget sends at present.
        """
        self.per_second = 0.0
        if not limit or remaining is None or limit != self._limit or abs(ours_per_second - self._ours) > SAME * ours_per_second:
            self._used.clear()
            self._throttled.clear()
            self._limit = limit or 0
            self._ours = ours_per_second
            if not limit or remaining is None:
                return
        self._used.append(limit - remaining)
        self._throttled.append(throttled)
        # If our own rate fills the window, nothing can be estimated. Only a full window matters, whether it lasts a second or a minute.
        if len(self._used) < ANSWERS or ours_per_second > limit * FULL:
            return
        used = sum(self._used) / ANSWERS
        # Even evenly spaced requests are sometimes ten and sometimes eleven in a second; and on the way some catch up with others.
        most_of_ours = math.floor(ours_per_second) + 1 + limit * NOISE
        if used > limit * FULL:
            self.per_second = max(0.0, used - most_of_ours)
        if sum(self._throttled) >= THROTTLED:
            self.per_second = max(self.per_second, limit - ours_per_second)

    def room_per_second(self) -> float:
        """Requests per second left for us beside foreign traffic: less than we use, since the window is full."""
        return min(self._limit * (1 - SPARE) - self.per_second, self._ours * STEP)


def factor_beside(room_per_second: float, *, rate_per_second: float) -> float:
    """The part of the wanted rate that fits into the room, at least LOWEST_FACTOR: foreign traffic must not stop us for good."""
    return min(1.0, max(LOWEST_FACTOR, room_per_second / rate_per_second))
