"""Conversions: passes of a campaign that were redeemed after their message was sent, by status and by a column of the list."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd

from campaign.domain.model import SENT_TO
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.analysis import MOST_GROUPS, sizes
from campaign.reporter.frames import outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemptions:
    """A file of redemptions.

    `each` has one row a redemption. `key` is the pass; the redemption was between `first` and `last`, in Unix seconds, which span the
    whole day if the file has no time. Without `timed`, the file only says which passes were redeemed. `rows` counts the file's rows,
    `left_out` those that were not used. Redemptions later than `within_seconds` after the send don't count.
    """

    file: str
    rows: int
    left_out: int
    timed: bool
    within_seconds: float = math.inf
    each: pd.DataFrame

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "rows": self.rows,
            "rows_left_out": self.left_out,
            "passes": int(self.each["key"].nunique()),
            "within_seconds": None if math.isinf(self.within_seconds) else self.within_seconds,
        }

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows whose passes were redeemed, each pass once; `rows` has the columns `key` and `sent_at`."""
        found = rows.merge(self.each, on="key")
        if self.timed:
            found = found[(found["sent_at"] > 0) & (found["last"] >= found["sent_at"])]
            found = found[found["first"] <= found["sent_at"] + self.within_seconds]
        return found.drop_duplicates("key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The number of passes that a message was sent to, and of those that were redeemed."""

    sent_to: int
    converted: int

    @property
    def rate(self) -> float | None:
        return self.converted / self.sent_to if self.sent_to else None

    def __add__(self, other: Self) -> "Conversion":
        return Conversion(sent_to=self.sent_to + other.sent_to, converted=self.converted + other.converted)

    def as_json(self) -> dict[str, Any]:
        return {
            "sent_to": self.sent_to,
            "converted": self.converted,
            "conversion_rate": None if self.rate is None else round(self.rate, 6),
        }


NONE = Conversion(sent_to=0, converted=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversions:
    """The conversions of one campaign or several. `by_value` is None if no column was asked for, or the list doesn't have it."""

    by_status: Mapping[str, Conversion]
    by_value: Mapping[str, Conversion] | None

    @property
    def total(self) -> Conversion:
        return sum(self.by_status.values(), NONE)

    @classmethod
    def together(cls, some: Sequence[Self]) -> "Conversions":
        by_value = [one.by_value for one in some if one.by_value is not None]
        return Conversions(by_status=_together(one.by_status for one in some), by_value=_together(by_value) if by_value else None)

    def as_json(self) -> dict[str, Any]:
        by_status = {status: one.as_json() for status, one in self.by_status.items()}
        by_value = None if self.by_value is None else [{"value": value, **one.as_json()} for value, one in self.by_value.items()]
        return {**self.total.as_json(), "by_status": by_status, "by_value": by_value}


def conversions(
    reader: LedgerReader,
    record: CampaignRecord,
    redemptions: Redemptions,
    *,
    keys: Callable[[Sequence[str]], Sequence[str]],
    place: int | None,
) -> Conversions:
    """Compute the conversions of a campaign.

    Args:
        reader: the campaign's ledger.
        record: the campaign.
        redemptions: the redeemed passes.
        keys: returns the keys by which ids are compared.
        place: the position of the column to group by among the list's columns; None for none.
    """
    own = {"id": record.spec.columns.index(record.spec.id_column)} | ({} if place is None else {"by": place})
    rows = outcomes(reader, record, statuses=SENT_TO, own=own)
    redeemed = redemptions.of(rows.assign(key=keys(rows["id"].astype(str).tolist())))
    by: dict[str, dict[str, Conversion]] = {}
    for name in ("status", "by")[: 1 if place is None else 2]:
        converted = sizes(redeemed, name)
        by[name] = {value: Conversion(sent_to=count, converted=converted[value]) for value, count in sizes(rows, name).most_common()}
    by_status = {status.value: by["status"].get(status.value, NONE) for status in sorted(SENT_TO)}
    return Conversions(by_status=by_status, by_value=by.get("by"))


def largest(by_value: Mapping[str, Conversion]) -> list[tuple[str | None, Conversion]]:
    """The values with the most passes, and all others together, under None.

    A value of only one pass is among the others, because it may identify a person.
    """
    ordered = sorted(by_value.items(), key=lambda item: (-item[1].sent_to, item[0]))
    shown = [item for item in ordered[:MOST_GROUPS] if item[1].sent_to > 1]
    others = sum((one for _, one in ordered[len(shown) :]), NONE)
    return [*shown, *([(None, others)] if len(ordered) > len(shown) else [])]


def _together(some: Iterable[Mapping[str, Conversion]]) -> dict[str, Conversion]:
    found: dict[str, Conversion] = {}
    for one in some:
        for value, conversion in one.items():
            found[value] = found.get(value, NONE) + conversion
    return found
