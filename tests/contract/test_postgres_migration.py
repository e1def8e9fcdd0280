"""A PostgreSQL ledger of an earlier version is brought to this one with all that stands in it, and whoever could use it still can."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from campaign.domain.errors import LedgerPlaceError
from campaign.domain.status import Status
from campaign.ledger.postgres import PostgresLedger, PostgresReader
from campaign.ledger.postgres.connection import parse
from campaign.ledger.postgres.schema import SCHEMA_VERSION, prepare
from tests.contract.given import UPGRADED, campaign_of, staged
from tests.contract.postgres_server import ASKED_FOR_A_PASSWORD, Server
from tests.errors import raises

OLD = Path(__file__).parent / "data"
ROLE = "old_campaign_runner"
SHAPE = """
SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns WHERE table_schema = 'campaign'
UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '' FROM pg_constraint
WHERE connamespace = 'campaign'::regnamespace AND contype <> 'n'
UNION ALL SELECT tablename, indexname, indexdef, '', '' FROM pg_indexes WHERE schemaname = 'campaign'
ORDER BY 1, 2, 3
"""


@pytest.fixture
def databases(server: Server) -> Iterator[tuple[str, str]]:
    names = server.database(), server.database()
    yield names
    for name in names:
        server.drop(name)


def old_ledger(server: Server, database: str, version: int) -> None:
    """A ledger as that version made it, with a campaign of two rows."""
    server.run((OLD / f"postgres-{version}.sql").read_text(encoding="utf-8"), database=database)
    control = "desired_state" if version > 5 else "control"
    server.run(
        f"INSERT INTO campaign.campaigns (name, list_name, list_sha256, message_sha256, columns, id_column, settings, {control}, rows,"
        """ created_at) VALUES ('old', 'old.csv', 'a', 'b', '["id"]', 'id', '{"rate": "9"}', 'go', 2, 5.0);"""
        "INSERT INTO campaign.rows (campaign, row, pass_id, pass_key, message, cells, status, due_at)"
        " VALUES (1, 1, 'p1', 'p1', 'Hi', '[]', 'delivered', NULL), (1, 2, 'p2', 'p2', 'Hi', '[]', 'pending', 0)",
        database=database,
    )


def grants_of_old(version: int = 3) -> str:
    """The rights of that version, which the two before 3 have, too, as psql would put the name in."""
    return (OLD / f"role-of-postgres-{max(version, 3)}.sql").read_text(encoding="utf-8").replace(':"role"', ROLE)


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
async def test_an_old_ledger_becomes_as_a_new_one_and_keeps_its_rows(server: Server, databases: tuple[str, str], version: int) -> None:
    old, new = databases
    old_ledger(server, old, version)
    server.run(grants_of_old(version), database=old)
    server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN PASSWORD 'S3cret' IN ROLE {ROLE}")
    try:
        for database in databases:
            prepare(parse(server.url(database)))
        assert server.run("SELECT version FROM campaign.ledger", database=old) == [(SCHEMA_VERSION,)]
        assert server.run(SHAPE, database=old) == server.run(SHAPE, database=new)
        url = server.url(old, user=f"{ASKED_FOR_A_PASSWORD}:S3cret")
        ledger, reader = PostgresLedger(url), PostgresReader(url)
        record = reader.campaign("old")
        assert record is not None
        assert [row.outcome.status for row in reader.rows(record.id)] == [Status.DELIVERED, Status.PENDING]
        runner = await ledger.register_runner(record.id, quiet_seconds=0, account="token")
        assert [claim.row for claim in await ledger.claim(runner, 9)] == [2]
        await ledger.throttle("token", retry_after_seconds=1.0)
        await ledger.move_here()
        assert reader.displaced() is None
        await ledger.close()
        reader.close()
    finally:
        server.run(f"DROP OWNED BY {ROLE}", database=old)
        server.run(f"DROP ROLE {ASKED_FOR_A_PASSWORD}; DROP ROLE {ROLE}")


@pytest.mark.parametrize("version", [0, 1])
def test_who_may_not_change_the_tables_is_told_what_their_owner_has_to_do(server: Server, databases: tuple[str, str], version: int) -> None:
    [database, _] = databases
    if version:
        old_ledger(server, database, version)
        server.run(
            f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN PASSWORD 'S3cret'; GRANT USAGE ON SCHEMA campaign TO {ASKED_FOR_A_PASSWORD};"
            f"GRANT SELECT ON ALL TABLES IN SCHEMA campaign TO {ASKED_FOR_A_PASSWORD}",
            database=database,
        )
    else:
        server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN PASSWORD 'S3cret'")
    try:
        with raises(LedgerPlaceError, "ledger_not_owned") as refused:
            prepare(parse(server.url(database, user=f"{ASKED_FOR_A_PASSWORD}:S3cret")))
        assert "S3cret" not in str(refused.value)
    finally:
        server.run(f"DROP OWNED BY {ASKED_FOR_A_PASSWORD}", database=database)
        server.run(f"DROP ROLE {ASKED_FOR_A_PASSWORD}")


@pytest.mark.parametrize(("statuses", "is_open"), UPGRADED)
def test_a_retry_that_may_be_under_way_is_open_afterwards(
    server: Server, databases: tuple[str, str], statuses: dict[str, int], *, is_open: bool
) -> None:
    old, _ = databases
    old_ledger(server, old, SCHEMA_VERSION - 1)
    server.run("DELETE FROM campaign.rows", database=old)
    for row, (status, attempts) in enumerate(statuses.items(), 1):
        server.run(
            "INSERT INTO campaign.rows (campaign, row, pass_id, pass_key, message, cells, status, due_at, attempts)"
            f" VALUES (1, {row}, 'p{row}', 'p{row}', 'Hi', '[]', '{status}', {0 if status == 'pending' else 'NULL'}, {attempts})",
            database=old,
        )
    prepare(parse(server.url(old)))
    reader = PostgresReader(server.url(old))
    record = reader.campaign("old")
    assert record is not None
    assert record.retry_is_open == is_open
    reader.close()


def test_each_campaign_can_be_told_from_that_of_another_ledger_afterwards(server: Server, databases: tuple[str, str]) -> None:
    settings = {"bare": "{}", "odd": r'{"results": "/\udcff", "rate": "9"}', "told": '{"rate": "9", "mark": "a1b2"}'}
    marks: dict[str, list[str]] = {name: [] for name in settings}
    for database in databases:
        old_ledger(server, database, SCHEMA_VERSION - 1)
        for name, text in settings.items():
            server.run(
                "INSERT INTO campaign.campaigns (name, list_name, list_sha256, message_sha256, columns, id_column, settings, desired_state,"
                f""" rows, created_at) VALUES ('{name}', 'old.csv', 'a', 'b', '["id"]', 'id', '{text}', 'go', 0, 5.0)""",
                database=database,
            )
        prepare(parse(server.url(database)))
        reader = PostgresReader(server.url(database))
        for name, text in settings.items():
            record = reader.campaign(name)
            assert record is not None
            assert record.spec.settings | {"mark": "a1b2"} == json.loads(text) | {"mark": "a1b2"}
            marks[name].append(record.spec.mark)
        reader.close()
    assert marks.pop("told") == ["a1b2", "a1b2"]
    assert len({mark for pair in marks.values() for mark in pair} - {""}) == 4


def test_every_version_before_this_one_is_kept_for_this_test() -> None:
    assert sorted(path.name for path in OLD.glob("postgres-*.sql")) == [f"postgres-{version}.sql" for version in range(1, SCHEMA_VERSION)]


def test_who_may_only_send_is_told_who_can_upgrade_the_ledger(server: Server, databases: tuple[str, str]) -> None:
    old, _ = databases
    old_ledger(server, old, 1)
    server.run(grants_of_old(), database=old)
    server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN PASSWORD 'S3cret' IN ROLE {ROLE}")
    try:
        with raises(LedgerPlaceError, "ledger_not_owned"):
            PostgresLedger(server.url(old, user=f"{ASKED_FOR_A_PASSWORD}:S3cret"))
        assert server.run("SELECT version FROM campaign.ledger", database=old) == [(1,)]
    finally:
        server.run(f"DROP OWNED BY {ROLE}", database=old)
        server.run(f"DROP ROLE {ASKED_FOR_A_PASSWORD}; DROP ROLE {ROLE}")


async def test_what_an_administrator_upgrades_stays_its_owners(server: Server, databases: tuple[str, str]) -> None:
    old, _ = databases
    server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN PASSWORD 'S3cret'; GRANT CREATE ON DATABASE {old} TO {ASKED_FOR_A_PASSWORD}")
    url = server.url(old, user=f"{ASKED_FOR_A_PASSWORD}:S3cret")
    try:
        with psycopg.connect(url) as owner:
            owner.execute((OLD / "postgres-1.sql").read_bytes())
        prepare(parse(server.url(old)))
        ledger = PostgresLedger(url)
        record = await campaign_of(ledger, staged(1))
        await ledger.register_runner(record.id, quiet_seconds=0, account="token")
        await ledger.throttle("token", retry_after_seconds=1.0)
        await ledger.close()
    finally:
        server.run(f"DROP OWNED BY {ASKED_FOR_A_PASSWORD}", database=old)
        server.run(f"DROP ROLE {ASKED_FOR_A_PASSWORD}")


def test_several_that_open_an_old_ledger_at_once_migrate_it_once_even_if_a_connection_is_killed(
    server: Server, databases: tuple[str, str]
) -> None:
    old, new = databases
    old_ledger(server, old, 1)
    prepare(parse(server.url(new)))
    reader = psycopg.connect(server.url(old))
    reader.execute("SELECT * FROM campaign.exported")
    pool = ThreadPoolExecutor()
    opened = [pool.submit(prepare, parse(server.url(old))) for _ in range(3)]
    # One has renamed all but the last table, and waits for the reader; the others wait for the one.
    while server.run(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{old}' AND wait_event_type = 'Lock'") != [(3,)]:
        time.sleep(0.01)
    assert server.run("SELECT version FROM campaign.ledger", database=old) == [(1,)]
    server.terminate(old)
    for one in opened:
        one.result()
    pool.shutdown()
    reader.close()
    assert server.run(SHAPE, database=old) == server.run(SHAPE, database=new)


def test_an_old_ledger_is_not_migrated_while_an_older_version_sends_from_it(server: Server, databases: tuple[str, str]) -> None:
    old, _ = databases
    old_ledger(server, old, SCHEMA_VERSION - 1)
    server.run(
        "INSERT INTO campaign.runners (campaign, host, pid, started_at, lease_until, activity)"
        " VALUES (1, '', 1, 0, campaign.ledger_now() + 3600, 'sending')",
        database=old,
    )
    with raises(LedgerPlaceError, "ledger_used_by_older"):
        prepare(parse(server.url(old)))
    assert server.run("SELECT version FROM campaign.ledger", database=old) == [(SCHEMA_VERSION - 1,)]
    server.run("UPDATE campaign.runners SET lease_until = campaign.ledger_now() - 1", database=old)
    prepare(parse(server.url(old)))
    assert server.run("SELECT version FROM campaign.ledger", database=old) == [(SCHEMA_VERSION,)]
