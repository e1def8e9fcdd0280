"""Every figure of a campaign, as values: one pass over its rows and one over its attempts, both as DataFrames of a bounded size.

What a frame tells is counted at once, by groupby and merge, and added to what the frames before it told.
"""

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from campaign.domain.errors import UsageError
from campaign.domain.model import Counts, Status
from campaign.domain.sanitize import sanitize_for_terminal
from campaign.insights import CampaignView
from campaign.ledger.port import CampaignSpec, LedgerReader
from campaign.ledger.records import AttemptRecord, ResultColumns
from campaign.reporter.frames import outcomes
from campaign.reporter.pauses import Kind, Pauses, SentTimes, Spell, pauses, spells
from campaign.reporter.timeline import Timeline, timeline

EXAMPLES: Final = 5
MOST_GROUPS: Final = 20
MOST_VALUES: Final = 10_000
"""Kept apart while counting: a column with more of them divides nothing."""
MOST_REASONS: Final = 50
"""There are far fewer, unless an API invents them: what is beyond counts as one."""
READ_BACK: Final = "read_back"
"""The reason of sends that got no answer, after which the pass was read, and held nothing of them."""
OTHERS: Final = "other_reasons"
LIMITS_MS: Final = (0, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)
"""Where the bands of latencies begin; the last one has no end."""
_LONGEST_MS: Final = 600_000
"""No request waits so long; whatever a ledger holds beyond it counts as that."""
MOST_TEXTS: Final = 3
LOOKED_AT: Final = 500
"""Messages, from the list's beginning."""
_TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows that have a value; of `others`, the number of values is `values`."""

    value: str
    by_status: Mapping[Status, int]
    values: int = 1

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The largest groups, largest first, and all others as one, None if there are none: together, all the rows that were counted."""

    groups: tuple[Group, ...]
    others: Group | None

    @property
    def known(self) -> bool:
        """Whether any row has a value."""
        return any(group.value for group in self.groups) or self.others is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Sends that took from `low_ms` until before `high_ms` (None: or longer)."""

    low_ms: int
    high_ms: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Latencies:
    """How many sends took how many whole milliseconds."""

    by_ms: Counter[int]

    @property
    def count(self) -> int:
        return self.by_ms.total()

    def percentile_ms(self, percent: int) -> int:
        """The least time within which so many percent of the sends ended (nearest rank); 0 if there are none."""
        if not self.count:
            return 0
        within = pd.Series(self.by_ms).sort_index().cumsum()
        return int(within.index[within.searchsorted(-(-self.count * percent // 100))])

    def bands(self) -> tuple[Band, ...]:
        """From the first band that has a send to the last that has."""
        counted = pd.Series(self.by_ms).groupby(np.searchsorted(LIMITS_MS, list(self.by_ms), side="right") - 1).sum().to_dict()
        limits = [*pairwise((*LIMITS_MS, None))]
        filled = range(min(counted), max(counted) + 1) if counted else ()
        return tuple(Band(low_ms=limits[place][0] or 0, high_ms=limits[place][1], count=counted.get(place, 0)) for place in filled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """`sends` ended for this reason and were not their row's last; `by_status` are those rows, by what has become of them."""

    reason: str
    sends: int
    by_status: dict[Status, int]

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """`throttled` are those answered with 429, by stretch beside `Timeline.sends`; `throttled_again` those of them that were tried again.

    `first_at` is when the first of them left, None if there are none; `last_seen` until when each runner was seen to send, in Unix seconds.
    """

    total: int
    first_at: float | None
    throttled: int
    throttled_by_stretch: tuple[int, ...]
    throttled_again_by_stretch: tuple[int, ...]
    last_seen: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text with `«column»` for values; `rows` of those that were looked at have it."""

    text: str
    rows: int


@dataclass(frozen=True, slots=True)
class Wordings:
    """What the first messages say without whom they are to: the list's values in them give way to the names of their columns.

    The ledger keeps messages, not the template they were made of. A text that several rows share once their own values are out of it is
    the template's, as far as it can be found; one that stands alone may still hold what only one person should read.
    """

    found: Counter[str]

    @property
    def looked_at(self) -> int:
        return self.found.total()

    def shared(self) -> tuple[Wording, ...]:
        """The texts that at least two rows have, most first."""
        return tuple(Wording(text=text, rows=count) for text, count in self.found.most_common(MOST_TEXTS) if count > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A campaign at one moment. `view.counts` are those of the rows that all other figures are of.

    `examples` are the first rows of each status and reason. `by_attempts` is how many rows of each status have had how many attempts; those
    that were never tried are left out. `by_column` is None where nobody asked. `retried_unexplained` are rows that were sent more than
    once, but of whose earlier sends the ledger knows nothing.
    """

    view: CampaignView
    now: float
    examples: dict[tuple[Status, str], tuple[int, ...]]
    latencies: Latencies
    by_attempts: dict[int, dict[Status, int]]
    by_pass_status: Breakdown
    by_device: Breakdown
    by_column: Breakdown | None
    column: str
    wordings: Wordings
    timeline: Timeline
    attempts: Attempts
    spells: tuple[Spell, ...]
    pauses: Pauses
    retried: tuple[Retried, ...]
    retried_unexplained: int

    @property
    def counts(self) -> Counts:
        return self.view.counts

    @property
    def working_seconds(self) -> float:
        """How long somebody was there to send and a row was due, with all other waits: how fast it went does not depend on the nights."""
        return sum(spell.seconds for spell in self.spells) - self.idle_seconds

    @property
    def idle_seconds(self) -> float:
        """How long somebody was there to send, and no row was due."""
        return sum(pause.seconds for pause in self.pauses.of(Kind.HOURS))

    @property
    def sends_per_second(self) -> float:
        """In the time at work; 0 if nothing was sent."""
        return self.attempts.total / self.working_seconds if self.working_seconds > 0 else 0.0


