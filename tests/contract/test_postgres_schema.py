"""The ledger's tables in PostgreSQL: how they come to be, what they refuse, and who may use them."""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import psycopg
import pytest
from psycopg import errors

from campaign.domain.errors import LedgerPlaceError, LedgerVersionError, UsageError
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.domain.verdict import Resolution
from campaign.ledger.port import DesiredState
from campaign.ledger.postgres import PostgresLedger, PostgresReader
from campaign.ledger.postgres.connection import SQL, parse
from campaign.ledger.postgres.schema import SCHEMA_VERSION, prepare
from campaign.ledger.sql_loader import script
from tests.contract.given import campaign_of, ends, staged
from tests.contract.postgres_server import ASKED_FOR_A_PASSWORD, Server
from tests.errors import raises
from tests.transitions import reachable

ROLE = "campaign_runner"
OWED = {Status.PENDING: "due_at = 0, runner = NULL", Status.SENDING: "due_at = NULL, runner = 1"}


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    name = server.database()
    yield name
    server.drop(name)


class TestMaking:
    async def test_many_that_begin_at_once_make_one_ledger(self, server: Server, database: str) -> None:
        found = await asyncio.gather(*(asyncio.to_thread(prepare, parse(server.url(database))) for _ in range(6)))
        assert len(set(found)) == 1
        assert server.run("SELECT version FROM campaign.ledger", database=database) == [(SCHEMA_VERSION,)]

    def test_a_connection_that_is_killed_while_it_is_made_is_made_anew(self, server: Server, database: str) -> None:
        before = psycopg.connect(server.url(database))
        before.execute("SELECT pg_advisory_xact_lock(1128353104, -1)")
        with ThreadPoolExecutor() as pool:
            making = pool.submit(prepare, parse(server.url(database)))
            while server.run(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'") != [(1,)]:
                time.sleep(0.01)
            server.terminate(database)
            before.close()
        assert making.result() == str(server.run("SELECT identity FROM campaign.ledger", database=database)[0][0])

    def test_a_newer_ledger_is_left_alone(self, server: Server, database: str) -> None:
        prepare(parse(server.url(database)))
        server.run(f"UPDATE campaign.ledger SET version = {SCHEMA_VERSION + 1}", database=database)
        with raises(LedgerVersionError, "ledger_newer"):
            PostgresReader(server.url(database))

    def test_a_schema_of_another_program_is_left_alone(self, server: Server, database: str) -> None:
        server.run("CREATE SCHEMA campaign", database=database)
        with raises(LedgerPlaceError, "not_a_ledger"):
            PostgresLedger(server.url(database))

    def test_another_encoding_is_refused(self, server: Server, database: str) -> None:
        server.run(f"CREATE DATABASE {database}_latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        with raises(LedgerPlaceError, "ledger_encoding"):
            PostgresReader(server.url(f"{database}_latin"))
        server.drop(f"{database}_latin")

    def test_every_step_between_versions_is_there(self) -> None:
        files = {file.name for file in resources.files("campaign.ledger").joinpath("sql").iterdir()}
        assert {f"postgres_to_{version}.sql" for version in range(2, SCHEMA_VERSION + 1)} <= files

    def test_a_database_that_is_not_there_is_told_at_once(self, server: Server) -> None:
        with raises(LedgerPlaceError, "ledger_unreachable"):
            PostgresReader(server.url("nowhere"))


class TestRefusals:
    def test_a_row_changes_only_as_drawn(self, full: "psycopg.Connection[tuple[object, ...]]") -> None:
        for before, after in itertools.product(Status, repeat=2):
            full.execute("SAVEPOINT one")
            full.execute(f"UPDATE campaign.rows SET status = '{before}', {OWED.get(before, 'due_at = NULL, runner = NULL')}".encode())
            full.execute("ALTER TABLE campaign.rows ENABLE TRIGGER rows_follow_transitions")
            change = f"UPDATE campaign.rows SET status = '{after}', {OWED.get(after, 'due_at = NULL, runner = NULL')}".encode()
            if after is before or after in reachable(before):
                full.execute(change)
            else:
                with pytest.raises(errors.IntegrityConstraintViolation, match="can not change like this"):
                    full.execute(change)
            full.execute("ROLLBACK TO one")

    @pytest.fixture
    def full(self, server: Server, database: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
        """One row, which may at first be changed in any way."""
        prepare(parse(server.url(database)))
        with psycopg.connect(server.url(database)) as connection:
            connection.execute(
                "INSERT INTO campaign.rows (campaign, row, pass_id, pass_key, message, cells, status, due_at) "
                "VALUES (1, 1, 'a', 'a', 'Hi', '[]', 'pending', 0)"
            )
            connection.execute("ALTER TABLE campaign.rows DISABLE TRIGGER rows_follow_transitions")
            yield connection
            connection.rollback()

    @pytest.mark.parametrize(
        "change", ["status = 'sending'", "runner = 1", "due_at = NULL", "pass_id = ''", "message = ''", "status = 'odd'", "row = 0"]
    )
    def test_what_can_not_be_is_refused(self, full: "psycopg.Connection[tuple[object, ...]]", change: str) -> None:
        with pytest.raises(errors.CheckViolation):
            full.execute(f"UPDATE campaign.rows SET {change}".encode())

    async def test_an_exported_campaign_can_not_be_made_to_go(self, server: Server, database: str) -> None:
        ledger = PostgresLedger(server.url(database))
        record = await campaign_of(ledger, staged(1))
        await ledger.set_desired_state(record.id, DesiredState.PAUSED)
        await ledger.close()
        exported = f"INSERT INTO campaign.exported (campaign, exported_at, file, previous_state) VALUES ({record.id}, 0, 'file', 'go')"
        server.run(exported, database=database)
        with pytest.raises(errors.IntegrityConstraintViolation, match="sent from elsewhere"):
            server.run("UPDATE campaign.campaigns SET desired_state = 'go'", database=database)


class TestRole:
    @pytest.fixture
    def url(self, server: Server, database: str) -> Iterator[str]:
        """A ledger that somebody may use who has no other right."""
        prepare(parse(server.url(database)))
        # As psql would put the name in.
        server.run(re.sub(r':"role"', ROLE, script("postgres_role.sql")), database=database)
        server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN PASSWORD 'S3cret' IN ROLE {ROLE}")
        yield server.url(database, user=f"{ASKED_FOR_A_PASSWORD}:S3cret")
        server.run(f"DROP OWNED BY {ROLE}", database=database)
        server.run(f"DROP ROLE {ASKED_FOR_A_PASSWORD}; DROP ROLE {ROLE}")

    async def test_it_can_do_all_that_a_campaign_takes(self, url: str) -> None:
        ledger, reader = PostgresLedger(url), PostgresReader(url)
        record = await campaign_of(ledger, *(staged(row) for row in range(1, 9)))
        await ledger.exclude(record.id, ["pass-8"])
        assert await ledger.apply_exclusions(record.id) == 1
        await ledger.move_here()
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        assert await ledger.heartbeat(runner, "sending")
        assert (await ledger.reserve_slots("token", rate_per_second=9, want=1)).count == 1
        one, two, three, four = await ledger.claim(runner, 4)
        await ledger.settle(runner, [ends(one, Status.DELIVERED), ends(two, Status.UNKNOWN), ends(three, Status.FAILED)])
        await ledger.release(runner, [four])
        (unverified,) = await ledger.claim_unverified(record.id, 9)
        assert await ledger.record_verification(unverified, Resolution(status=Status.ACCEPTED), again_in_seconds=None)
        assert await ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED}))) == 1
        await ledger.set_desired_state(record.id, DesiredState.PAUSED)
        await ledger.deregister_runner(runner, "paused")
        assert await ledger.reap_dead_runners(quiet_seconds=0) == 0
        other = await campaign_of(ledger, staged(1), name="other")
        assert await ledger.delete_if_unsent(other.id)
        statuses = [row.outcome.status.value for row in reader.rows(record.id)]
        assert statuses == ["delivered", "accepted", *["pending"] * 5, "skipped"]
        await ledger.close()
        reader.close()

    def test_it_can_do_nothing_else(self, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for sql in (
                "DROP TABLE campaign.rows",
                "CREATE TABLE campaign.mine (a integer)",
                "ALTER TABLE campaign.rows DISABLE TRIGGER rows_follow_transitions",
                "UPDATE campaign.ledger SET version = 9",
                "DELETE FROM campaign.runners",
                "TRUNCATE campaign.rows",
                "DELETE FROM campaign.purged",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(sql.encode())

    def test_who_may_not_make_a_ledger_is_told(self, url: str, server: Server) -> None:
        empty = server.database()
        with raises(LedgerPlaceError, "ledger_not_owned"):
            PostgresReader(server.url(empty, user=f"{ASKED_FOR_A_PASSWORD}:S3cret"))
        server.drop(empty)
        del url

    @pytest.mark.parametrize("given", ["Wr0ng", ""])
    def test_a_wrong_password_is_told_and_never_repeated(self, url: str, given: str) -> None:
        with raises(LedgerPlaceError, "ledger_unreachable") as raised:
            PostgresReader(url.replace("S3cret", given))
        chain = [raised.value, raised.value.__cause__, raised.value.__context__]
        assert given == "" or not any(given in f"{error!r} {error}" for error in chain)

    async def test_the_password_is_in_nothing_that_is_said_or_kept(self, url: str, server: Server, database: str) -> None:
        ledger = PostgresLedger(url)
        await campaign_of(ledger, staged(1))
        seen = server.run("SELECT application_name, query, usename FROM pg_stat_activity")
        tables = [server.run(f"SELECT * FROM campaign.{name}", database=database) for name in ("campaigns", "runners", "writers", "ledger")]
        await ledger.close()
        assert "S3cret" not in f"{seen} {tables} {ledger._address!r} {vars(ledger)!r} {parse(url).name}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:p@ss@host/db",
        "postgresql://anna:pa/ss@host/db",
        "postgresql://anna:pa#ss@host:54x/db",
        "postgresql://anna:sesame@host/db?nonsense=1",
        "postgresql://anna:sesame@[::1/db",
    ],
)
def test_a_url_that_can_not_be_read_is_told_without_any_part_of_it(url: str) -> None:
    with raises(UsageError, "bad_ledger_url", option="--ledger") as raised:
        parse(url)
    assert not any(part in str(raised.value) for part in ("anna", "ss@", "sesame", "pa#", "54x", "nonsense"))
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://anna:p%40ss@db.example:5433/campaigns?sslmode=verify-full", "postgresql://db.example:5433/campaigns"),
        ("postgres://anna@one,two:5432,5433/campaigns?target_session_attrs=read-write", "postgresql://one,two:5432,5433/campaigns"),
        ("postgresql://anna:secret@/campaigns?host=/run/postgresql", "postgresql:///campaigns?host=/run/postgresql"),
    ],
)
def test_an_address_is_named_without_who_and_how(url: str, name: str) -> None:
    address = parse(url)
    assert (address.name, repr(address)) == (name, f"Address({name})")
    if "sslmode" in url:
        assert (address.given["password"], address.given["sslmode"]) == ("p@ss", "verify-full")


def test_no_statement_relies_on_a_session() -> None:
    """A pooler may give each transaction another connection."""
    everything = " ".join(SQL.values()).upper()
    words = ("PREPARE ", "LISTEN", "PG_ADVISORY_LOCK", "TEMP ", "TEMPORARY", "DECLARE ", "CURRVAL", "LASTVAL", "SET SESSION", "DISCARD")
    assert [word for word in words if word in everything] == []
    assert re.findall(r"\bSET (?!LOCAL)[A-Z_]+ = ", SQL["begin"]) == []
