"""The part of `ledger.port.LedgerReader` on SQLite that re-runs and histories ask."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

from campaign.domain.model import ResultRow, Status
from campaign.ledger.records import AttemptRecord, Sends
from campaign.ledger.sqlite.connection import SQL, SqliteClock, connect, errors_as_sentences
from campaign.ledger.values import as_json, attempt_record, filters, result, sends


class Lookups:
    """To be mixed into a reader."""

    _path: Path
    _clock: SqliteClock
    _connection: apsw.Connection
    _one_at_a_time: threading.Lock

    def rows_numbered(self, campaign: int, numbers: Sequence[int]) -> dict[int, ResultRow]:
        return {values[0]: result(values) for values in self._all("rows_numbered", campaign=campaign, rows=as_json(numbers))}

    def rows_of_passes(self, campaign: int, keys: Sequence[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, key in sorted(self._all("rows_of_passes", campaign=campaign, keys=as_json(keys))):
            found.setdefault(key, []).append(row)
        return found

    def matching(
        self,
        campaign: int,
        statuses: frozenset[Status],
        *,
        reasons: frozenset[str] = frozenset(),
        http_statuses: frozenset[int] = frozenset(),
    ) -> int:
        values = {"campaign": campaign} | filters(reasons, http_statuses)
        return sum(self._all("matching", status=status.value, **values)[0][0] for status in statuses)

    def attempts_by_runner(self, campaign: int) -> dict[int, int]:
        return dict(self._all("attempts_by_runner", campaign=campaign))

    def last_change(self, campaign: int) -> float:
        return float(self._all("last_change", campaign=campaign, wall=self._clock.wall())[0][0])

    def sends_over_time(self, campaign: int, *, since: float, until: float, buckets: int) -> list[Sends]:
        width = (until - since) / buckets
        span = {"since": since, "until": until, "width": width}
        # A connection of its own: a look through all attempts takes a while, in which others want to count.
        found = self._streamed("sends_over_time", campaign, **span)
        return sends(found, since=since, width=width, buckets=buckets)

    def to_clean(self) -> bool:
        return bool(self._all("to_clean"))

    def attempts_by_row(self, campaign: int) -> Iterator[AttemptRecord]:
        return (attempt_record(values) for values in self._streamed("attempts_by_row", campaign))

    def pass_keys(self, campaign: int) -> Iterator[tuple[int, str, Status]]:
        return ((row, key, Status(status)) for row, key, status in self._streamed("pass_keys", campaign))

    def exclusions(self, campaign: int) -> Iterator[str]:
        return (key for (key,) in self._streamed("exclusions", campaign))

    def _streamed(self, statement: str, campaign: int, **values: Any) -> Iterator[tuple[Any, ...]]:
        connection = connect(self._path, read_only=True)
        try:
            with errors_as_sentences(self._path):
                yield from connection.execute(SQL[statement], {"campaign": campaign} | values)
        finally:
            connection.close()

    def _all(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with self._one_at_a_time, errors_as_sentences(self._path):
            return self._connection.execute(SQL[statement], values).fetchall()