def figures(reader: LedgerReader, view: CampaignView, *, by: str = "", now: float | None = None) -> Figures:
    """Every figure of a campaign.

    Args:
        reader: its ledger.
        view: the campaign at this moment.
        by: a column of the list to divide the rows by; empty for none.
        now: Unix time; None for the present.

    Raises:
        UsageError: there is no such column, or it has too many values; says which there are.
    """
    now = time.time() if now is None else now
    record = view.record
    place = place_of_column(record.spec, by)
    over_time = timeline(reader, record, now=now)
    rows, tried = Rows(), Tried(reader.attempts_by_row(record.id), over_time)
    for frame in outcomes(reader, record, own={} if place is None else {"by": place}):
        rows.add(frame)
        tried.add(frame)
        if rows.by_column.overflowed:
            raise UsageError(
                f"--by {by}: the column has more than {MOST_VALUES:,} different values, so it divides the rows into nothing that can be "
                f"shown. Choose another. {_others(record.spec)}",
                code="too_many_values",
                option="--by",
            )
    attempts = tried.all()
    spent = spells(reader.runners(record.id), last_seen=attempts.last_seen, now=now)
    return Figures(
        # Of one that is forgotten the counts are all that is left.
        view=view if record.forgotten_at else replace(view, counts=rows.counts(in_doubt=view.counts.in_doubt)),
        now=now,
        examples={key: tuple(numbers) for key, numbers in rows.examples.items()},
        latencies=Latencies(rows.by_ms),
        by_attempts=rows.by_attempts(),
        by_pass_status=rows.by_pass_status.breakdown(),
        by_device=rows.by_device.breakdown(),
        # What only one row has, such as a name, may tell who that is.
        by_column=rows.by_column.breakdown(least_rows=2) if by else None,
        column=by,
        wordings=wordings(reader.result_columns(record.id), record.spec.columns),
        timeline=over_time,
        attempts=attempts,
        spells=spent,
        pauses=pauses(spent, tried.times()),
        retried=tried.retried(),
        retried_unexplained=tried.unexplained,
    )


def place_of_column(spec: CampaignSpec, by: str) -> int | None:
    """Where a column that rows are to be divided by is among the list's own; None for none.

    Raises:
        UsageError: there is no such column, or it is that of the ids.
    """
    if not by:
        return None
    if by == spec.id_column:
        raise UsageError(
            f"--by {by}: that is the column of the passes' ids, and no two of them are the same. {_others(spec)}",
            code="no_column_but_id",
            option="--by",
        )
    if by not in spec.columns:
        raise UsageError(f"--by {by}: the list has no such column. {_others(spec)}", code="unknown_column", option="--by")
    return spec.columns.index(by)


def _others(spec: CampaignSpec) -> str:
    names = [sanitize_for_terminal(name) for name in spec.columns if name != spec.id_column]
    return f"There are: {', '.join(names)}." if names else "The list has no other column."


def sizes(frame: pd.DataFrame, *columns: str) -> Counter[Any]:
    """How many rows of a frame have which values in these columns."""
    return Counter(frame.groupby([*columns], observed=True, sort=False).size().to_dict())


