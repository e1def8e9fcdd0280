"""Deliberate bugs, each in the place where it would be made: a simulation that does not find them proves nothing."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from unittest import mock

from campaign.app import retry
from campaign.app.lists import corrections
from campaign.domain import verdict
from campaign.domain.model import Claim, Settlement
from campaign.domain.retry_selection import Selection
from campaign.domain.schedule import Schedule
from campaign.domain.status import Status
from campaign.domain.verdict import AttemptOutcome, Evidence, Fault, Latest, PassReading, Reply, Resolution
from campaign.ledger.port import DesiredState, Runner
from campaign.ledger.sqlite import SqliteReader, claims, connection, ledger
from campaign.ledger.sqlite.base import Store
from campaign.ledger.sqlite.writer import SYNCHRONOUS
from campaign.loader.repeats import Repeated
from campaign.sender import attempt, executor, lease_keeper
from campaign.sender.readback import verify
from tests.simulation.network import SimulatedGateway

Bug = Callable[[], AbstractContextManager[object]]


def _classified(is_concerned: Callable[[Reply | Fault], bool]) -> AbstractContextManager[object]:
    def classify(result: Reply | Fault) -> AttemptOutcome:
        found = verdict.classify(result)
        return replace(found, proof=Evidence.NOT_ACCEPTED) if is_concerned(result) else found

    return mock.patch.object(executor, "classify", classify)


def server_errors_are_sent_again() -> AbstractContextManager[object]:
    """A 5xx is taken for a message that was not accepted."""
    return _classified(lambda result: isinstance(result, Reply) and result.http_status >= 500)


def lost_answers_are_sent_again() -> AbstractContextManager[object]:
    """A connection that was cut after the request is taken for one that never was."""
    return _classified(lambda result: isinstance(result, Fault) and result.reason == "disconnected")


@contextmanager
def _sql(**changes: tuple[str, str]) -> Iterator[None]:
    changed = {}
    for statement, (old, new) in changes.items():
        assert old in connection.SQL[statement], f"{statement} has no {old}"
        changed[statement] = connection.SQL[statement].replace(old, new)
    with mock.patch.dict(connection.SQL, changed):
        yield


def rows_of_the_dead_are_sent_again() -> AbstractContextManager[object]:
    """What a dead runner had claimed is pending again, without being read back."""
    old = "status = 'unknown', reason = 'lost', runner = NULL, due_at = iif(:hold_unverified, NULL, :now + :quiet_seconds)"
    return _sql(mark_unknown=(old, "status = 'pending', reason = 'lost', runner = NULL, due_at = :now"))


def fences_are_ignored() -> AbstractContextManager[object]:
    """Whoever lost a row to another runner may still settle it."""
    mine = "AND fencing_token = ?2 AND runner = ?19 AND status = 'sending'"
    return _sql(record_one=(mine, "AND ?2 > 0 AND ?19 > 0 AND status = 'sending'"), settle_one=(mine, "AND status = 'sending'"))


def commits_are_not_synced() -> AbstractContextManager[object]:
    """A claim is handed out before it is on the disk."""
    return mock.patch.dict(SYNCHRONOUS, dict.fromkeys(SYNCHRONOUS, "OFF"))


def leases_are_ignored() -> AbstractContextManager[object]:
    """A process that was away for longer than its lease goes on."""
    return mock.patch.object(lease_keeper.LeaseKeeper, "is_held", return_value=True)


def the_living_are_buried() -> AbstractContextManager[object]:
    """Any other runner is taken for dead."""
    return mock.patch.object(Store, "_is_dead", return_value=True)


def no_quiet_period() -> AbstractContextManager[object]:
    """A pass is read back at once, while the request may still be on its way."""
    settle = attempt.settle_attempt

    def at_once(*args: Any, **values: Any) -> Any:
        found = settle(*args, **values)
        return replace(found, due_in_seconds=0.0) if found.outcome.status is Status.UNKNOWN else found

    return mock.patch.object(executor, "settle_attempt", at_once)


def readings_say_not_arrived() -> AbstractContextManager[object]:
    """Whatever a pass shows, the message is sent again."""
    return mock.patch.object(verify, "read_back", return_value=Resolution(status=Status.PENDING))


def any_text_is_the_message() -> AbstractContextManager[object]:
    """Whatever a pass shows is taken for the message."""
    return mock.patch.object(verify, "read_back", return_value=Resolution(status=Status.ACCEPTED))


def broken_off_was_not_written() -> AbstractContextManager[object]:
    """A send that is cancelled when the run ends says that nothing of it left."""
    send = SimulatedGateway.send

    async def forgetful(self: SimulatedGateway, pass_id: str, message: str, *, in_flight: Any = None) -> Reply | Fault:
        try:
            return await send(self, pass_id, message, in_flight=in_flight)
        finally:
            if in_flight is not None:
                in_flight.written = False

    return mock.patch.object(SimulatedGateway, "send", forgetful)


def twice_the_rate() -> AbstractContextManager[object]:
    """The slots that are reserved are half as far apart as they should be."""
    reserve_slots = ledger.SqliteLedger.reserve_slots

    async def doubled(self: ledger.SqliteLedger, key: str, *, rate_per_second: float, want: int) -> Any:
        return await reserve_slots(self, key, rate_per_second=2 * rate_per_second, want=want)

    return mock.patch.object(ledger.SqliteLedger, "reserve_slots", doubled)


def sent_at_any_hour() -> AbstractContextManager[object]:
    """The window is shown, and not kept."""

    def all_open(_: Schedule, names: Iterable[str], now: datetime) -> tuple[str, ...]:
        del now
        return tuple(names)

    stack = ExitStack()
    stack.enter_context(mock.patch.object(Schedule, "is_time", return_value=True))
    stack.enter_context(mock.patch.object(Schedule, "open_zones", all_open))
    return stack


def a_cancel_is_not_heard() -> AbstractContextManager[object]:
    """The rows of a cancelled campaign stay pending, and its runners go on."""
    pending_work = SqliteReader.pending_work

    def deaf(self: SqliteReader, campaign: int) -> Any:
        found = pending_work(self, campaign)
        return replace(found, desired_state=DesiredState.GO) if found.desired_state is DesiredState.CANCELLED else found

    stack = ExitStack()
    stack.enter_context(mock.patch.object(SqliteReader, "pending_work", deaf))
    for module in (ledger, claims):
        stack.enter_context(mock.patch.object(module, "skip_if_cancelled"))
    return stack


@contextmanager
def claims_are_written_after_the_send() -> Iterator[None]:
    """A row is claimed in the ledger only when its answer is recorded."""
    claim, settle = connection.SQL["claim"], ledger.SqliteLedger.settle

    async def claimed(self: ledger.SqliteLedger, runner: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        values = {"campaign": runner.campaign, "runner": runner.id, "batch": None, "wall": time.time()}
        rows = json.dumps([settlement.claim.row for settlement in settlements])
        await self._writer.do(lambda db: db.execute(claim, values | {"rows": rows}))
        return await settle(self, runner, settlements)

    with mock.patch.dict(connection.SQL, claim="SELECT 1"), mock.patch.object(ledger.SqliteLedger, "settle", claimed):
        yield


def slots_are_leased_again() -> AbstractContextManager[object]:
    """The slots that were leased are not written down, so the next lease gives the same ones."""
    return mock.patch.dict(connection.SQL, set_rate_limit="SELECT 1")


def other_texts_say_not_arrived() -> AbstractContextManager[object]:
    """A pass that shows somebody else's text is taken for one that the message has not reached."""

    def believing(reading: PassReading, *, message: str, **values: Any) -> Resolution:
        if reading.latest is Latest.TEXT and not verdict.same_text(reading.text, message):
            return Resolution(status=Status.PENDING)
        return verdict.read_back(reading, message=message, **values)

    return mock.patch.object(verify, "read_back", believing)


