"""Every ledger backend, under a clock that the test owns."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from campaign.ledger.port import Ledger, LedgerReader
from tests.contract.backends import Backend, HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite"])
async def backend(tmp_path: Path, clock: HandClock) -> AsyncIterator[Backend]:
    backend = Backend(path=tmp_path / "campaign.db", clock=clock)
    yield backend
    for ledger in backend.opened:
        await ledger.close()
    for reader in backend.readers:
        reader.close()


@pytest.fixture
async def ledger(backend: Backend) -> Ledger:
    return backend.ledger()


@pytest.fixture
async def reader(backend: Backend, ledger: Ledger) -> LedgerReader:
    del ledger  # made first, so that there is a store to read
    return backend.reader()
