"""What really happens to the passes while a model test drives the ledger: who holds which text, and what each row has caused."""

from collections import Counter
from dataclasses import dataclass, field

from campaign.domain.model import Claim
from campaign.domain.status import Status
from campaign.domain.verdict import Latest, PassReading

RowKey = tuple[int, int]
"""Campaign and row."""

LATEST_ARRIVAL_SECONDS = 3.0
"""How long after it was written a message may still arrive; the quiet period of the tests is longer, as the promise supposes."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One row as the test knows it.

    `holder` is the runner that may send it now; `allowed` how often people have agreed to it being sent; `over_since` is when its last
    attempt ended, `unverified_since` when that left it unverified: both are on the
    world's clock, None where no read back is owed.
    """

    campaign: int
    row: int
    pass_key: str
    message: str
    status: Status
    holder: int | None = None
    fencing_token: int = 0
    allowed: int = 1
    unverified_since: float | None = None
    over_since: float = float("-inf")

    @property
    def key(self) -> RowKey:
        return self.campaign, self.row


@dataclass(slots=True, kw_only=True)
class Sent:
    """A claim that a runner was handed, and what it has done with it."""

    claim: Claim
    runner: int
    written: bool = False
    arrived: bool = False


@dataclass(slots=True)
class World:
    """The API as it really is. `now` only goes forward, whatever the clocks of the machine say."""

    now: float = 0.0
    texts: dict[str, list[str]] = field(default_factory=dict)
    arrivals: Counter[RowKey] = field(default_factory=Counter)
    rows: dict[RowKey, Row] = field(default_factory=dict)
    _under_way: list[tuple[float, Sent]] = field(default_factory=list)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for at, sent in sorted(self._under_way, key=lambda item: item[0]):
            if at <= self.now:
                self._arrive(sent)
        self._under_way = [(at, sent) for at, sent in self._under_way if at > self.now]

    def write(self, sent: Sent, *, arrives_in_seconds: float | None) -> None:
        """A request leaves; None: it gets lost on its way, or is refused."""
        sent.written = True
        if arrives_in_seconds is None:
            return
        if arrives_in_seconds > 0:
            self._under_way.append((self.now + arrives_in_seconds, sent))
        else:
            self._arrive(sent)

    def is_under_way(self, key: RowKey) -> bool:
        return any((sent.claim.campaign, sent.claim.row) == key for _, sent in self._under_way)

    def may_still_arrive(self, sent: Sent) -> bool:
        return any(other is sent for _, other in self._under_way)

    def held_before(self, row: Row) -> None:
        """A row that a results file says to have been sent: its text is on the pass, though this ledger did not send it."""
        self.texts.setdefault(row.pass_key, []).append(row.message)
        self.arrivals[row.key] += 1

    def read(self, pass_key: str) -> PassReading:
        """What Show Pass says."""
        texts = self.texts.get(pass_key)
        return PassReading(latest=Latest.TEXT, text=texts[-1]) if texts else PassReading(latest=Latest.NULL)

    def _arrive(self, sent: Sent) -> None:
        row = self.rows[sent.claim.campaign, sent.claim.row]
        self.texts.setdefault(row.pass_key, []).append(sent.claim.message)
        self.arrivals[row.key] += 1
        sent.arrived = True
