"""Every test of the gateway runs on uvloop, and in `make test-all` on asyncio's own loop, which Windows has.

They differ in when a write leaves and how a broken one is told.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest
import uvloop

ASYNCIO: Final = "asyncio"


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {ASYNCIO: asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and f"[{ASYNCIO}" in item.name:
            item.add_marker("slow")
