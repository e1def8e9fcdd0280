"""Computes every figure of a campaign from two DataFrames, of its rows and of its attempts."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import islice, pairwise
from typing import Any, Final, Self

import numpy as np
import pandas as pd

from campaign.domain.errors import UsageError
from campaign.domain.model import Counts
from campaign.domain.status import Status
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.insights import CampaignView
from campaign.ledger.port import CampaignSpec, LedgerReader
from campaign.ledger.records import ResultColumns
from campaign.reporter.frames import attempts_frame, by_status, rows_frame
from campaign.reporter.pauses import Kind, Pauses, active_intervals, pauses
from campaign.reporter.timeline import Timeline, timeline_of

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
MESSAGES_LOOKED_AT: Final = 500


@dataclass(frozen=True, slots=True)
class Latencies:
    """The number of rows by latency in whole milliseconds; a row counts once, with the latency that the ledger has for it."""

    by_ms: "pd.Series[int]"

    @classmethod
    def of(cls, seconds: "pd.Series[float]") -> Self:
        return cls((seconds.dropna() * 1000).round().clip(0, _LONGEST_MS).astype(int).value_counts().sort_index())

    @property
    def count(self) -> int:
        return int(self.by_ms.sum())

    def percentile_ms(self, percent: int) -> int:
        """The percentile in milliseconds, by nearest rank; 0 if there are no latencies."""
        rank = -(-self.count * percent // 100)
        return int(self.by_ms.index[self.by_ms.cumsum().searchsorted(rank)]) if self.count else 0

    def bands(self) -> list[tuple[int, int | None, int]]:
        """The lower limit, the upper limit (None for none) and the count of each band, from the first to the last that is not empty."""
        counted = self.by_ms.groupby(np.searchsorted(LIMITS_MS, self.by_ms.index, side="right") - 1).sum()
        limits = [*pairwise((*LIMITS_MS, None))]
        filled = range(counted.index.min(), counted.index.max() + 1) if len(counted) else ()
        return [(limits[place][0] or 0, limits[place][1], int(counted.get(place, 0))) for place in filled]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A campaign at one moment, `now`. `view.counts` count the same rows as all other figures; times are in Unix seconds.

    Attributes:
        examples: the first rows of each status and reason.
        latencies: of the last send of each row.
        by_attempts: rows by number of attempts (index) and status (columns), without rows that were never tried.
        by_pass_status: lines of `by_value`; so are `by_device` and `by_column`, which is None if no `column` was asked for.
        wordings: the first messages without personal values (see `without_values`), with how many rows have each.
        sends: the number of attempts; `throttled` are those that were answered with 429.
        working_seconds: the time with a runner, except while no row was due. So nights don't lower the speed, but all other waits do.
        retried: why rows were sent again (see `retried`).
        retried_unexplained: rows that were sent more than once, but whose earlier sends are not in the ledger.
    """

    view: CampaignView
    now: float
    examples: dict[tuple[Status, str], tuple[int, ...]]
    latencies: Latencies
    by_attempts: pd.DataFrame
    by_pass_status: list[dict[str, Any]]
    by_device: list[dict[str, Any]]
    by_column: list[dict[str, Any]] | None
    column: str
    wordings: Counter[str]
    timeline: Timeline
    sends: int
    first_sent_at: float | None
    throttled: int
    working_seconds: float
    pauses: Pauses
    retried: list[dict[str, Any]]
    retried_unexplained: int

    @property
    def sends_per_second(self) -> float:
        """The sends a second of working time; 0 if nothing was sent."""
        return self.sends / self.working_seconds if self.working_seconds > 0 else 0.0

    def shared_texts(self) -> list[tuple[str, int]]:
        """The most frequent wordings that at least two rows have, with their counts: probably the template's."""
        return [(text, count) for text, count in self.wordings.most_common(MOST_TEXTS) if count > 1]


