"""That damage to a ledger itself would be noticed, and that what befalls a server does befall it."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from campaign.ledger.postgres.connection import parse
from campaign.ledger.postgres.schema import prepare
from tests.chaos.blows import Blow, Strike
from tests.chaos.ledgers import InServer
from tests.contract import postgres_server
from tests.contract.postgres_server import Server

pytestmark = pytest.mark.slow

FILL = """
INSERT INTO campaign.rows (campaign, row, pass_id, pass_key, message, cells, status, due_at)
SELECT 1, r, 'p' || r, 'p' || r, 'Hi', '[]', 'pending', 0 FROM generate_series({}, {}) AS r
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server.running() as server:
        yield server


@pytest.fixture
def kept(server: Server) -> InServer:
    server.wait_until_it_answers()
    kept = InServer(server)
    prepare(parse(kept.address))
    return kept


def test_an_index_that_lost_rows_is_noticed(server: Server, kept: InServer) -> None:
    database = kept.select("SELECT current_database() AS name")[0]["name"]
    server.run(FILL.format(1, 50), database=database)
    assert kept.problems() == []
    (path,) = server.run("SELECT pg_relation_filepath('campaign.rows_by_status')", database=database)[0]
    server.stop()
    earlier = Path(shutil.copy(server.data / path, server.folder / "earlier"))
    server.start()
    server.run(FILL.format(51, 60), database=database)
    assert kept.problems() == []
    server.stop()
    (server.data / path).write_bytes(earlier.read_bytes())
    server.start()
    assert kept.problems() == ["the table rows has 60 rows, its index 50, or others"]


@pytest.mark.parametrize("blow", Blow)
def test_a_blow_breaks_every_connection_and_the_server_comes_back(kept: InServer, blow: Blow) -> None:
    strike = Strike(blow=blow, messages=0, seconds=0, away_seconds=60)
    with psycopg.connect(kept.address, autocommit=True) as connection:
        connection.execute("SELECT 1")
        assert kept.strike(strike)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    if blow in {Blow.RESTART, Blow.CRASH}:
        assert not kept.strike(strike), "it is down already"
        kept.look_after()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(kept.address)
        kept.look_after(at_once=True)
    assert kept.select("SELECT 1 AS one") == [{"one": 1}]


def test_where_nobody_is_connected_nothing_is_cut(kept: InServer) -> None:
    strike = Strike(blow=Blow.CUT, messages=0, seconds=0, away_seconds=0)
    # A server takes a moment to see that its last visitor has gone.
    deadline = time.monotonic() + 20
    while kept.strike(strike):
        assert time.monotonic() < deadline
