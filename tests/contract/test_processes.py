"""Ledger promises that hold between processes: real ones, killed for real."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from campaign.domain.status import Status
from tests.contract.backends import ledger_at, reader_at
from tests.contract.given import campaign_of, ends, staged

ROWS = 400

CLAIMER = """
import asyncio, json, sys
from tests.contract.backends import ledger_at

async def main():
    ledger = ledger_at(sys.argv[1])
    runner = await ledger.register_runner(1, quiet_seconds=0)
    taken = []
    while claims := await ledger.claim(runner, 7):
        taken += [claim.row for claim in claims]
        if len(taken) >= int(sys.argv[2]):
            break
    print(json.dumps(taken), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@contextmanager
def claimers(place: str, most: int, count: int) -> Iterator[list["subprocess.Popen[str]"]]:
    processes = [
        subprocess.Popen([sys.executable, "-c", CLAIMER, place, str(most)], stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=10)


def rows_of(process: "subprocess.Popen[str]") -> list[int]:
    assert process.stdout is not None
    found: list[int] = json.loads(process.stdout.readline())
    return found


async def test_no_row_is_claimed_by_two_processes(place: str) -> None:
    ledger = ledger_at(place)
    await campaign_of(ledger, *(staged(row) for row in range(1, ROWS + 1)))
    with claimers(place, ROWS, 3) as processes:
        taken = [row for process in processes for row in await asyncio.to_thread(rows_of, process)]
    await ledger.close()
    assert sorted(taken) == list(range(1, ROWS + 1))


async def test_a_killed_process_is_known_dead_at_once_and_a_live_one_is_left_alone(place: str) -> None:
    ledger = ledger_at(place)
    reader = reader_at(place)
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 31)))
    with claimers(place, 7, 2) as processes:
        for process in processes:
            await asyncio.to_thread(rows_of, process)
        assert await ledger.reap_dead_runners(quiet_seconds=0) == 0
        processes[0].send_signal(signal.SIGKILL)
        await asyncio.to_thread(processes[0].wait, 10)
        assert await ledger.reap_dead_runners(quiet_seconds=0) == 7
        counts = reader.counts(record.id)
        assert (counts.reasons(Status.UNKNOWN), counts.by_status[Status.SENDING]) == ({"lost": 7}, 7)
    assert await ledger.reap_dead_runners(quiet_seconds=0) == 7
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    (claim,) = await ledger.claim(runner, 1)
    assert await ledger.settle(runner, [ends(claim, Status.DELIVERED)]) == []
    await ledger.close()
    reader.close()
