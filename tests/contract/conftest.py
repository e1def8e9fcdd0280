"""Every ledger backend, under a clock that the test owns."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from campaign.ledger.port import Ledger, LedgerReader
from tests.contract.backends import NAMES, Backend, HandClock, PostgresBackend, SqliteBackend, server_with_template
from tests.contract.postgres_server import Server


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server; who stops it starts it again."""
    with server_with_template() as server:
        yield server


@pytest.fixture(params=NAMES)
def open_backend(request: pytest.FixtureRequest) -> Callable[[Path, HandClock], Backend]:
    """Makes a store, in a folder if it needs one; to be closed by whoever calls."""
    if request.param == "sqlite":
        return lambda folder, clock: SqliteBackend(folder / "campaign.db", clock)
    server: Server = request.getfixturevalue("server")
    return lambda _folder, clock: PostgresBackend(server, clock)


@pytest.fixture
async def backend(open_backend: Callable[[Path, HandClock], Backend], tmp_path: Path, clock: HandClock) -> AsyncIterator[Backend]:
    backend = open_backend(tmp_path, clock)
    yield backend
    await backend.close()


@pytest.fixture
async def ledger(backend: Backend) -> Ledger:
    return backend.ledger()


@pytest.fixture
async def reader(backend: Backend, ledger: Ledger) -> LedgerReader:
    del ledger  # made first, so that there is a store to read
    return backend.reader()


@pytest.fixture(params=NAMES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a ledger on the clocks of real life may be made: a path, or the URL of an empty database."""
    if request.param == "sqlite":
        yield str(tmp_path / "campaign.db")
        return
    server: Server = request.getfixturevalue("server")
    database = server.database()
    yield server.url(database)
    server.drop(database)