def a_retry_takes_unknown_rows() -> AbstractContextManager[object]:
    """Who has failed rows sent again gets those sent again, too, that may have arrived."""
    again = ledger.SqliteLedger.retry

    async def generous(self: ledger.SqliteLedger, campaign: int, selection: Selection, since: int | None = None) -> int:
        return await again(self, campaign, replace(selection, statuses=selection.statuses | {Status.UNKNOWN}), since)

    return mock.patch.object(ledger.SqliteLedger, "retry", generous)


def a_corrected_file_sends_what_arrived() -> AbstractContextManager[object]:
    """Every row of a failed-rows file is sent again, also one that may have arrived."""
    stack = ExitStack()
    every = frozenset({Status.FAILED, Status.INVALID, Status.UNKNOWN, Status.NOT_DELIVERED})
    for module, name in ((corrections, "CORRECTABLE"), (retry, "CORRECTABLE"), (retry, "BY_FILE")):
        stack.enter_context(mock.patch.object(module, name, every))
    stack.enter_context(_sql(correct=("status IN ('failed', 'invalid')", "status NOT IN ('pending', 'sending')")))
    return stack


def duplicates_are_sent() -> AbstractContextManager[object]:
    """The second row of a pass is a row like any other."""
    stack = ExitStack()
    stack.enter_context(mock.patch.object(Repeated, "is_first", return_value=True))
    stack.enter_context(_sql(claimable=("THEN 'duplicate'", "AND 0 THEN 'duplicate'"), mark_duplicates=("WHERE", "WHERE 0 AND")))
    return stack


