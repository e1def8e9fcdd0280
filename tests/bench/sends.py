"""Sends a second, also at rates beyond the machine: the whole command, each commit on disk, beside what promises nothing."""

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from campaign.domain.status import Status
from campaign.ledger.port import RunnerRecord
from campaign.ledger.sqlite import SqliteReader
from tests.bench.answering import Server, fastest
from tests.bench.children import campaign, environment, module, running, told
from tests.bench.figures import Figure, Floor, Found, at_least
from tests.bench.given import DUPLICATES_EVERY, Given, staged

AT_ONCE: Final = 64
NO_LIMIT: Final = "1000000"
LONGEST_SECONDS: Final = 600.0
WRK_SCRIPT: Final = Path(__file__).parent / "peers" / "wrk.lua"
NO_WRK: Final = "wrk is not here, so it was not measured: apt-get install wrk."
NO_CURL: Final = "GNU parallel or curl is not here, so they were not measured: apt-get install parallel curl."
FLOOR_ONE: Final = Floor(
    bound=at_least(0.4),
    why="One process has some 1.1 of the bare loop, less on a busy machine; half of that is what a statement for each row cost.",
)
FLOOR_TWO: Final = Floor(
    bound=at_least(0.4),
    why="Two processes have some 1.2 of a bare loop on two cores; with less than half of that they wait for each other's commits.",
)
FLOOR_PACED: Final = Floor(
    bound=at_least(0.5),
    why="A rate that the machine can't send is sent as fast as it can; with less than half of that the pace itself keeps it from sending.",
)
NO_RATE: Final = "unlimited"
RATES: Final = ("3000", "10000", "100000", "1000000")


