"""Log-in attempts are slowed, by who is tried and from where, so that nobody is kept out by what strangers try elsewhere."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from campaign.console.door.users import key_of

REMEMBERED: Final = 10_000
FORGIVEN_AFTER_SECONDS: Final = 3600.0
LONGEST_SECONDS: Final = 900.0

FREE_OF_PAIR: Final = 4
FREE_OF_ADDRESS: Final = 20
FREE_OF_ALL: Final = 60.0
ALL_PER_SECOND: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """`until` is when the next attempt may be made."""

    failed: int
    at: float
    until: float


class _Book:
    """Failures by key; the longest untouched is forgotten first."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._tried: OrderedDict[str, _Tried] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        tried = self._tried.get(key)
        return max(0.0, tried.until - now) if tried is not None else 0.0

    def add(self, key: str, now: float) -> None:
        tried = self._tried.pop(key, None)
        failed = 1 if tried is None or tried.at + FORGIVEN_AFTER_SECONDS <= now else tried.failed + 1
        over = failed - self._free
        wait = min(LONGEST_SECONDS, 2.0 ** min(over, 20)) if over > 0 else 0.0
        self._tried[key] = _Tried(failed=failed, at=now, until=now + wait)
        if len(self._tried) > REMEMBERED:
            self._tried.popitem(last=False)

    def take_back(self, key: str) -> None:
        tried = self._tried.pop(key, None)
        if tried is not None and tried.failed > 1:
            self._tried[key] = _Tried(failed=tried.failed - 1, at=tried.at, until=tried.at)

    def clear(self, key: str) -> None:
        self._tried.pop(key, None)


class Attempts:
    """One attempt is `begin`, then `came_in` if the password was right.

    Until then it counts as failed, so that many at once gain nothing.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._pairs = _Book(FREE_OF_PAIR)
        self._addresses = _Book(FREE_OF_ADDRESS)
        self._left, self._left_at = FREE_OF_ALL, now()
        self._known: OrderedDict[str, None] = OrderedDict()

    def begin(self, name: str, address: str) -> float:
        """Seconds to wait before this may be tried; 0 is that it may be tried now."""
        now, place = self._now(), _place(address)
        pair = f"{place} {key_of(name)}"
        self._left = min(FREE_OF_ALL, self._left + max(0.0, now - self._left_at) * ALL_PER_SECOND)
        self._left_at = now
        wait = self._pairs.wait(pair, now)
        # Whoever has come in from there before is not kept out by what others try.
        if pair not in self._known:
            wait = max(wait, self._addresses.wait(place, now), (1.0 - self._left) / ALL_PER_SECOND)
        if wait > 0:
            return wait
        self._pairs.add(pair, now)
        if pair not in self._known:
            self._addresses.add(place, now)
            self._left -= 1.0
        return 0.0

    def came_in(self, name: str, address: str) -> None:
        """The attempt begun last from there had the right password."""
        place = _place(address)
        pair = f"{place} {key_of(name)}"
        self._pairs.clear(pair)
        if pair not in self._known:
            self._addresses.take_back(place)
            self._left = min(FREE_OF_ALL, self._left + 1.0)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _place(address: str) -> str:
    """An address, or the network that one subscriber has of version 6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