class Tally:
    """Counts rows by value and status; `overflowed` once there were more values than are kept apart."""

    def __init__(self) -> None:
        self._found: dict[str, Counter[Status]] = {}
        self._beyond: Counter[Status] = Counter()
        self.overflowed = False

    def add(self, frame: pd.DataFrame, column: str) -> None:
        for (value, status), count in sizes(frame, column, "status").items():
            if value not in self._found and len(self._found) >= MOST_VALUES:
                self.overflowed = True
                self._beyond[Status(status)] += count
            else:
                self._found.setdefault(value, Counter())[Status(status)] += count

    def breakdown(self, *, least_rows: int = 1) -> Breakdown:
        """What was counted; values of fewer rows than `least_rows` are among the others."""
        groups = sorted(
            (Group(value=value, by_status=by_status) for value, by_status in self._found.items()),
            key=lambda group: (-group.rows, group.value),
        )
        shown = [group for group in groups[:MOST_GROUPS] if group.rows >= least_rows]
        rest = groups[len(shown) :]
        together = sum((Counter(group.by_status) for group in rest), self._beyond)
        return Breakdown(groups=tuple(shown), others=Group(value="", by_status=together, values=len(rest)) if together else None)


@dataclass(slots=True)
class Rows:
    """What is counted of rows, a frame of `outcomes` at a time."""

    by_reason: Counter[tuple[Status, str]] = field(default_factory=Counter)
    examples: dict[tuple[Status, str], list[int]] = field(default_factory=dict)
    by_ms: Counter[int] = field(default_factory=Counter)
    by_pass_status: Tally = field(default_factory=Tally)
    by_device: Tally = field(default_factory=Tally)
    by_column: Tally = field(default_factory=Tally)
    _tried: Counter[tuple[int, str]] = field(default_factory=Counter)

    def add(self, frame: pd.DataFrame) -> None:
        self.by_reason += Counter({(Status(status), reason): n for (status, reason), n in sizes(frame, "status", "reason").items()})
        first = frame[frame.groupby(["status", "reason"], observed=True).cumcount() < EXAMPLES]
        for status, reason, row in zip(first["status"], first["reason"], first["row"], strict=True):
            found = self.examples.setdefault((Status(status), reason), [])
            if len(found) < EXAMPLES:
                found.append(row)
        ms = (frame["latency_seconds"].dropna() * 1000).round().clip(0, _LONGEST_MS).astype(int)
        self.by_ms += Counter(ms.value_counts().to_dict())
        self._tried += sizes(frame[frame["attempts"] > 0], "attempts", "status")
        self.by_pass_status.add(frame, "pass_status")
        self.by_device.add(frame, "device_type")
        if "by" in frame:
            self.by_column.add(frame, "by")

    def counts(self, *, in_doubt: int) -> Counts:
        by_status = dict.fromkeys(Status, 0)
        for (status, _), count in self.by_reason.items():
            by_status[status] += count
        return Counts(by_status=by_status, by_reason=dict(self.by_reason), in_doubt=in_doubt)

    def by_attempts(self) -> dict[int, dict[Status, int]]:
        found: dict[int, dict[Status, int]] = {}
        for (attempts, status), count in sorted(self._tried.items()):
            found.setdefault(attempts, {})[Status(status)] = count
        return found


