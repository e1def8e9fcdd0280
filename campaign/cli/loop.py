"""Runs a command's coroutine, on uvloop where there is one."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def _make_room_for_connections() -> None:
    """Shells often allow 1,024 open files, which a fast run against a slow API would need more than."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    _make_room_for_connections()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
