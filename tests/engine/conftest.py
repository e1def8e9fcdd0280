"""The simulator and the desk of the acceptance tests, a database, and a cluster. What talks to Ray has a room of its own."""

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import desk, simulator
from tests.contract import postgres_server
from tests.contract.postgres_server import ASKED_FOR_A_PASSWORD, Server
from tests.engine import ray_given, room
from tests.engine.ray_given import RayHere
from tests.engine.room import InARoom

__all__ = ["cluster", "desk", "on_postgres", "server", "simulator"]

SECRET = "S3cret-of-the-ledger"
IN_A_ROOM = "test_ray.py"


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> pytest.Item | None:
    if collector.path.name != IN_A_ROOM or room.is_within() or not (name.startswith("test_") and callable(obj)):
        return None
    return InARoom.from_parent(collector, name=name)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if room.is_within():
        room.write_down(report)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server.running() as server:
        server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN SUPERUSER PASSWORD '{SECRET}'")
        yield server


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayHere]:
    """Two nodes."""
    with ray_given.running(2) as cluster:
        yield cluster


@pytest.fixture
def on_postgres(server: Server) -> Iterator[str]:
    """The URL of a ledger, with a password."""
    name = server.database()
    yield server.url(name, user=f"{ASKED_FOR_A_PASSWORD}:{SECRET}")
    server.drop(name)
