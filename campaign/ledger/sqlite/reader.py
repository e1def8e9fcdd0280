"""`ledger.port.LedgerReader` on SQLite: a separate connection that can't write."""

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

from campaign.domain.ledger_identity import Displaced, difference
from campaign.domain.model import ResultRow
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.ledger import ledger_errors
from campaign.ledger.clock import RECENT_SECONDS, Clock, SystemClock
from campaign.ledger.port import DesiredState, PendingWork, ResultColumns
from campaign.ledger.process_lock import is_owner_dead
from campaign.ledger.reader import Reader
from campaign.ledger.sqlite.base import identity_here, newer_mark, stored_identity
from campaign.ledger.sqlite.connection import SQL, SqliteClock, connect, errors_as_sentences, prepare
from campaign.ledger.sqlite.integrity import runners_folder
from campaign.ledger.values import as_json, filters, result, result_columns


class SqliteReader(Reader):
    """A ledger file, open for reading. Safe to use from several threads."""

    _path: Path
    _clock: SqliteClock
    _connection: apsw.Connection
    _one_at_a_time: threading.Lock

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        prepare(path)
        self._path = path
        self._one_at_a_time = threading.Lock()
        with errors_as_sentences(path):
            self._connection = connect(path, read_only=True)
            self._clock = SqliteClock(self._connection, clock or SystemClock())

    @property
    def place(self) -> str:
        return str(self._path.absolute())

    def displaced(self) -> Displaced | None:
        known = stored_identity(self._all("identity"))
        if known is None or (found := difference(known, identity_here(self._path))) is None:
            return None
        last_run_at = self._all("last_run", now=self._clock.now())[0][0]
        return Displaced(difference=found, before=known, last_run_at=last_run_at, newer_mark=newer_mark(known))

    def rows(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultRow]:
        wanted = {status.value for status in statuses} if statuses is not None else None
        # Streamed on a separate connection, so that a long export and a quick count don't share a transaction.
        found = self._stream("rows", campaign=campaign)
        return (result(values) for values in found if wanted is None or values[4] in wanted)

    def result_columns(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultColumns]:
        wanted = {status.value for status in statuses} if statuses is not None else None
        found = self._stream("result_columns", campaign=campaign)
        return result_columns(found if wanted is None else (values for values in found if values[3] in wanted))

    def pending_work(self, campaign: int) -> PendingWork:
        desired_state, pending_at, sending, unverified_at = self._all("pending_work", campaign=campaign)[0]
        if desired_state is None:
            raise ledger_errors.replaced()
        now = self._clock.now()
        return PendingWork(
            desired_state=DesiredState(desired_state),
            pending_in_seconds=None if pending_at is None else pending_at - now,
            sending=bool(sending),
            unverified_in_seconds=None if unverified_at is None else unverified_at - now,
        )

    def recent_rate(self, campaign: int) -> float:
        now = self._clock.wall()
        count, first = self._all("recent", campaign=campaign, since=now - RECENT_SECONDS)[0]
        return count / max(now - first, 1.0) if count else 0.0

    def zones(self, campaign: int) -> tuple[str, ...]:
        found = self._all("zones", campaign=campaign)
        return tuple(json.loads(found[0][0])) if found else ()

    def next_rows(self, campaign: int, count: int, *, zones: tuple[str, ...], only: tuple[int, ...] | None = None) -> tuple[int, ...]:
        values = {"campaign": campaign, "limit": count, "zones": json.dumps(zones), "only": json.dumps(only)}
        return tuple(sorted(row for (row,) in self._all("next_rows", **values)))

    def close(self) -> None:
        # A caller that was cancelled may have left a thread that still reads.
        with self._one_at_a_time:
            self._connection.close()

    def matching(self, campaign: int, selection: Selection) -> int:
        values = {"campaign": campaign} | filters(selection)
        return sum(self._all("matching", status=status.value, **values)[0][0] for status in selection.statuses)

    def last_change(self, campaign: int) -> float:
        return float(self._all("last_change", campaign=campaign, wall=self._clock.wall())[0][0])

    def _all(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        with self._one_at_a_time, errors_as_sentences(self._path):
            return self._connection.execute(SQL[statement], values).fetchall()

    def _stream(self, statement: str, /, **values: Any) -> Iterator[tuple[Any, ...]]:
        connection = connect(self._path, read_only=True)
        try:
            with errors_as_sentences(self._path):
                yield from connection.execute(SQL[statement], values)
        finally:
            connection.close()

    @staticmethod
    def _list(values: Sequence[Any]) -> str:
        return as_json(values)

    def _may_send(self, runner: int, *lease: float) -> bool:
        [lease_until] = lease
        return lease_until >= self._clock.now() and not is_owner_dead(runners_folder(self._path), runner)
