"""Whatever becomes of a connection: what was asked of the ledger is done once and told, or not done at all."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace

import psycopg
import pytest

from campaign.domain.errors import LedgerError
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.domain.verdict import Resolution
from campaign.ledger.clock import LEASE_SECONDS
from campaign.ledger.port import DesiredState, Runner
from campaign.ledger.postgres import PostgresLedger, PostgresReader, connection, writer
from campaign.ledger.postgres import reader as reading
from campaign.ledger.postgres.connection import LostError
from campaign.sender.lease_keeper import HEARTBEAT_SECONDS, MARGIN_SECONDS
from tests.contract.given import campaign_of, ends, spec, staged
from tests.contract.postgres_server import Server
from tests.contract.proxy import Fate, Proxy
from tests.errors import raises

ROWS = 60


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    name = server.database()
    yield name
    server.drop(name)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.socket) as proxy:
        yield proxy


@pytest.fixture
async def ledger(proxy: Proxy, database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostgresLedger]:
    """Behind the proxy, with a server that is soon tired of a client that says nothing."""
    monkeypatch.setattr(writer, "IDLE_SECONDS", 0.6)
    ledger = PostgresLedger(proxy.url(database))
    yield ledger
    await ledger.close()


@pytest.fixture
def reader(server: Server, database: str, ledger: PostgresLedger) -> Iterator[PostgresReader]:
    del ledger  # made first, so that there is a store to read
    reader = PostgresReader(server.url(database))
    yield reader
    reader.close()


def attempts(reader: PostgresReader, campaign: int) -> Counter[int]:
    return Counter(row for made in reader.attempt_columns(campaign) for row in made.row)


@pytest.mark.parametrize("fate", Fate)
class TestACommitWhoseAnswerIsLost:
    async def test_staging_adds_no_row_twice(self, ledger: PostgresLedger, reader: PostgresReader, proxy: Proxy, fate: Fate) -> None:
        proxy.strike_next(fate)
        record = await ledger.create(spec())
        assert proxy.struck.is_set()
        assert [found.id for found in reader.campaigns()] == [record.id]
        proxy.strike_next(fate)
        await ledger.stage(record.id, [staged(row) for row in range(1, ROWS + 1)])
        proxy.strike_next(fate)
        await ledger.finish_staging(record.id, content_sha256="c")
        assert proxy.has_struck()
        assert [row.row for row in reader.rows(record.id)] == list(range(1, ROWS + 1))
        assert reader.pending_work(record.id).desired_state is DesiredState.GO

    async def test_a_claim_is_neither_lost_nor_doubled(
        self, ledger: PostgresLedger, reader: PostgresReader, proxy: Proxy, fate: Fate
    ) -> None:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, ROWS + 1)))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        proxy.strike_next(fate)
        claims = await ledger.claim(runner, 20)
        assert proxy.has_struck()
        assert [(claim.row, claim.fencing_token) for claim in claims] == [(row, 1) for row in range(1, 21)]
        assert reader.counts(record.id).by_status[Status.SENDING] == 20
        proxy.strike_next(fate)
        assert await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in claims]) == []
        assert proxy.has_struck()
        assert reader.counts(record.id).by_status[Status.DELIVERED] == 20
        assert attempts(reader, record.id) == dict.fromkeys(range(1, 21), 1)

    async def test_every_other_change_is_made_once_and_told(
        self, ledger: PostgresLedger, reader: PostgresReader, proxy: Proxy, fate: Fate
    ) -> None:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, 5)))

        async def struck(asked: Awaitable[object]) -> object:
            proxy.strike_next(fate)
            answer = await asked
            assert proxy.has_struck()
            return answer

        runner = await struck(ledger.register_runner(record.id, quiet_seconds=0))
        assert isinstance(runner, Runner)
        one, two, three, four = await ledger.claim(runner, 4)
        await struck(ledger.release(runner, [four]))
        await ledger.settle(runner, [ends(one, Status.UNKNOWN), ends(two, Status.FAILED)])
        (unverified,) = await ledger.claim_unverified(record.id, 9)
        assert await struck(ledger.record_verification(unverified, Resolution(status=Status.ACCEPTED), again_in_seconds=None)) is True
        assert await struck(ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED})))) == 1
        await struck(ledger.deregister_runner(runner, "interrupted"))
        assert [row.outcome.status.value for row in reader.rows(record.id)] == ["accepted", "pending", "unknown", "pending"]
        assert attempts(reader, record.id) == {1: 1, 2: 1, three.row: 1}
        (made,) = [found for found in reader.runners(record.id) if found.id == runner.id]
        assert (made.ended, made.rows_left, made.alive) == ("interrupted", 3, False)


@pytest.mark.parametrize("cuts", [True, False], ids=["directly", "behind_a_pooler"])
async def test_a_server_that_took_over_without_the_last_commits_is_not_sent_from(server: Server, database: str, *, cuts: bool) -> None:
    ledger = PostgresLedger(server.url(database))
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 5)))
    await ledger.move_here()
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    await ledger.claim(runner, 1)
    server.run("CREATE TABLE kept AS SELECT id, done FROM campaign.writers", database=database)
    server.terminate(database)
    (claim,) = await ledger.claim(runner, 1)
    # As after a takeover: the last transactions never were.
    server.run(
        "UPDATE campaign.writers AS w SET done = k.done FROM kept AS k WHERE k.id = w.id;"
        f"UPDATE campaign.rows SET status = 'pending', runner = NULL, due_at = 0 WHERE row = {claim.row}",
        database=database,
    )
    other = PostgresLedger(server.url(database))
    another = await other.register_runner(record.id, quiet_seconds=0)
    if cuts:
        server.terminate(database)
    for _ in range(2):
        with raises(LedgerError, "ledger_went_back"):
            await ledger.claim(runner, 1)
    with raises(LedgerError, "ledger_restored"):
        await other.claim(another, 1)
    reader = PostgresReader(server.url(database))
    assert reader.displaced() is not None
    await other.move_here()
    assert reader.displaced() is None
    assert [found.row for found in await other.claim(another, 1)] == [claim.row]
    reader.close()
    for one in (ledger, other):
        await one.close()


async def worked_off(ledger: PostgresLedger, campaign: int, taken: Counter[int], *, pause_seconds: float = 0.0) -> None:
    """Claim and settle until nothing is left, as a sender does."""
    runner = await ledger.register_runner(campaign, quiet_seconds=0)
    while claims := await ledger.claim(runner, 3):
        taken.update(claim.row for claim in claims)
        await asyncio.sleep(pause_seconds)
        assert await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in claims]) == []
    await ledger.deregister_runner(runner, "finished")


async def disturbed(server: Server, database: str, disturb: Callable[[], object], *, times: int) -> None:
    """Three ledgers work a campaign off while something happens again and again; each row is claimed once, and settled once."""
    ledgers = [PostgresLedger(server.url(database)) for _ in range(3)]
    record = await campaign_of(ledgers[0], *(staged(row) for row in range(1, 201)))
    taken: Counter[int] = Counter()
    happened = 0
    async with asyncio.TaskGroup() as group:
        work = [group.create_task(worked_off(ledger, record.id, taken, pause_seconds=0.01)) for ledger in ledgers]
        while not all(task.done() for task in work):
            if happened < times:
                await asyncio.to_thread(disturb)
                happened += 1
            await asyncio.sleep(0.05)
    assert happened == times
    reader = PostgresReader(server.url(database))
    assert set(taken.values()) == {1}
    assert reader.counts(record.id).by_status[Status.DELIVERED] == 200
    assert attempts(reader, record.id) == dict.fromkeys(range(1, 201), 1)
    for one in ledgers:
        await one.close()
    reader.close()


async def test_connections_that_are_terminated_again_and_again(server: Server, database: str) -> None:
    def terminate() -> None:
        server.terminate(database)

    await disturbed(server, database, terminate, times=8)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
async def test_a_server_that_is_started_again(server: Server, database: str, how: signal.Signals) -> None:
    def restart() -> None:
        server.stop(how)
        server.start()

    await disturbed(server, database, restart, times=3)


async def test_a_reader_is_there_again_after_the_server_is(server: Server, database: str) -> None:
    ledger, reader = PostgresLedger(server.url(database)), PostgresReader(server.url(database))
    record = await campaign_of(ledger, staged(1), staged(2))
    assert reader.counts(record.id).rows == 2
    server.stop()
    server.start()
    assert reader.counts(record.id).rows == 2
    assert len(list(reader.rows(record.id))) == 2
    await ledger.close()
    reader.close()


async def test_a_database_that_stays_away_is_told_in_a_sentence_and_nothing_is_done(
    ledger: PostgresLedger, reader: PostgresReader, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    for each in (ledger._writer, ledger._quick):
        monkeypatch.setattr(each, "_trying_seconds", 0.3)
    monkeypatch.setattr(connection.Connection, "patience_seconds", 0.2)
    monkeypatch.setattr(connection.Session.connected, "__kwdefaults__", {"patience_seconds": 0.2})
    with proxy.cut():
        ledger._address.given["connect_timeout"] = 2
        with raises(LedgerError, "ledger_unreachable") as raised:
            await ledger.claim(runner, 1)
        assert "postgres@" not in str(raised.value)
    await asyncio.sleep(0.8)  # what the server still had to end
    assert reader.counts(record.id).by_status[Status.PENDING] == 1
    monkeypatch.undo()
    assert [claim.row for claim in await ledger.claim(runner, 1)] == [1]


async def test_an_administrators_limit_does_not_hide_how_a_commit_ended(
    server: Server, database: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question waits for the old transaction, and is given up before that has ended."""
    monkeypatch.setattr(writer, "IDLE_SECONDS", 1.5)
    PostgresReader(server.url(database)).close()
    server.run(f"ALTER DATABASE {database} SET statement_timeout = '700ms'")
    ledger = PostgresLedger(proxy.url(database))
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 4)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    proxy.strike_next(Fate.IS_LOST_AND_THE_SERVER_DOES_NOT_NOTICE)
    assert [claim.row for claim in await ledger.claim(runner, 2)] == [1, 2]
    assert await ledger.heartbeat(runner, "sending") is True
    await ledger.close()


