"""`ledger.port.LedgerReader` on PostgreSQL."""

import heapq
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import psycopg
import stamina
from psycopg.rows import TupleRow

from campaign.domain.batches import Batch
from campaign.domain.ledger_identity import Displaced, difference
from campaign.domain.model import Counts, ResultRow
from campaign.domain.retry_selection import Selection
from campaign.domain.row_state import RowState
from campaign.domain.status import Status
from campaign.ledger import ledger_errors
from campaign.ledger.clock import RECENT_SECONDS, Clock
from campaign.ledger.port import CampaignRecord, DesiredState, PendingWork, ResultColumns, RowMessage, RunnerRecord
from campaign.ledger.postgres.base import Machine, identity_here, stored_identity
from campaign.ledger.postgres.connection import LONG_SECONDS, PATIENCE_SECONDS, SQL, Address, LostError, Session, given_up, parse
from campaign.ledger.postgres.schema import prepare
from campaign.ledger.postgres.values import selected
from campaign.ledger.records import AttemptColumns
from campaign.ledger.values import attempt_columns, batches, lot, record, result, result_columns, row_state

T = TypeVar("T")
TRYING_TO_READ_SECONDS: Final = 9.0
FETCHED_AT_ONCE: Final = 2000
# A stream shows one moment; and writing it to a slow disk may leave the transaction idle between two parts.
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '1h'"