def measured(folder: Path, *, short: bool) -> Found:
    """By turns, so that what else the machine does meets all of them; the medians."""
    sends, turns, by_curl = (5_000, 1, 40) if short else (40_000, 3, 500)
    with fastest(folder) as server:
        found: dict[str, list[float]] = {}
        for turn in range(turns):
            found.setdefault("bare", []).append(_bare(server, sends))
            found.setdefault("one", []).append(runner(server, folder, sends, turn=turn, processes=1))
            found.setdefault("two", []).append(runner(server, folder, sends, turn=turn, processes=2))
            if not short:
                found.setdefault("logged", []).append(runner(server, folder, sends, turn=turn, processes=1, logged=True))
            for rate in RATES[-1:] if short else RATES:
                found.setdefault(rate, []).append(runner(server, folder, sends, turn=turn, processes=1, rate=rate))
            found.setdefault("bare", []).append(_bare(server, sends))
            found.setdefault("two bare", []).append(_bare(server, sends, processes=2))
            found.setdefault("limiter", []).append(_limiter(server, sends // 4))
            found.setdefault("raw", []).append(_raw(server, sends))
            if (by_wrk := _wrk(server, seconds=1 if short else 4)) is not None:
                found.setdefault("wrk", []).append(by_wrk)
        curl = _curl(server, folder, by_curl)
        medians = {what: statistics.median(rates) for what, rates in found.items()}
        if curl is not None:
            medians["curl"] = curl
    left_out = [note for note in (server.note, NO_CURL if curl is None else "", "" if "wrk" in medians else NO_WRK) if note]
    return Found(figures=_figures(server, medians), left_out=left_out)


def _figures(server: Server, medians: dict[str, float]) -> list[Figure]:
    loop = f"a bare aiohttp + uvloop loop, against {server.name}"
    one, bare = medians["one"], medians["bare"]
    figures = [
        Figure(
            name="whole runner, 1 process",
            value=one,
            unit="sends/s",
            beside=loop,
            beside_value=bare,
            ratio_goal=at_least(1.0),
            floor=FLOOR_ONE,
        ),
        Figure(
            name="whole runner, 2 processes on one ledger",
            value=medians["two"],
            unit="sends/s",
            beside=loop,
            beside_value=bare,
            ratio_goal=at_least(1.5),
            floor=FLOOR_TWO,
        ),
        Figure(
            name="whole runner, 2 processes on one ledger",
            value=medians["two"],
            unit="sends/s",
            beside="two bare loops at once, which share nothing",
            beside_value=medians["two bare"],
        ),
        Figure(
            name="whole runner, 1 process",
            value=one,
            unit="sends/s",
            beside="a plain asyncio script with AsyncLimiter",
            beside_value=medians["limiter"],
        ),
        Figure(
            name="whole runner, 1 process",
            value=one,
            unit="sends/s",
            beside="asyncio protocols on uvloop with aiohttp's parser and nothing else",
            beside_value=medians["raw"],
        ),
    ]
    if "wrk" in medians:
        name = "whole runner, 1 process"
        figures.append(Figure(name=name, value=one, unit="sends/s", beside="wrk, in C, one thread", beside_value=medians["wrk"]))
    figures += [
        Figure(
            name=f"whole runner, 1 process, a rate of {float(rate):,.0f}/s",
            value=medians[rate],
            unit="sends/s",
            beside="that rate, or what it sends without one if that is less",
            beside_value=min(float(rate), one),
            ratio_goal=at_least(0.9),
            floor=FLOOR_PACED,
        )
        for rate in RATES
        if rate in medians
    ]
    if "logged" in medians:
        name = "whole runner, 1 process, a log line for each row"
        figures.append(Figure(name=name, value=medians["logged"], unit="sends/s", beside=loop, beside_value=bare))
    if "curl" in medians:
        peer = "GNU parallel + curl"
        figures.append(Figure(name="whole runner, 1 process", value=one, unit="sends/s", beside=peer, beside_value=medians["curl"]))
    return figures


def _bare(server: Server, sends: int, *, processes: int = 1) -> float:
    """Sends a second of so many loops together."""
    words, given = module("peers.bare_loop", server.url, str(sends // processes)), environment(Path("unused"))
    with ThreadPoolExecutor(processes) as threads:
        return sum(threads.map(lambda _: float(told(words, given)), range(processes)))


def _raw(server: Server, sends: int) -> float:
    return float(told(module("peers.raw_protocol", server.url, str(sends)), environment(Path("unused"))))


def _wrk(server: Server, *, seconds: int) -> float | None:
    """None where it is missing."""
    if shutil.which("wrk") is None:
        return None
    words = ("wrk", "--threads", "1", "--connections", str(AT_ONCE), "--duration", f"{seconds}s", "--script", str(WRK_SCRIPT), server.url)
    said = subprocess.run(words, check=True, timeout=LONGEST_SECONDS, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    return float(said)


def _limiter(server: Server, sends: int) -> float:
    return float(told(module("peers.limiter", server.url, str(sends), NO_LIMIT, str(AT_ONCE)), environment(Path("unused"))))


def runner(server: Server, folder: Path, sends: int, *, turn: int, processes: int, logged: bool = False, rate: str = NO_RATE) -> float:
    """Sends a second of so many processes, from when the first signed on to when the last signed off; what the ledger says."""
    given = staged(folder, sends, f"by-{processes}-turn-{turn}-rate-{rate}{'-logged' if logged else ''}")
    log = ("--log-file", str(folder / f"{given.name}.log")) if logged else ("--log-level", "warning")
    # With a rate it is the command's own to say how many are under way at once.
    at_once = ("--concurrency", str(AT_ONCE)) if rate == NO_RATE else ()
    words = campaign("send", given.name, "--yes", "--rate", rate, *at_once, *log)
    began = time.time()
    with ExitStack() as stack:
        told_by = environment(given.ledger, url=server.url)
        started = [stack.enter_context(running(words, told_by)) for _ in range(processes)]
        for process in started:
            code = process.wait(LONGEST_SECONDS)
            assert code == 0, f"{' '.join(words)} ended with {code}."
    return _from_ledger(given, began)


def _from_ledger(given: Given, began: float) -> float:
    reader = SqliteReader(given.ledger)
    try:
        record = reader.campaign(given.name)
        assert record is not None
        delivered = reader.counts(record.id).by_status[Status.DELIVERED]
        assert delivered == given.rows - given.rows // DUPLICATES_EVERY, "somebody was not sent to"
        return delivered / seconds_of(reader.runners(record.id), began)
    finally:
        reader.close()


def seconds_of(runners: Sequence[RunnerRecord], began: float) -> float:
    """From the first sign-on after this Unix time until the last sign-off: who staged the list signed on, too, and before."""
    senders = [one for one in runners if one.started_at >= began]
    return max(one.ended_at for one in senders) - min(one.started_at for one in senders)


def _curl(server: Server, folder: Path, sends: int) -> float | None:
    """A process for each send; None where a program is missing."""
    if shutil.which("parallel") is None or shutil.which("curl") is None:
        return None
    body = '{"notification": {"message": "Hi Anna, C{} gives 20 % off until Sunday"}}'
    send = ("curl", "-sf", "-o", "/dev/null", "-H", "Content-Type: application/json", "-d", body)
    numbers = "".join(f"{number:016x}\n" for number in range(sends))
    words = ("parallel", "--will-cite", "--quote", "-j", str(AT_ONCE), *send, f"{server.url}/api/v1/passes/{{}}/notification")
    # It keeps files of its own in the home folder.
    home = os.environ | {"HOME": str(folder)}
    began = time.perf_counter()
    subprocess.run(words, input=numbers, text=True, env=home, check=True, timeout=LONGEST_SECONDS, stdout=subprocess.DEVNULL)
    return sends / (time.perf_counter() - began)