def figures(reader: LedgerReader, view: CampaignView, *, by: str = "", now: float | None = None) -> Figures:
    """Every figure of a campaign at `now`, in Unix seconds; with `by`, also the rows by this column of the list.

    Raises:
        UsageError: there is no such column, or it has too many values; the error names the other columns.
    """
    now = time.time() if now is None else now
    record = view.record
    rows = rows_frame(reader, record, by=place_of_column(record.spec, by))
    if by and rows["by"].nunique() > MOST_VALUES:
        raise UsageError(
            f"--by {by}: the column has more than {MOST_VALUES:,} different values, so it divides the rows into nothing that can be "
            f"shown. Choose another. {_others(record.spec)}",
            code="too_many_values",
            option="--by",
        )
    runners, attempts = reader.runners(record.id), attempts_frame(reader, record)
    active = active_intervals(runners, attempts, now=now)
    found = pauses(active, attempts)
    again, unexplained = retried(attempts, rows)
    return Figures(
        # A purged campaign has only its counts.
        view=view if record.purged_at else replace(view, counts=_counts(rows, unverified=view.counts.unverified)),
        now=now,
        examples=_examples(rows),
        latencies=Latencies.of(rows["latency_seconds"]),
        by_attempts=by_status(rows[rows["attempts"] > 0], "attempts"),
        by_pass_status=by_value(rows, "pass_status"),
        by_device=by_value(rows, "device_type"),
        # A value of only one row, such as a name, may identify a person.
        by_column=by_value(rows, "by", least_rows=2) if by else None,
        column=by,
        wordings=wordings(reader.result_columns(record.id), record.spec.columns),
        timeline=timeline_of([attempts], record, runners, now=now),
        sends=len(attempts),
        first_sent_at=float(attempts["sent_at"].min()) if len(attempts) else None,
        throttled=int((attempts["http_status"] == HTTPStatus.TOO_MANY_REQUESTS).sum()),
        working_seconds=float((active["until"] - active["since"]).sum()) - found.seconds(kind=Kind.HOURS),
        pauses=found,
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


def by_value(rows: pd.DataFrame, column: str, *, least_rows: int = 1) -> list[dict[str, Any]]:
    """The lines of `largest` for a column: `rows`, and rows by status. Values with fewer than `least_rows` rows go to the others."""
    found = by_status(rows, column)
    return largest(found.assign(rows=found.sum(axis="columns")), "rows", least=least_rows)


def largest(found: pd.DataFrame, size: str, *, least: int) -> list[dict[str, Any]]:
    """The lines of a table that are largest by one of its columns, largest first, then the sum of all others.

    `value` is a line's index, and None for the others; `values` is how many values a line sums up. Lines below `least` go to the others.
    """
    found = found.set_axis(found.index.astype(str)).sort_index().sort_values(size, ascending=False, kind="stable")
    shown = found[found[size] >= least].head(MOST_GROUPS)
    others = found.iloc[len(shown) :]
    lines: list[dict[str, Any]] = shown.rename_axis("value").reset_index().assign(values=1).to_dict("records")
    return [*lines, {**others.sum().to_dict(), "value": None, "values": len(others)}] if len(others) else lines


def _counts(rows: pd.DataFrame, *, unverified: int) -> Counts:
    by_reason = rows.groupby(["status", "reason"], observed=True, sort=False).size().to_dict()
    return Counts(
        by_status={status: int(count) for status, count in rows["status"].value_counts().reindex([*Status], fill_value=0).items()},
        by_reason={(Status(status), reason): count for (status, reason), count in by_reason.items()},
        unverified=unverified,
    )


def _examples(rows: pd.DataFrame) -> dict[tuple[Status, str], tuple[int, ...]]:
    first = rows.groupby(["status", "reason"], observed=True).head(EXAMPLES).groupby(["status", "reason"], observed=True)["row"]
    return {(Status(status), reason): tuple(numbers.tolist()) for (status, reason), numbers in first}


def retried(attempts: pd.DataFrame, rows: pd.DataFrame) -> tuple[list[dict[str, Any]], int]:
    """Why rows were sent again, the most frequent reason first, and the number of rows for which that is not known.

    A line has its `reason`, the number of `sends` that ended so, and of their `rows`, these also by present status. A row that was sent
    again for two reasons counts for both. The attempts of each row have to be in the order of their sends.
    """
    # All attempts but the last of each row.
    earlier = attempts[attempts.duplicated("row", keep="last")].merge(rows[["row", "status"]], on="row", suffixes=("", "_of_row"))
    unexplained = int(((rows["attempts"] > 1) & ~rows["row"].isin(earlier["row"])).sum())
    # After a send is verified, the ledger no longer has the reason why it was unverified, but still has its HTTP status.
    answers = earlier["http_status"].map(lambda status: READ_BACK if pd.isna(status) or status == HTTPStatus.OK else f"http_{int(status)}")
    reasons = earlier["reason"].astype(str)
    why = reasons.where((reasons != "") | (earlier["status"] != Status.PENDING), answers)
    earlier["why"] = why.where(why.isin(why.unique()[:MOST_REASONS]), OTHERS)
    found = by_status(earlier.drop_duplicates(["row", "why"]), "why", "status_of_row")
    found = found.assign(rows=found.sum(axis="columns"), sends=earlier["why"].value_counts())
    lines = found.rename_axis("reason").sort_index().sort_values("sends", ascending=False, kind="stable")
    return lines.reset_index().to_dict("records"), unexplained


def wordings(parts: Iterable[ResultColumns], columns: Sequence[str]) -> Counter[str]:
    """The wordings of the first `MESSAGES_LOOKED_AT` messages: the ledger has no templates. A rare wording may be personal."""
    texts = ((text, cells) for part in parts for text, cells in zip(part.message, zip(*part.cells, strict=True), strict=True) if text)
    return Counter(without_values(text, columns, cells) for text, cells in islice(texts, MESSAGES_LOOKED_AT))


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