class ReadConnection:
    """Reads from the database. Safe to use from several threads."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._one_at_a_time = threading.Lock()
        self._session = Session(address)
        self._spare: queue.SimpleQueue[Session] = queue.SimpleQueue()

    def all(self, statement: str, /, *, seconds: float = PATIENCE_SECONDS, **values: Any) -> list[TupleRow]:
        """All rows that a statement of `postgres.sql` returns; it may take `seconds`.

        Raises:
            LedgerError: the database can't be reached.
        """
        with self._one_at_a_time:
            return self._tried(self._session, seconds, lambda session: session.all(statement, values))

    def stream(self, statement: str, **values: Any) -> Iterator[TupleRow]:
        """The rows at one moment, a part at a time.

        Raises:
            LedgerError: the connection broke, so that the rows before are not all.
        """
        try:
            session = self._spare.get_nowait()
        except queue.Empty:
            session = Session(self._address)
        whole = False

        def begin(session: Session) -> tuple[psycopg.ServerCursor[TupleRow], list[TupleRow]]:
            session.run(_BEGIN)
            cursor = psycopg.ServerCursor(session.raw, "rows")
            cursor.itersize = FETCHED_AT_ONCE
            try:
                cursor.execute(SQL[statement].encode(), values)
                return cursor, cursor.fetchmany(FETCHED_AT_ONCE)
            except psycopg.Error as error:
                raise session.translated(error) from error

        try:
            # Up to its first rows a stream can begin again.
            cursor, first = self._tried(session, LONG_SECONDS, begin)
            yield from first
            try:
                with cursor:
                    yield from cursor
            except psycopg.Error as error:
                raise session.translated(error) from error
            session.run("COMMIT")
            whole = True
        except LostError as error:
            raise given_up(self._address, error) from error
        finally:
            if whole and self._spare.empty():
                self._spare.put(session)
            else:
                session.drop()

    def close(self) -> None:
        self._session.drop()
        while not self._spare.empty():
            self._spare.get().drop()

    def _tried(self, session: Session, seconds: float, work: Callable[[Session], T]) -> T:
        try:
            for attempt in stamina.retry_context(
                on=LostError, attempts=None, timeout=TRYING_TO_READ_SECONDS, wait_initial=0.05, wait_max=1.0, wait_jitter=0.1
            ):
                with attempt:
                    try:
                        return work(session.connected(patience_seconds=seconds))
                    except LostError:
                        session.drop()
                        raise
        except LostError as error:
            raise given_up(self._address, error) from error
        raise AssertionError("a retry ends with an answer or an error")


class PostgresReader:
    """A ledger in a database, open for reading. Safe to use from several threads."""

    _look: ReadConnection

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._address = address = parse(url)
        self._machine = Machine(prepare(address), clock=clock)
        self._look = ReadConnection(address)

    @property
    def place(self) -> str:
        return self._address.name

    def displaced(self) -> Displaced | None:
        known = stored_identity(self._look.all("place"))
        if known is None or (found := difference(known, identity_here(self._look.all, self.place))) is None:
            return None
        return Displaced(difference=found, before=known, last_run_at=self._look.all("last_run", seconds=LONG_SECONDS)[0][0])

    def campaign(self, name: str) -> CampaignRecord | None:
        found = self._look.all("campaign_by_name", name=name)
        return record(found[0]) if found else None

    def campaigns(self) -> list[CampaignRecord]:
        return [record(values) for values in self._look.all("campaigns")]

    def counts(self, campaign: int) -> Counts:
        by_status = dict.fromkeys(Status, 0) | {
            Status(status): count for status, count in self._look.all("count_by_status", seconds=LONG_SECONDS, campaign=campaign)
        }
        by_reason = {
            (Status(status), reason): count
            for status, reason, count in self._look.all("count_by_reason", seconds=LONG_SECONDS, campaign=campaign)
        }
        return Counts(
            by_status=by_status,
            by_reason=by_reason,
            unverified=self._look.all("count_unverified", seconds=LONG_SECONDS, campaign=campaign)[0][0],
        )

    def rows(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultRow]:
        wanted = None if statuses is None else list(statuses)
        return (result(values) for values in self._look.stream("rows", campaign=campaign, statuses=wanted))

    def messages(self, campaign: int, statuses: frozenset[Status]) -> Iterator[RowMessage]:
        return map(RowMessage._make, self._look.stream("messages", campaign=campaign, statuses=list(statuses)))

    def result_columns(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultColumns]:
        wanted = None if statuses is None else list(statuses)
        return result_columns(self._look.stream("result_columns", campaign=campaign, statuses=wanted))

    def examples(self, campaign: int, status: Status, reason: str, limit: int) -> list[tuple[int, str]]:
        found = self._look.all("examples", seconds=LONG_SECONDS, campaign=campaign, status=status.value, reason=reason, limit=limit)
        return [(row, error) for row, error in found]

    def pending_work(self, campaign: int) -> PendingWork:
        desired_state, pending_in, sending, unverified_in = self._look.all("pending_work", campaign=campaign)[0]
        if desired_state is None:
            raise ledger_errors.replaced()
        return PendingWork(
            desired_state=DesiredState(desired_state), pending_in_seconds=pending_in, sending=sending, unverified_in_seconds=unverified_in
        )

    def batches(self, campaign: int) -> list[Batch]:
        return batches(self._look.all("batches", campaign=campaign, runner=0))

    def unidentified_batches(self, campaign: int, *, since: float) -> list[str]:
        return [name for (name,) in self._look.all("unidentified_batches", campaign=campaign, since=since)]

    def first_with_text(self, campaign: int, text: str) -> int | None:
        found = self._look.all("first_with_text", campaign=campaign, text=text, seconds=LONG_SECONDS)
        return next((row for (row,) in found), None)

    def recent_rate(self, campaign: int) -> float:
        count, seconds = self._look.all("recent", campaign=campaign, within=RECENT_SECONDS)[0]
        return float(count / max(seconds, 1.0)) if count else 0.0

    def zones(self, campaign: int) -> tuple[str, ...]:
        found = self._look.all("zones", campaign=campaign)
        return tuple(found[0][0]) if found else ()

    def pending_zones(self, campaign: int, only: tuple[int, ...] | None = None) -> tuple[str, ...]:
        if only is None:
            return tuple(zone for (zone,) in self._look.all("pending_zones", campaign=campaign))
        return tuple(zone for (zone,) in self._look.all("pending_zones_of", campaign=campaign, only=list(only)))

    def next_rows(self, campaign: int, count: int, *, zones: tuple[str, ...], only: tuple[int, ...] | None = None) -> tuple[int, ...]:
        values = {"limit": count, "zones": list(zones), "only": None if only is None else list(only)}
        return tuple(sorted(row for (row,) in self._look.all("next_rows", seconds=LONG_SECONDS, campaign=campaign, **values)))

    def sample(self, campaign: int, count: int, seed: int) -> tuple[int, ...]:
        rows = (row for (row,) in self._look.stream("sendable_rows", campaign=campaign))
        return tuple(sorted(heapq.nsmallest(count, rows, key=lambda row: lot(seed, row))))

    def unfinished(self, campaign: int, only: tuple[int, ...]) -> bool:
        return bool(self._look.all("unfinished", campaign=campaign, only=list(only))[0][0])

    def last_texts(self, pass_keys: Sequence[str], *, api: str) -> dict[str, str]:
        return dict(self._look.all("last_texts", seconds=LONG_SECONDS, pass_keys=list(pass_keys), api=api))

    def runners(self, campaign: int) -> list[RunnerRecord]:
        return [self._runner(values) for values in self._look.all("runners", campaign=campaign)]

    def close(self) -> None:
        self._look.close()

    def _runner(self, values: tuple[Any, ...]) -> RunnerRecord:
        runner, campaign, host, pid, username, started_at, boot, late, activity, ended_at, ended, rows_left, rows_needing_attention = values
        return RunnerRecord(
            id=runner,
            campaign=campaign,
            host=host,
            pid=pid,
            started_at=started_at,
            ended_at=ended_at,
            ended=ended,
            activity=activity,
            alive=not ended_at and not late and not self._machine.is_owner_dead(runner, boot),
            username=username,
            rows_left=rows_left,
            rows_needing_attention=rows_needing_attention,
        )

    def rows_numbered(self, campaign: int, numbers: Sequence[int]) -> dict[int, ResultRow]:
        return {
            values[0]: result(values)
            for values in self._look.all("rows_numbered", seconds=LONG_SECONDS, campaign=campaign, rows=list(numbers))
        }

    def row_states(self, campaign: int, numbers: Sequence[int]) -> list[RowState]:
        found = self._look.all("row_states", seconds=LONG_SECONDS, campaign=campaign, rows=list(numbers))
        return [row_state(values) for values in found]

    def rows_of_passes(self, campaign: int, keys: Sequence[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, key in self._look.all("rows_of_passes", seconds=LONG_SECONDS, campaign=campaign, keys=list(keys)):
            found.setdefault(key, []).append(row)
        return found

    def matching(self, campaign: int, selection: Selection) -> int:
        return int(self._look.all("matching", seconds=LONG_SECONDS, campaign=campaign, **selected(selection))[0][0])

    def attempts_by_runner(self, campaign: int) -> dict[int, int]:
        return dict(self._look.all("attempts_by_runner", seconds=LONG_SECONDS, campaign=campaign))

    def last_change(self, campaign: int) -> float:
        return float(self._look.all("last_change", seconds=LONG_SECONDS, campaign=campaign)[0][0])

    def has_unfinished_purge(self) -> bool:
        return bool(self._look.all("unfinished_purge"))

    def attempt_columns(self, campaign: int) -> Iterator[AttemptColumns]:
        return attempt_columns(self._look.stream("attempt_columns", campaign=campaign))

    def pass_keys(self, campaign: int) -> Iterator[tuple[int, str, Status]]:
        return ((row, key, Status(status)) for row, key, status in self._look.stream("pass_keys", campaign=campaign))

    def exclusions(self, campaign: int) -> Iterator[str]:
        return (key for (key,) in self._look.stream("exclusions", campaign=campaign))
