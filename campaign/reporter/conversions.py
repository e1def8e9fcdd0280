"""Conversions: passes of a campaign that were redeemed after their message was sent, by status and by a column of the list."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import pandas as pd

from campaign.domain.status import SENT_TO
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.frames import rows_frame


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
class Conversions:
    """The passes that a message was sent to (`sent_to`), and those of them that were redeemed (`converted`).

    `by_status` has a line for each status, `by_value` for each value of a column; None if no column was asked for, or the list lacks it.
    """

    by_status: pd.DataFrame
    by_value: pd.DataFrame | None

    @property
    def total(self) -> dict[str, int]:
        found: dict[str, int] = self.by_status.sum().to_dict()
        return found

    @classmethod
    def together(cls, some: Sequence[Self]) -> "Conversions":
        """The conversions of several campaigns; a pass counts once for each campaign that was sent to it."""
        by_value = [one.by_value for one in some if one.by_value is not None]
        by_status = [NONE.iloc[:0], *(one.by_status for one in some)]
        return Conversions(by_status=_sum(by_status), by_value=_sum(by_value) if by_value else None)

    def as_json(self) -> dict[str, Any]:
        by_status = {status: _as_json(one) for status, one in self.by_status.to_dict("index").items()}
        by_value = (
            None if self.by_value is None else [{"value": value, **_as_json(one)} for value, one in self.by_value.to_dict("index").items()]
        )
        return {**_as_json(self.total), "by_status": by_status, "by_value": by_value}


NONE: Final = pd.DataFrame(0, index=sorted(status.value for status in SENT_TO), columns=["sent_to", "converted"])
NOTHING: Final = Conversions(by_status=NONE.iloc[:0], by_value=None)


def conversions(
    reader: LedgerReader,
    record: CampaignRecord,
    redemptions: Redemptions,
    *,
    keys: Callable[[Sequence[str]], Sequence[str]],
    place: int | None,
) -> Conversions:
    """The conversions of a campaign, also by the list's column at `place`, if any; `keys` makes of ids what they are compared by."""
    rows = rows_frame(reader, record, statuses=SENT_TO, by=place, ids=True)
    redeemed = redemptions.of(rows.assign(key=keys(rows.pop("id").tolist())))

    def by(name: str) -> pd.DataFrame:
        counts = [frame.groupby(name, observed=True, sort=False).size().rename(index=str) for frame in (rows, redeemed)]
        found = pd.concat(counts, axis="columns", keys=NONE.columns).fillna(0).astype(int)
        return found.sort_values("sent_to", ascending=False, kind="stable")

    return Conversions(by_status=by("status").reindex(NONE.index, fill_value=0), by_value=None if place is None else by("by"))


def _sum(some: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(some).groupby(level=0, sort=False).sum()


def _as_json(one: Mapping[str, int]) -> dict[str, Any]:
    return {**one, "conversion_rate": round(one["converted"] / one["sent_to"], 6) if one["sent_to"] else None}