async def test_a_commit_that_stays_unknown_is_told_as_that_and_the_row_is_not_lost(
    ledger: PostgresLedger, reader: PostgresReader, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    await ledger.claim(replace(runner, id=-1), 1)
    monkeypatch.setattr(ledger._quick, "_trying_seconds", 0.2)
    proxy.strike_next(Fate.ARRIVES_AND_ITS_ANSWER_IS_LOST)
    monkeypatch.setattr(connection, "connect", _refuse)
    with raises(LedgerError, "end_unknown"):
        await ledger.claim(runner, 1)
    monkeypatch.undo()
    del server
    assert reader.counts(record.id).by_status[Status.SENDING] == 1
    await ledger.deregister_runner(runner, "interrupted")
    assert reader.counts(record.id).reasons(Status.UNKNOWN) == {"lost": 1}


def _refuse(where: connection.Address) -> connection.Connection:
    raise LostError(f"{where.name} is far away")


async def test_who_is_cut_off_or_frozen_within_a_claim_keeps_nobody_waiting(
    ledger: PostgresLedger, server: Server, database: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 5)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    other = PostgresLedger(server.url(database))
    theirs = await other.register_runner(record.id, quiet_seconds=0)
    assert [await one.heartbeat(runner, "sending") for one in (ledger, other)] == [True, True]
    with monkeypatch.context() as away:
        away.setattr(connection, "connect", _refuse)
        proxy.strike_next(Fate.IS_LOST_AND_THE_SERVER_DOES_NOT_NOTICE)
        claiming = asyncio.ensure_future(ledger.claim(runner, 2))
        assert await asyncio.to_thread(proxy.struck.wait, 5)
        async with asyncio.timeout(30):
            assert [claim.row for claim in await other.claim(theirs, 2)] == [1, 2]
    assert [claim.row for claim in await claiming] == [3, 4]
    await other.close()


async def test_one_that_is_refused_does_no_harm_to_those_written_with_it(ledger: PostgresLedger, reader: PostgresReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 11)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    claims = await ledger.claim(runner, 10)
    # A status that the table refuses.
    bad = replace(ends(claims[0], Status.DELIVERED), outcome=replace(ends(claims[0], Status.DELIVERED).outcome, http_status=10**12))
    answers = await asyncio.gather(
        *(ledger.settle(runner, [ends(claim, Status.DELIVERED)]) for claim in claims[1:5]),
        ledger.settle(runner, [bad]),
        *(ledger.settle(runner, [ends(claim, Status.DELIVERED)]) for claim in claims[5:]),
        return_exceptions=True,
    )
    assert [isinstance(answer, LedgerError) for answer in answers] == [False] * 4 + [True] + [False] * 5
    counts = reader.counts(record.id)
    assert (counts.by_status[Status.DELIVERED], counts.by_status[Status.SENDING]) == (9, 1)


async def test_who_waits_for_others_for_too_long_is_told_that_and_keeps_his_connection(
    ledger: PostgresLedger, server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await campaign_of(ledger, staged(1))
    monkeypatch.setattr(ledger._writer, "_trying_seconds", 0.5)
    with psycopg.connect(server.url(database)) as other:
        other.execute("SELECT * FROM campaign.campaigns FOR UPDATE")
        with raises(LedgerError, "ledger_busy"):
            await ledger.set_desired_state(record.id, DesiredState.PAUSED)
    before = ledger._writer._session.raw
    await ledger.set_desired_state(record.id, DesiredState.PAUSED)
    assert ledger._writer._session.raw is before


async def test_a_closed_ledger_leaves_nothing_of_its_connections(server: Server, database: str) -> None:
    ledger = PostgresLedger(server.url(database))
    await campaign_of(ledger, staged(1))
    await ledger.close()
    assert server.run("SELECT count(*) FROM campaign.writers", database=database) == [(0,)]


def test_who_can_not_renew_gives_up_while_he_may_still_be_sure() -> None:
    longest = (
        writer.TRYING_TO_RENEW_SECONDS + writer.LONGEST_WAIT_SECONDS + connection.DEFAULTS["connect_timeout"] + connection.PATIENCE_SECONDS
    )
    assert longest < LEASE_SECONDS - MARGIN_SECONDS - HEARTBEAT_SECONDS
    assert connection.IDLE_SECONDS < connection.PATIENCE_SECONDS
    assert longest > reading.TRYING_TO_READ_SECONDS
