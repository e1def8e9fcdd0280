"""The progress of a run, in numbers, from its events. Pure; the caller gives the time in seconds of any monotonic clock."""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final

from campaign.domain.model import Counts
from campaign.domain.status import OPEN, SENT_TO, Status

WINDOW_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 2.0
NOTICE_SECONDS: Final = 30.0
_GOT_THROUGH: Final = SENT_TO - {Status.UNKNOWN}


class Tally:
    """The progress of a run. `by_status` counts the campaign's rows, as far as this process knows."""

    def __init__(self, counts: Counts, now: float) -> None:
        self.by_status: Counter[Status] = Counter(counts.by_status)
        self.rows = counts.rows
        self._began = self._last = self._got_through = now
        self._recent: deque[float] = deque()
        self._held_until = now
        self._held_by = ""
        self._closed = ""
        self._notice, self._noticed_at = "", now

    @property
    def open(self) -> int:
        """Rows that are not settled yet."""
        return _open(self.by_status)

    @property
    def only_reads(self) -> bool:
        """Whether nothing is left to send, and passes may have to be read back."""
        return not self.open and self.by_status[Status.UNKNOWN] > 0

    def settled(self, status: Status, now: float) -> None:
        self._move(Status.PENDING, status)
        self._recent.append(now)
        self._last = now
        self._closed = ""
        if status in _GOT_THROUGH:
            self._held_by, self._held_until, self._got_through = "", now, now

    def read_back(self, status: Status, now: float) -> None:
        # The row may be one that another process left unverified.
        if self.by_status[Status.UNKNOWN] > 0:
            self._move(Status.UNKNOWN, status)
        self._last = now

    def take_over(self, counts: Counts, now: float, *, ended: bool = False) -> bool:
        """Take over the ledger's counts, whichever process sent the rows; returns whether they have changed.

        They count for the rate, unless the run has `ended`: rows of other processes would all be sent in this moment.
        """
        before, self.by_status = self.by_status, Counter(counts.by_status)
        self._recent.extend([] if ended else [now] * max(0, _open(before) - self.open))
        if self.by_status == before:
            return False
        self._last = now
        return True

    def event(self, name: str, details: Mapping[str, Any], now: float) -> bool:
        """Count the rows that an event is about; False if it is about none. Skipped rows do not count for the rate."""
        match name:
            case "standing":
                self.take_over(details["counts"], now, ended=details.get("ended", False))
            case "read_back":
                self.read_back(Status(details["status"]), now)
            case "rows_of_a_dead_runner":
                self._move(Status.SENDING, Status.UNKNOWN, details["rows"])
            case "rows_skipped":
                self._move(Status.PENDING, Status.SKIPPED, details["rows"])
                self._closed = ""
            case _:
                return False
        return True

    def held(self, seconds: float, why: str, now: float) -> None:
        """Nothing is sent for this many seconds."""
        if now + seconds > self._held_until:
            self._held_until, self._held_by = now + seconds, why

    def closed(self, why: str) -> None:
        """The schedule does not allow sending now."""
        self._closed = why

    def noticed(self, what: str, now: float) -> None:
        """Something that a person should see for a while."""
        self._notice, self._noticed_at = what, now

    def notice(self, now: float) -> str:
        """The last notice; empty if it is older than NOTICE_SECONDS."""
        return self._notice if now - self._noticed_at < NOTICE_SECONDS else ""

    def rate_per_second(self, now: float) -> float:
        """Ended attempts per second, over the last ten seconds."""
        while self._recent and now - self._recent[0] > WINDOW_SECONDS:
            self._recent.popleft()
        return len(self._recent) / min(WINDOW_SECONDS, max(now - self._began, 1.0))

    def eta_seconds(self, now: float) -> float | None:
        """How many seconds the rest takes at this rate; None if the rate is 0, nothing is left, or nothing can be sent at present."""
        if now - self._got_through >= QUIET_SECONDS and (self._held_by or self._closed):
            return None
        rate = self.rate_per_second(now)
        return self.open / rate if rate and self.open else None

    def waiting(self, now: float) -> str:
        """Why nothing has been settled for a while; empty if something was."""
        if now - self._last < QUIET_SECONDS:
            return ""
        if now < self._held_until:
            return f"{self._held_by}; trying again in {self._held_until - now:.0f} s"
        if self._held_by and self.open:
            return f"{self._held_by}; trying again"
        if self._closed and self.open:
            return self._closed
        if self.only_reads:
            return "some messages may have arrived: their passes are read back after a quiet period"
        return "waiting for answers, or for rows whose next try is due later"

    def _move(self, before: Status, after: Status, count: int = 1) -> None:
        self.by_status[before] -= count
        self.by_status[after] += count


def _open(by_status: Counter[Status]) -> int:
    return max(0, sum(by_status[status] for status in OPEN))
