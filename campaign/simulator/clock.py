"""The two clocks that the audit writes down, so that a test may own them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Nanoseconds: since any moment but never backwards, and since 1970."""

    monotonic_ns: Callable[[], int] = field(default=time.monotonic_ns)
    unix_ns: Callable[[], int] = field(default=time.time_ns)
