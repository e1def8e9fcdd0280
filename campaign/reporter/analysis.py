"""Computes every figure of a campaign from two DataFrames, of its rows and of its attempts, which take about 50 bytes a row."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import islice, pairwise
from typing import Any, Final, Self

import numpy as np
import pandas as pd

from campaign.domain.errors import UsageError
from campaign.domain.model import Counts, Status
from campaign.domain.text.sanitize import sanitize_for_terminal
from campaign.insights import CampaignView
from campaign.ledger.port import CampaignSpec, LedgerReader
from campaign.ledger.records import AttemptRecord, ResultColumns
from campaign.reporter.frames import outcomes
from campaign.reporter.pauses import Kind, Pauses, SentTimes, Spell, pauses, spells
from campaign.reporter.timeline import Timeline, timeline

EXAMPLES: Final = 5
MOST_GROUPS: Final = 20
MOST_VALUES: Final = 10_000
"""A column with more values makes no useful groups."""
MOST_REASONS: Final = 50
"""There are far fewer reasons, unless an API invents them; the reasons beyond this number count as one."""
READ_BACK: Final = "read_back"
"""The reason of a send without a clear answer, after which the pass was read back and didn't hold the message."""
OTHERS: Final = "other_reasons"
LIMITS_MS: Final = (0, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)
"""The lower limits of the latency bands; the last band has no upper limit."""
_LONGEST_MS: Final = 600_000
"""No request waits this long; a longer latency in a ledger counts as this."""
MOST_TEXTS: Final = 3
LOOKED_AT: Final = 500
"""How many messages are examined, from the start of the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows with a value. The group of all others has an empty value, and `values` is the number of its values."""

    value: str
    by_status: Mapping[Status, int]
    values: int = 1

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The largest groups, largest first, and all other groups as one (None if there are none). Together they have all counted rows."""

    groups: tuple[Group, ...]
    others: Group | None

    @property
    def known(self) -> bool:
        """Whether any row has a value in this column."""
        return any(group.value for group in self.groups) or self.others is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The number of sends with a latency from `low_ms` to below `high_ms`; None for no upper limit."""

    low_ms: int
    high_ms: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Latencies:
    """The number of rows by latency in whole milliseconds; a row counts once, with the latency that the ledger has for it."""

    by_ms: Counter[int]

    @classmethod
    def of(cls, seconds: pd.Series) -> Self:
        ms = (seconds.dropna() * 1000).round().clip(0, _LONGEST_MS).astype(int)
        return cls(Counter(ms.value_counts().to_dict()))

    @property
    def count(self) -> int:
        return self.by_ms.total()

    def percentile_ms(self, percent: int) -> int:
        """The percentile in milliseconds, by nearest rank; 0 if there are no latencies."""
        if not self.count:
            return 0
        within = pd.Series(self.by_ms).sort_index().cumsum()
        return int(within.index[within.searchsorted(-(-self.count * percent // 100))])

    def bands(self) -> tuple[Band, ...]:
        """The bands from the first to the last that is not empty."""
        counted = pd.Series(self.by_ms).groupby(np.searchsorted(LIMITS_MS, list(self.by_ms), side="right") - 1).sum().to_dict()
        limits = [*pairwise((*LIMITS_MS, None))]
        filled = range(min(counted), max(counted) + 1) if counted else ()
        return tuple(Band(low_ms=limits[place][0] or 0, high_ms=limits[place][1], count=counted.get(place, 0)) for place in filled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """`sends` ended for this reason and were followed by another send. `by_status` counts their rows by their present status."""

    reason: str
    sends: int
    by_status: dict[Status, int]

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The counted attempts of a campaign; times are in Unix seconds.

    Attributes:
        total: all attempts.
        first_at: when the first attempt was sent; None if there are none.
        throttled: the attempts that were answered with 429.
        throttled_by_stretch: these, by the stretches of `Timeline.sends`.
        throttled_again_by_stretch: those of them after which the row was pending again.
        last_seen: the end of each runner's last attempt, by runner.
    """

    total: int
    first_at: float | None
    throttled: int
    throttled_by_stretch: tuple[int, ...]
    throttled_again_by_stretch: tuple[int, ...]
    last_seen: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text with `«column»` in place of values; `rows` of the examined messages have it."""

    text: str
    rows: int


@dataclass(frozen=True, slots=True)
class Wordings:
    """The first messages without personal values: the list's values in them are replaced by the names of their columns.

    The ledger keeps messages, not their template. If several rows share a text after the replacement, it is probably the template's. A
    text of one row may still contain personal values.
    """

    found: Counter[str]

    @property
    def looked_at(self) -> int:
        return self.found.total()

    def shared(self) -> tuple[Wording, ...]:
        """The most frequent texts that at least two rows have."""
        return tuple(Wording(text=text, rows=count) for text, count in self.found.most_common(MOST_TEXTS) if count > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A campaign at one moment. `view.counts` count the same rows as all other figures.

    `examples` are the first rows of each status and reason. `by_attempts` counts rows by number of attempts and status, without rows that
    were never tried. `by_column` is None if no column was asked for. `retried_unexplained` counts rows that were sent more than once, but
    whose earlier sends are not in the ledger.
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
        """The time with a runner, except while no row was due, in seconds. So nights don't lower the speed, but all other waits do."""
        return sum(spell.seconds for spell in self.spells) - self.idle_seconds

    @property
    def idle_seconds(self) -> float:
        """The time with a runner while no row was due, in seconds."""
        return sum(pause.seconds for pause in self.pauses.of(Kind.HOURS))

    @property
    def sends_per_second(self) -> float:
        """The sends a second of working time; 0 if nothing was sent."""
        return self.attempts.total / self.working_seconds if self.working_seconds > 0 else 0.0


def figures(reader: LedgerReader, view: CampaignView, *, by: str = "", now: float | None = None) -> Figures:
    """Compute every figure of a campaign.

    Args:
        reader: the campaign's ledger.
        view: the campaign at this moment.
        by: a column of the list to group the rows by; empty for none.
        now: Unix time in seconds; None for the present.

    Raises:
        UsageError: there is no such column, or it has too many values; the error names the other columns.
    """
    now = time.time() if now is None else now
    record = view.record
    place = place_of_column(record.spec, by)
    over_time = timeline(reader, record, now=now)
    rows = outcomes(reader, record, own={} if place is None else {"by": place})
    if by and rows["by"].nunique() > MOST_VALUES:
        raise UsageError(
            f"--by {by}: the column has more than {MOST_VALUES:,} different values, so it divides the rows into nothing that can be "
            f"shown. Choose another. {_others(record.spec)}",
            code="too_many_values",
            option="--by",
        )
    attempts = attempts_of(reader.attempts_by_row(record.id))
    counted = count_attempts(attempts, over_time)
    again, unexplained = retried(attempts, rows)
    spent = spells(reader.runners(record.id), last_seen=counted.last_seen, now=now)
    return Figures(
        # A purged campaign has only its counts.
        view=view if record.forgotten_at else replace(view, counts=_counts(rows, in_doubt=view.counts.in_doubt)),
        now=now,
        examples=_examples(rows),
        latencies=Latencies.of(rows["latency_seconds"]),
        by_attempts=_by_attempts(rows),
        by_pass_status=breakdown(rows, "pass_status"),
        by_device=breakdown(rows, "device_type"),
        # A value of only one row, such as a name, may identify a person.
        by_column=breakdown(rows, "by", least_rows=2) if by else None,
        column=by,
        wordings=wordings(reader.result_columns(record.id), record.spec.columns),
        timeline=over_time,
        attempts=counted,
        spells=spent,
        pauses=pauses(
            spent,
            SentTimes(
                sent_at=attempts["sent_at"].to_numpy(),
                ended_at=_ended_at(attempts).to_numpy(),
                http_status=attempts["http_status"].to_numpy(),
            ),
        ),
        retried=again,
        retried_unexplained=unexplained,
    )


def place_of_column(spec: CampaignSpec, by: str) -> int | None:
    """The position of a column to group by among the list's columns; None if `by` is empty.

    Raises:
        UsageError: there is no such column, or it is the column of the ids.
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
    """The number of a frame's rows by their values in these columns."""
    return Counter(frame.groupby([*columns], observed=True, sort=False).size().to_dict())


def breakdown(rows: pd.DataFrame, column: str, *, least_rows: int = 1) -> Breakdown:
    """Rows by the values of a column and by status. Values with fewer than `least_rows` rows go to the others."""
    by_value: dict[str, dict[Status, int]] = {}
    for (value, status), count in sizes(rows, column, "status").items():
        by_value.setdefault(value, {})[Status(status)] = count
    groups = sorted((Group(value=value, by_status=found) for value, found in by_value.items()), key=lambda one: (-one.rows, one.value))
    shown = [group for group in groups[:MOST_GROUPS] if group.rows >= least_rows]
    rest = groups[len(shown) :]
    together = sum((Counter(group.by_status) for group in rest), Counter())
    return Breakdown(groups=tuple(shown), others=Group(value="", by_status=together, values=len(rest)) if together else None)


def _counts(rows: pd.DataFrame, *, in_doubt: int) -> Counts:
    by_reason = {(Status(status), reason): count for (status, reason), count in sizes(rows, "status", "reason").items()}
    by_status = sizes(rows, "status")
    return Counts(by_status={status: by_status[status.value] for status in Status}, by_reason=by_reason, in_doubt=in_doubt)


def _examples(rows: pd.DataFrame) -> dict[tuple[Status, str], tuple[int, ...]]:
    first = rows.groupby(["status", "reason"], observed=True).head(EXAMPLES).groupby(["status", "reason"], observed=True)["row"]
    return {(Status(status), reason): tuple(numbers.tolist()) for (status, reason), numbers in first}


def _by_attempts(rows: pd.DataFrame) -> dict[int, dict[Status, int]]:
    found: dict[int, dict[Status, int]] = {}
    for (attempts, status), count in sorted(sizes(rows[rows["attempts"] > 0], "attempts", "status").items()):
        found.setdefault(attempts, {})[Status(status)] = count
    return found


def attempts_of(some: Iterable[AttemptRecord]) -> pd.DataFrame:
    """Attempts as a DataFrame, in the given order."""
    kinds = {
        "row": "int64",
        "runner": "int64",
        "status": "str",
        "reason": "str",
        **dict.fromkeys(("http_status", "sent_at", "latency_seconds"), "float64"),
    }
    left = iter(some)
    parts = iter(lambda: [*islice(left, 10_000)], [])
    frames = [pd.DataFrame({name: [getattr(one, name) for one in part] for name in kinds}).astype(kinds) for part in parts]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*kinds]).astype(kinds)


def _ended_at(attempts: pd.DataFrame) -> pd.Series:
    return attempts["sent_at"] + attempts["latency_seconds"].fillna(0.0)


def count_attempts(attempts: pd.DataFrame, over_time: Timeline) -> Attempts:
    """Count the attempts, in total and by the stretches of `over_time`."""
    slowed = attempts[attempts["http_status"] == HTTPStatus.TOO_MANY_REQUESTS]
    places = ((slowed["sent_at"] - over_time.since) // over_time.seconds).astype(int)
    within = places.between(0, len(over_time.sends) - 1)
    again = within & (slowed["status"] == Status.PENDING)
    by_stretch, again_by_stretch = (tuple(np.bincount(places[which], minlength=len(over_time.sends)).tolist()) for which in (within, again))
    return Attempts(
        total=len(attempts),
        first_at=float(attempts["sent_at"].min()) if len(attempts) else None,
        throttled=len(slowed),
        throttled_by_stretch=by_stretch,
        throttled_again_by_stretch=again_by_stretch,
        last_seen=_ended_at(attempts).groupby(attempts["runner"]).max().to_dict(),
    )


def retried(attempts: pd.DataFrame, rows: pd.DataFrame) -> tuple[tuple[Retried, ...], int]:
    """Why rows were sent again, the most frequent reason first, and the number of rows for which that is not known.

    A row that was sent again for two reasons counts for both. The attempts of each row have to be in the order of their sends.
    """
    # All attempts but the last of each row.
    earlier = attempts[attempts.duplicated("row", keep="last")].merge(rows[["row", "status"]], on="row", suffixes=("", "_of_row"))
    unexplained = int(((rows["attempts"] > 1) & ~rows["row"].isin(earlier["row"])).sum())
    # After a send is verified, the ledger no longer has the reason why it was unverified, but still has its HTTP status.
    answers = earlier["http_status"].map(lambda status: READ_BACK if pd.isna(status) or status == HTTPStatus.OK else f"http_{int(status)}")
    why = earlier["reason"].where((earlier["reason"] != "") | (earlier["status"] != Status.PENDING), answers)
    earlier["why"] = why.where(why.isin(why.unique()[:MOST_REASONS]), OTHERS)
    by_row = sizes(earlier.drop_duplicates(["row", "why"]), "why", "status_of_row")
    found = [
        Retried(
            reason=reason, sends=sends, by_status={Status(status): count for (which, status), count in by_row.items() if which == reason}
        )
        for reason, sends in sizes(earlier, "why").items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.sends, one.reason))), unexplained


def wordings(parts: Iterable[ResultColumns], columns: Sequence[str]) -> Wordings:
    """The wordings of the first `LOOKED_AT` messages."""
    texts = ((text, cells) for part in parts for text, cells in zip(part.message, zip(*part.cells, strict=True), strict=True) if text)
    return Wordings(Counter(without_values(text, columns, cells) for text, cells in islice(texts, LOOKED_AT)))


def without_values(message: str, columns: Sequence[str], cells: Sequence[str]) -> str:
    """The message with each cell that occurs in it replaced by `«column»`, ignoring case; longer cells first.

    A cell that equals the whole message is skipped, because it says nothing about the template.
    """
    names: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=True):
        value = cell.strip()
        if value and value != message.strip():
            names.setdefault(value.casefold(), column)
    if not names:
        return message
    longest_first = sorted(names, key=len, reverse=True)
    # Only whole words and numbers: a country “DE” is not the end of “made”.
    any_of = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
    return any_of.sub(lambda found: f"«{names.get(found[0].casefold(), '…')}»", message)