@contextmanager
def half_a_list_is_taken_for_whole() -> Iterator[None]:
    """A staging that was broken off is not begun again."""
    finish = connection.SQL["finish_staging"].replace("AND staging_runner = :staging_runner", "")

    async def taken(self: ledger.SqliteLedger, campaign: int) -> None:
        await self._writer.do(lambda db: db.execute(finish, {"campaign": campaign, "content_sha256": "", "near_ids": True}))

    with mock.patch.object(ledger.SqliteLedger, "abort_staging", taken):
        yield


def retries_are_not_opened() -> AbstractContextManager[object]:
    """Nobody knows any more what a killed retry has sent."""
    return _sql(open_retry=("retry_after = :after", "retry_after = NULL"))


def open_retries_send_again() -> AbstractContextManager[object]:
    """The rows of an open retry are not left, as the ledger does not look at what it has sent."""
    sent, in_doubt = "AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE", "AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE 0 AND"
    return _sql(retry=(sent, in_doubt), retry_rows=(sent, in_doubt), matching=(sent, in_doubt))


def stopped_retries_end() -> AbstractContextManager[object]:
    """A retry that is stopped ends, though rows of it are left."""
    return _sql(end_retry=("AND NOT EXISTS (SELECT 1 FROM rows WHERE", "AND NOT EXISTS (SELECT 1 FROM rows WHERE 0 AND"))


@contextmanager
def retries_end_before_they_send() -> Iterator[None]:
    """A retry ends as soon as its rows are pending."""
    again = ledger.SqliteLedger.retry

    async def ended(self: ledger.SqliteLedger, campaign: int, selection: Selection, since: int | None = None) -> int:
        count = await again(self, campaign, selection, since)
        await self.end_retry(campaign)
        return count

    with stopped_retries_end(), mock.patch.object(ledger.SqliteLedger, "retry", ended):
        yield


def the_same_retry_begins_anew() -> AbstractContextManager[object]:
    """A retry first ends the one before, of which nothing is left but its last step."""
    again = retry._again

    async def anew(work: Any, record: Any, *args: Any) -> Any:
        await work.ledger.end_retry(record.id)
        return await again(work, record, *args)

    return mock.patch.object(retry, "_again", anew)


@contextmanager
def selections_are_never_old() -> Iterator[None]:
    """A retry takes what another one has sent and ended since it selected its rows."""
    again, correct = ledger.SqliteLedger.retry, ledger.SqliteLedger.apply_corrections

    async def all_of(self: ledger.SqliteLedger, campaign: int, selection: Selection, since: int | None = None) -> int:
        del since
        return await again(self, campaign, selection)

    async def all_rows(self: ledger.SqliteLedger, *args: Any, since: int | None = None) -> int:
        del since
        return await correct(self, *args)

    with mock.patch.multiple(ledger.SqliteLedger, retry=all_of, apply_corrections=all_rows):
        yield


BUGS: Final[dict[str, Bug]] = {
    bug.__name__: bug
    for bug in (
        server_errors_are_sent_again,
        lost_answers_are_sent_again,
        rows_of_the_dead_are_sent_again,
        fences_are_ignored,
        commits_are_not_synced,
        leases_are_ignored,
        the_living_are_buried,
        no_quiet_period,
        readings_say_not_arrived,
        any_text_is_the_message,
        broken_off_was_not_written,
        twice_the_rate,
        sent_at_any_hour,
        a_cancel_is_not_heard,
        claims_are_written_after_the_send,
        slots_are_leased_again,
        other_texts_say_not_arrived,
        a_retry_takes_unknown_rows,
        a_corrected_file_sends_what_arrived,
        duplicates_are_sent,
        half_a_list_is_taken_for_whole,
        retries_are_not_opened,
        open_retries_send_again,
        stopped_retries_end,
        retries_end_before_they_send,
        the_same_retry_begins_anew,
        selections_are_never_old,
    )
}
