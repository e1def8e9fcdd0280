"""That no moment at which processes are to be killed is a dead one, and that a process does die where it should."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from campaign.settings import Via
from campaign.simulator.faults import Fault
from tests.chaos.ledgers import Kept, ledgers
from tests.chaos.plan import Death, Lifecycle, Plan, Wishes, plan
from tests.chaos.points import MOMENTS, POINTS, LedgerKind, Phase, moments_of
from tests.chaos.victim import RECORD
from tests.chaos.world import World, world

pytestmark = pytest.mark.slow

ANY = 10**6


@pytest.fixture(scope="module", params=LedgerKind)
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Kept]]:
    with ledgers(request.param) as make:
        yield make


@pytest.fixture
def small() -> Plan:
    """Slow enough to be stopped before its end, with rows to read back."""
    calm = plan(Wishes(seed=1, rows=400, rate_per_second=40, kills=0), 1)
    return replace(calm, faults={Fault.CUT_AFTER: 0.2, Fault.NOT_FOUND: 0.1}, storms=(), baseline=True)


@pytest.fixture
def in_batches() -> Plan:
    """Slow enough that some are still to be created when the first has ended."""
    calm = plan(Wishes(seed=1, via=Via.BATCH, rows=400, rate_per_second=3, kills=0), 1)
    # Where the list fails, each batch is looked at by itself.
    return replace(calm, batch_faults={"list_error_before": 0.3}, storms=())


def died(process: subprocess.Popen[str]) -> int:
    """How it ended."""
    try:
        return process.wait(timeout=60)
    finally:
        process.kill()


def test_one_run_that_is_stopped_passes_every_moment(small: Plan, tmp_path: Path, make: Callable[[Path], Kept]) -> None:
    with world(small, tmp_path, make(tmp_path)) as place:
        assert died(place.start(Lifecycle(number=1, death=Death.AT_MOMENT, moment="stage.after", count=1, messages=ANY))) == -signal.SIGKILL
        process = place.start(Lifecycle(number=2, death=Death.AT_MOMENT, moment=RECORD, messages=ANY))
        stop_once(process, lambda: has_happened("read_back", place, 2))
    assert (tmp_path / "passed.txt").read_text(encoding="utf-8").splitlines() == sorted(moments_of(Via.SINGLE))


def test_so_does_one_that_sends_by_batches(in_batches: Plan, tmp_path: Path, make: Callable[[Path], Kept]) -> None:
    with world(in_batches, tmp_path, make(tmp_path)) as place:
        process = place.start(Lifecycle(number=1, death=Death.AT_MOMENT, moment=RECORD, messages=ANY, via=Via.BATCH))
        stop_once(process, lambda: has_happened("batch_ended", place, 1))
    # A staging that is broken off is not one of its own.
    never = {moment for moment in moments_of(Via.BATCH) if moment.startswith("abort_staging.")}
    assert {*(tmp_path / "passed.txt").read_text(encoding="utf-8").splitlines()} >= moments_of(Via.BATCH).keys() - never


@pytest.mark.parametrize("moment", ["finish_staging.before", "write.after", "left.after", "durable.before"])
def test_a_process_dies_where_it_should(small: Plan, tmp_path: Path, make: Callable[[Path], Kept], moment: str) -> None:
    with world(small, tmp_path, make(tmp_path)) as place:
        assert died(place.start(Lifecycle(number=1, death=Death.AT_MOMENT, moment=moment, count=1, messages=ANY))) == -signal.SIGKILL
        written = sum(request.method == "POST" for request in place.simulator.requests())
    assert written == 0 if MOMENTS[moment].phase is Phase.STAGING or moment == "durable.before" else written < small.rows // 4


def test_the_moments_are_the_same_with_every_ledger() -> None:
    assert all([moment for point in POINTS[kind] for moment in point.moments] == list(MOMENTS) for kind in LedgerKind)


def has_happened(event: str, place: World, number: int) -> bool:
    return f'"event": "{event}"' in (place.folder / f"life-{number:04}.err").read_text(encoding="utf-8")


def stop_once(process: subprocess.Popen[str], happens: Callable[[], bool]) -> None:
    try:
        wait_for(happens)
        process.send_signal(signal.SIGTERM)
        assert died(process) == 143
    finally:
        process.kill()


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)
