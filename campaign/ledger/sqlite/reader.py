"""`ledger.port.LedgerReader` on SQLite: a separate connection that can't write."""

import heapq
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

from campaign.domain.batches import Batch
from campaign.domain.ledger_identity import Displaced, difference
from campaign.domain.model import Counts, ResultRow
from campaign.domain.retry_selection import Selection
from campaign.domain.row_state import RowState
from campaign.domain.status import Status
from campaign.ledger import ledger_errors
from campaign.ledger.clock import RECENT_SECONDS, Clock, SystemClock
from campaign.ledger.port import CampaignRecord, DesiredState, PendingWork, ResultColumns, RowMessage, RunnerRecord
from campaign.ledger.process_lock import is_owner_dead
from campaign.ledger.records import AttemptColumns
from campaign.ledger.sqlite.base import identity_here, lock_dir, stored_identity
from campaign.ledger.sqlite.connection import SQL, SqliteClock, connect, errors_as_sentences, prepare
from campaign.ledger.values import as_json, attempt_columns, batches, filters, lot, record, result, result_columns, row_state


class SqliteReader:
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
        return Displaced(difference=found, before=known, last_run_at=self._all("last_run", now=self._clock.now())[0][0])

    def campaign(self, name: str) -> CampaignRecord | None:
        found = self._all("campaign_by_name", name=name)
        return record(found[0]) if found else None

    def campaigns(self) -> list[CampaignRecord]:
        return [record(values) for values in self._all("campaigns")]

    def counts(self, campaign: int) -> Counts:
        counted = self._all("count_by_status", campaign=campaign, statuses=as_json(list(Status)))
        by_status = dict.fromkeys(Status, 0) | {Status(status): count for status, count in counted}
        by_reason = {(Status(status), reason): count for status, reason, count in self._all("count_by_reason", campaign=campaign)}
        return Counts(by_status=by_status, by_reason=by_reason, unverified=self._all("count_unverified", campaign=campaign)[0][0])

    def rows(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultRow]:
        wanted = {status.value for status in statuses} if statuses is not None else None
        # Streamed on a separate connection, so that a long export and a quick count don't share a transaction.
        found = self._streamed("rows", campaign)
        return (result(values) for values in found if wanted is None or values[4] in wanted)

    def messages(self, campaign: int, statuses: frozenset[Status]) -> Iterator[RowMessage]:
        return map(RowMessage._make, self._streamed("messages", campaign, statuses=as_json(sorted(statuses))))

    def result_columns(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultColumns]:
        wanted = {status.value for status in statuses} if statuses is not None else None
        found = self._streamed("result_columns", campaign)
        return result_columns(found if wanted is None else (values for values in found if values[3] in wanted))

    def examples(self, campaign: int, status: Status, reason: str, limit: int) -> list[tuple[int, str]]:
        return [(row, error) for row, error in self._all("examples", campaign=campaign, status=status.value, reason=reason, limit=limit)]

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

    def batches(self, campaign: int) -> list[Batch]:
        return batches(self._all("batches", campaign=campaign, runner=0))

    def unidentified_batches(self, campaign: int, *, since: float) -> list[str]:
        return [name for (name,) in self._all("unidentified_batches", campaign=campaign, since=since)]

    def first_with_text(self, campaign: int, text: str) -> int | None:
        return next((row for (row,) in self._all("first_with_text", campaign=campaign, text=text)), None)

    def recent_rate(self, campaign: int) -> float:
        now = self._clock.wall()
        count, first = self._all("recent", campaign=campaign, since=now - RECENT_SECONDS)[0]
        return count / max(now - first, 1.0) if count else 0.0

    def zones(self, campaign: int) -> tuple[str, ...]:
        found = self._all("zones", campaign=campaign)
        return tuple(json.loads(found[0][0])) if found else ()

    def pending_zones(self, campaign: int, only: tuple[int, ...] | None = None) -> tuple[str, ...]:
        statement = "pending_zones" if only is None else "pending_zones_of"
        return tuple(zone for (zone,) in self._all(statement, campaign=campaign, only=json.dumps(only)))

    def next_rows(self, campaign: int, count: int, *, zones: tuple[str, ...], only: tuple[int, ...] | None = None) -> tuple[int, ...]:
        values = {"campaign": campaign, "limit": count, "zones": json.dumps(zones), "only": json.dumps(only)}
        return tuple(sorted(row for (row,) in self._all("next_rows", **values)))

    def sample(self, campaign: int, count: int, seed: int) -> tuple[int, ...]:
        connection = connect(self._path, read_only=True)
        try:
            with errors_as_sentences(self._path):
                rows = (row for (row,) in connection.execute(SQL["sendable_rows"], {"campaign": campaign}))
                return tuple(sorted(heapq.nsmallest(count, rows, key=lambda row: lot(seed, row))))
        finally:
            connection.close()

    def unfinished(self, campaign: int, only: tuple[int, ...]) -> bool:
        return bool(self._all("unfinished", campaign=campaign, only=json.dumps(only))[0][0])

    def last_texts(self, pass_keys: Sequence[str], *, api: str) -> dict[str, str]:
        return dict(self._all("last_texts", pass_keys=json.dumps(pass_keys), api=api))

    def runners(self, campaign: int) -> list[RunnerRecord]:
        return [self._runner(values) for values in self._all("runners", campaign=campaign)]

    def close(self) -> None:
        # A caller that was cancelled may have left a thread that still reads.
        with self._one_at_a_time:
            self._connection.close()

    def _runner(self, values: tuple[Any, ...]) -> RunnerRecord:
        runner, campaign, host, pid, username, started_at, lease_until, activity, ended_at, ended, rows_left, rows_needing_attention = (
            values
        )
        alive = not ended_at and lease_until >= self._clock.now() and not is_owner_dead(lock_dir(self._path), runner)
        return RunnerRecord(
            id=runner,
            campaign=campaign,
            host=host,
            pid=pid,
            started_at=started_at,
            ended_at=ended_at,
            ended=ended,
            activity=activity,
            alive=alive,
            username=username,
            rows_left=rows_left,
            rows_needing_attention=rows_needing_attention,
        )

    def rows_numbered(self, campaign: int, numbers: Sequence[int]) -> dict[int, ResultRow]:
        return {values[0]: result(values) for values in self._all("rows_numbered", campaign=campaign, rows=as_json(numbers))}

    def row_states(self, campaign: int, numbers: Sequence[int]) -> list[RowState]:
        return [row_state(values) for values in self._all("row_states", campaign=campaign, rows=as_json(numbers))]

    def rows_of_passes(self, campaign: int, keys: Sequence[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, key in sorted(self._all("rows_of_passes", campaign=campaign, keys=as_json(keys))):
            found.setdefault(key, []).append(row)
        return found

    def matching(self, campaign: int, selection: Selection) -> int:
        values = {"campaign": campaign} | filters(selection)
        return sum(self._all("matching", status=status.value, **values)[0][0] for status in selection.statuses)

    def attempts_by_runner(self, campaign: int) -> dict[int, int]:
        return dict(self._all("attempts_by_runner", campaign=campaign))

    def last_change(self, campaign: int) -> float:
        return float(self._all("last_change", campaign=campaign, wall=self._clock.wall())[0][0])

    def has_unfinished_purge(self) -> bool:
        return bool(self._all("unfinished_purge"))

    def attempt_columns(self, campaign: int) -> Iterator[AttemptColumns]:
        return attempt_columns(self._streamed("attempt_columns", campaign))

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
