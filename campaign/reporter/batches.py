"""Rows by column, some at a time: what every format is written from, so that none of them works cell by cell where it need not."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from campaign.domain.cells import neutralise
from campaign.domain.model import NEEDS_SOMEONE
from campaign.domain.results import RESULT_COLUMNS
from campaign.ledger.columns import ResultColumns
from campaign.reporter.layout import KINDS, Kind, Layout

_MAKES_UNSAFE: Final = "=+-@＝＋－＠\t\r\n"  # noqa: RUF001 - spreadsheets take the full-width forms for the plain ones
"""A cell without any of these is never changed by `neutralise`; a test holds the two together."""

Column = Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows as columns in the layout's order; `needs_someone` says of each row whether it belongs into the failed-rows file too."""

    columns: list[Column]
    needs_someone: list[bool]

    def __len__(self) -> int:
        return len(self.needs_someone)

    def failed(self) -> "Batch | None":
        """Only the rows that need someone; None if there are none."""
        if True not in self.needs_someone:
            return None
        columns: list[Column] = [list(compress(column, self.needs_someone)) for column in self.columns]
        return Batch(columns=columns, needs_someone=[True] * len(columns[-1]))


def batched(parts: Iterable[ResultColumns], *, layout: Layout, campaign: str) -> Iterator[Batch]:
    """A batch for each part of the rows, which is read only when it is asked for."""
    own = len(layout.names) - len(RESULT_COLUMNS)
    for part in parts:
        if len(part.cells) != own:
            raise ValueError(f"rows {part.row[0]} to {part.row[-1]} have {len(part.cells)} cells of their own for {own} columns")
        yield Batch(
            columns=[*part.cells] + [_delivery_column(name, part, campaign) for name in RESULT_COLUMNS],
            needs_someone=[status in NEEDS_SOMEONE for status in part.status],
        )


def readable(batch: Batch, layout: Layout) -> list[Column]:
    """The batch's columns for a format that has no times of its own: ISO 8601 in UTC with milliseconds, None where there is none."""
    return [time_texts(column) if kind is Kind.TIME else column for kind, column in zip(layout.kinds, batch.columns, strict=True)]


def neutralised(texts: Sequence[str]) -> Sequence[str]:
    """The texts for a format that spreadsheets open; see `domain.cells`."""
    probe = "".join(texts)
    if not any(character in probe for character in _MAKES_UNSAFE) or "".join([text[:1] for text in texts]).isalnum():
        return texts
    return [text if text[:1].isalnum() else neutralise(text) for text in texts]


def time_texts(seconds: Sequence[float]) -> list[str | None]:
    """What `insights.iso` says of each time, for all of them at once."""
    if not any(seconds):
        return [None] * len(seconds)
    times = milliseconds(seconds)
    texts: list[str | None] = np.datetime_as_string(times.astype("datetime64[ms]"), unit="ms", timezone="UTC").tolist()
    if times.all():
        return texts
    return [text if there else None for text, there in zip(texts, seconds, strict=True)]


def milliseconds(seconds: Sequence[float]) -> npt.NDArray[np.int64]:
    """Unix milliseconds; 0 for no time. The fraction goes through whole microseconds, as `datetime` has them, so that both agree."""
    times = np.array(seconds, dtype=np.float64)
    whole = np.floor(times)
    micros = np.rint((times - whole) * 1e6).astype(np.int64)
    result: npt.NDArray[np.int64] = whole.astype(np.int64) * 1000 + micros // 1000
    return result


def _delivery_column(name: str, part: ResultColumns, campaign: str) -> Column:
    match name:
        case "delivery_campaign":
            return [campaign] * len(part)
        case "delivery_latency_ms":
            return _rounded(part.latency_seconds)
        case _:
            values: Column = getattr(part, name.removeprefix("delivery_"))
            return _without_nul(values) if KINDS[name] is Kind.TEXT else values


def _rounded(seconds: Sequence[float | None]) -> list[float | None]:
    values = np.round(np.array(seconds, dtype=np.float64) * 1000, 1).tolist()
    return [None if second is None else value for second, value in zip(seconds, values, strict=True)]


def _without_nul(texts: Sequence[str]) -> Sequence[str]:
    # A reply may hold the one character that no list may: a results file with it could not be read back.
    if "\0" in "".join(texts):
        return [text.replace("\0", "\N{REPLACEMENT CHARACTER}") for text in texts]
    return texts