class Tried:
    """What is counted of attempts beside their rows, whatever rows are asked for.

    Args:
        attempts: by row, and of a row in the order in which they were made.
        over_time: whose stretches they are counted by.
    """

    def __init__(self, attempts: Iterable[AttemptRecord], over_time: Timeline) -> None:
        self._left = iter(attempts)
        self._over_time = over_time
        self._by_stretch = np.zeros((2, len(over_time.sends)), dtype=np.int64)
        self._total = self._throttled = 0
        self._first_at: float | None = None
        self._last_seen: dict[int, float] = {}
        self._sends: Counter[str] = Counter()
        self._rows: Counter[tuple[str, str]] = Counter()
        self._times: list[pd.DataFrame] = []
        self.unexplained = 0

    def add(self, rows: pd.DataFrame) -> None:
        """The next rows of a campaign, in their order."""
        attempts = self._until(rows["row"].iloc[-1])
        # All but the last of each row.
        earlier = attempts[attempts.duplicated("row", keep="last")].merge(rows[["row", "status"]], on="row", suffixes=("", "_of_row"))
        self.unexplained += int(((rows["attempts"] > 1) & ~rows["row"].isin(earlier["row"])).sum())
        if earlier.empty:
            return
        # Once it is settled what became of a send, the ledger no longer says why it was in doubt, but still how it was answered.
        answers = earlier["http_status"].map(lambda status: READ_BACK if pd.isna(status) or status == 200 else f"http_{int(status)}")
        why = earlier["reason"].where((earlier["reason"] != "") | (earlier["status"] != Status.PENDING), answers)
        kept = [*self._sends, *why[~why.isin(list(self._sends))].unique()][:MOST_REASONS]
        earlier["why"] = why.where(why.isin([*kept, OTHERS]), OTHERS)
        self._sends += sizes(earlier, "why")
        self._rows += sizes(earlier.drop_duplicates(["row", "why"]), "why", "status_of_row")

    def all(self) -> Attempts:
        """What was counted, once no row is left."""
        self._until(None)
        by_stretch, again = (tuple(counts) for counts in self._by_stretch.tolist())
        return Attempts(
            total=self._total,
            first_at=self._first_at,
            throttled=self._throttled,
            throttled_by_stretch=by_stretch,
            throttled_again_by_stretch=again,
            last_seen=self._last_seen,
        )

    def times(self) -> SentTimes:
        """When each attempt was made, once no row is left."""
        found = pd.concat([_attempts([]), *self._times])
        sent = found["sent_at"].to_numpy()
        return SentTimes(
            sent_at=sent,
            ended_at=sent + found["latency_seconds"].fillna(0.0).to_numpy(),
            http_status=found["http_status"].to_numpy(),
        )

    def retried(self) -> tuple[Retried, ...]:
        """By reason, the most frequent first; a row that was sent again for two reasons counts for both."""
        told = [
            Retried(
                reason=reason,
                sends=sends,
                by_status={Status(status): count for (which, status), count in self._rows.items() if which == reason},
            )
            for reason, sends in self._sends.items()
        ]
        return tuple(sorted(told, key=lambda one: (-one.sends, one.reason)))

    def _until(self, row: int | None) -> pd.DataFrame:
        """The attempts up to a row, counted; of None all that are left, some at a time, of which the last are returned."""
        while True:
            some = list(self._up_to(row))
            frame = _attempts(some)
            self._count(frame)
            if row is not None or not some:
                return frame

    def _up_to(self, row: int | None) -> Iterator[AttemptRecord]:
        for attempt in self._left if row is not None else islice(self._left, 10_000):
            if row is not None and attempt.row > row:
                self._left = chain([attempt], self._left)
                return
            yield attempt

    def _count(self, attempts: pd.DataFrame) -> None:
        if attempts.empty:
            return
        self._total += len(attempts)
        self._times.append(attempts[["sent_at", "latency_seconds", "http_status"]])
        first = float(attempts["sent_at"].min())
        self._first_at = first if self._first_at is None else min(self._first_at, first)
        seen = (attempts["sent_at"] + attempts["latency_seconds"].fillna(0.0)).groupby(attempts["runner"]).max()
        for runner, until in seen.items():
            self._last_seen[runner] = max(self._last_seen.get(runner, 0.0), until)
        slowed = attempts[attempts["http_status"] == _TOO_MANY_REQUESTS]
        self._throttled += len(slowed)
        places = ((slowed["sent_at"] - self._over_time.since) // self._over_time.seconds).astype(int)
        within = places.between(0, len(self._over_time.sends) - 1)
        again = within & (slowed["status"] == Status.PENDING)
        self._by_stretch += [np.bincount(places[which], minlength=len(self._over_time.sends)) for which in (within, again)]


def _attempts(some: list[AttemptRecord]) -> pd.DataFrame:
    columns = ("row", "runner", "status", "reason", "http_status", "sent_at", "latency_seconds")
    kinds = {
        "row": "int64",
        "status": "object",
        "reason": "object",
        "http_status": "float64",
        "sent_at": "float64",
        "latency_seconds": "float64",
    }
    return pd.DataFrame({name: [getattr(attempt, name) for attempt in some] for name in columns}).astype(kinds)


def wordings(parts: Iterable[ResultColumns], columns: Sequence[str]) -> Wordings:
    """What the first messages say; see `Wordings`."""
    texts = ((text, cells) for part in parts for text, cells in zip(part.message, zip(*part.cells, strict=True), strict=True) if text)
    return Wordings(Counter(without_values(text, columns, cells) for text, cells in islice(texts, LOOKED_AT)))


def without_values(message: str, columns: Sequence[str], cells: Sequence[str]) -> str:
    """The message with each cell that stands in it, in whatever case, replaced by `«column»`; longer cells first.

    A cell that is the message whole says nothing of how it was made, and is passed over.
    """
    names: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=True):
        value = cell.strip()
        if value and value != message.strip():
            names.setdefault(value.casefold(), column)
    if not names:
        return message
    longest_first = sorted(names, key=len, reverse=True)
    # Not within a word or a number: a country “DE” is not the end of “made”.
    any_of = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
    return any_of.sub(lambda found: f"«{names.get(found[0].casefold(), '…')}»", message)
