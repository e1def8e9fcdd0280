"""What is PostgreSQL's own about a ledger's rows and runners."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import psycopg
import pytest

from campaign.domain.errors import LedgerError
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.domain.verdict import Latest, PassReading, Resolution
from campaign.ledger.port import ClaimFilter
from campaign.ledger.postgres import PostgresLedger, PostgresReader
from campaign.ledger.postgres.base import lock_dir
from campaign.ledger.postgres.connection import SQL
from tests.contract.given import campaign_of, ends, staged
from tests.contract.postgres_server import Server
from tests.errors import raises


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    name = server.database()
    yield name
    server.drop(name)


@pytest.fixture
async def ledger(server: Server, database: str) -> AsyncIterator[PostgresLedger]:
    ledger = PostgresLedger(server.url(database))
    yield ledger
    await ledger.close()


@pytest.fixture
def reader(server: Server, database: str, ledger: PostgresLedger) -> Iterator[PostgresReader]:
    del ledger  # made first, so that there is a store to read
    reader = PostgresReader(server.url(database))
    yield reader
    reader.close()


async def test_a_character_that_the_database_can_not_hold_stops_nothing(ledger: PostgresLedger, reader: PostgresReader) -> None:
    odd = replace(staged(1, "a\0b", status=Status.INVALID, message="\0"), cells=("a\0b", "x"))
    record = await campaign_of(ledger, odd, staged(2), staged(3))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    one, two = await ledger.claim(runner, 2)
    await ledger.record_baseline(runner, two, PassReading(latest=Latest.TEXT, text="Old\0"))
    settled = ends(one, Status.FAILED, reason="http_422")
    answer = replace(settled.outcome, error="no\0thing", notification_status="o\0dd", notification_message="\0")
    assert await ledger.settle(runner, [replace(settled, outcome=answer), ends(two, Status.UNKNOWN)]) == []
    first, second, _ = reader.rows(record.id)
    assert (first.cells, first.pass_id) == (("a\0b", "x"), "a\ufffdb"), "cells come back as they were"
    told = second.outcome
    assert (told.error, told.notification_status, told.notification_message) == ("no\ufffdthing", "o\ufffddd", "\ufffd")
    (unverified,) = await ledger.claim_unverified(record.id, 1)
    assert unverified.last_before == "Old\ufffd"


async def test_a_staged_list_is_analyzed(ledger: PostgresLedger, server: Server, database: str) -> None:
    await campaign_of(ledger, *(staged(row) for row in range(1, 501)))
    assert server.run("SELECT reltuples FROM pg_class WHERE oid = 'campaign.rows'::regclass", database=database) == [(500.0,)]


async def test_a_runner_of_another_boot_lives_until_its_lease_is_over_whatever_its_lock_says(
    ledger: PostgresLedger, reader: PostgresReader, server: Server, database: str
) -> None:
    """In a folder that several machines share, a lock that another machine holds may seem to be free."""
    record = await campaign_of(ledger, staged(1))
    far = PostgresLedger(server.url(database))
    runner = await far.register_runner(record.id, quiet_seconds=0)
    await far.claim(runner, 1)
    await far.close()
    server.run("UPDATE campaign.runners SET boot = 'another' WHERE ended_at = 0", database=database)
    assert await ledger.reap_dead_runners(quiet_seconds=0) == 0
    assert [found.alive for found in reader.runners(record.id)] == [True, False]
    server.run("UPDATE campaign.runners SET lease_until = campaign.ledger_now() - 1 WHERE ended_at = 0", database=database)
    assert await ledger.reap_dead_runners(quiet_seconds=0) == 1


async def test_where_no_lock_can_be_had_the_lease_alone_counts(
    ledger: PostgresLedger, reader: PostgresReader, server: Server, database: str
) -> None:
    ((identity,),) = server.run("SELECT identity::text FROM campaign.ledger", database=database)
    folder = lock_dir(identity)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("not a folder", encoding="ascii")
    record = await campaign_of(ledger, staged(1))
    doomed = PostgresLedger(server.url(database))
    await doomed.claim(await doomed.register_runner(record.id, quiet_seconds=0), 1)
    await doomed.close()
    assert await ledger.reap_dead_runners(quiet_seconds=0) == 0
    server.run("UPDATE campaign.runners SET lease_until = campaign.ledger_now() - 1 WHERE ended_at = 0", database=database)
    assert await ledger.reap_dead_runners(quiet_seconds=0) == 1
    assert reader.counts(record.id).by_status[Status.UNKNOWN] == 1


async def test_of_two_ends_of_one_claim_the_first_counts(ledger: PostgresLedger, reader: PostgresReader) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    (claim,) = await ledger.claim(runner, 1)
    assert await ledger.settle(runner, [ends(claim, Status.DELIVERED), ends(claim, Status.FAILED)]) == [claim]
    assert [made.status for made in reader.attempt_columns(record.id)] == [("delivered",)]


async def test_a_claim_outlives_a_crash_of_a_server_that_is_not_careful(server: Server, database: str) -> None:
    server.run(f"ALTER DATABASE {database} SET synchronous_commit = off")
    ledger = PostgresLedger(server.url(database))
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    await ledger.claim(runner, 1)
    server.stop(signal.SIGQUIT)
    server.start()
    reader = PostgresReader(server.url(database))
    assert reader.counts(record.id).by_status[Status.SENDING] == 1
    reader.close()
    await ledger.close()


async def test_a_run_stops_that_a_dump_is_restored_under(ledger: PostgresLedger, server: Server, database: str) -> None:
    record = await campaign_of(ledger, staged(1))
    await ledger.move_here()
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    dump = server.dump(database)
    (claim,) = await ledger.claim(runner, 1)
    await ledger.settle(runner, [ends(claim, Status.DELIVERED)])
    server.restore(dump, database)
    with raises(LedgerError, "ledger_went_back"):
        await ledger.claim(runner, 1)


async def test_times_are_exact_whatever_the_database_rounds(server: Server, database: str) -> None:
    server.run(f"ALTER DATABASE {database} SET extra_float_digits = 0")
    ledger = PostgresLedger(server.url(database))
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    assert [(await ledger.reserve_slots("token", rate_per_second=1e6, want=1)).count for _ in range(2)] == [1, 1]
    (claim,) = await ledger.claim(runner, 1)
    await ledger.settle(runner, [ends(claim, Status.UNKNOWN)])
    (unverified,) = await ledger.claim_unverified(record.id, 1)
    assert await ledger.record_verification(unverified, Resolution(status=Status.ACCEPTED), again_in_seconds=None)
    await ledger.close()


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_what_was_claimed_while_a_claim_waited_is_seen_whatever_isolation_the_database_is_set_to(
    server: Server, database: str, isolation: str
) -> None:
    server.run(f"ALTER DATABASE {database} SET default_transaction_isolation = '{isolation}'")
    ledgers = [PostgresLedger(server.url(database)) for _ in range(2)]
    records = [await campaign_of(ledger, staged(1, "one-pass"), name=name) for ledger, name in zip(ledgers, ("a", "b"), strict=True)]
    runners = [await ledger.register_runner(record.id, quiet_seconds=0) for ledger, record in zip(ledgers, records, strict=True)]
    with psycopg.connect(server.url(database)) as other:
        other.execute(SQL["lock_claims"].encode())
        claims = [asyncio.create_task(ledger.claim(runner, 1)) for ledger, runner in zip(ledgers, runners, strict=True)]
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while server.run(waiting, database=database) != [(2,)]:  # noqa: ASYNC110 - the server does not tell
            await asyncio.sleep(0.01)
    assert sum(len(claimed) for claimed in await asyncio.gather(*claims)) == 1, "one message to a pass is under way at a time"
    for ledger in ledgers:
        await ledger.close()


async def test_what_another_has_sent_while_a_retry_waited_is_left(server: Server, database: str, reader: PostgresReader) -> None:
    slow, fast = (PostgresLedger(server.url(database)) for _ in range(2))
    record = await campaign_of(slow, staged(1), staged(2))
    runner = await fast.register_runner(record.id, quiet_seconds=0)
    await fast.settle(runner, [ends(claim, Status.NOT_DELIVERED) for claim in await fast.claim(runner, 2)])
    chosen = Selection(statuses=frozenset({Status.NOT_DELIVERED}))
    selected = reader.last_attempt(record.id)

    async def another() -> int:
        taken = await fast.apply_corrections(record.id, [], [2], chosen.statuses, selected)
        await fast.settle(runner, [ends(claim, Status.NOT_DELIVERED) for claim in await fast.claim(runner, 2, ClaimFilter(only=(2,)))])
        return taken

    async def until_waiting(count: int, *, unless: "asyncio.Task[int]") -> None:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while server.run(waiting, database=database) != [(count,)] and not unless.done():  # noqa: ASYNC110 - the server does not tell
            await asyncio.sleep(0.01)

    with psycopg.connect(server.url(database)) as other:
        other.execute("SELECT * FROM campaign.rows WHERE row = 1 FOR UPDATE")
        waits = asyncio.create_task(slow.retry(record.id, chosen, selected))
        await until_waiting(1, unless=waits)
        overtakes = asyncio.create_task(another())
        await until_waiting(2, unless=overtakes)
    assert await waits + await overtakes == 2
    for ledger in (slow, fast):
        await ledger.close()
