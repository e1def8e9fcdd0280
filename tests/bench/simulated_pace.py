"""What reaches the simulator when processes share one rate and one of them dies.

python -m tests.bench.simulated_pace [--rate 200] [--processes 4] [--seconds 30] [--latency 50ms] [--kill]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path

from tests.bench.arrivals import most_in_a_second
from tests.bench.machine import ROOT
from tests.simulator_client import SimulatorClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`most_in_a_second` is over every window of a second; `killed_at` and `times` are seconds on the simulator's clock."""

    average_per_second: float
    most_in_a_second: int
    killed_at: float | None
    times: tuple[float, ...]

    def between(self, first: float, last: float) -> int:
        """Requests that arrived from the one time to the other."""
        return bisect_right(self.times, last) - bisect_left(self.times, first)


def measure(*, rate: float, processes: int, seconds: float, latency: str = "0ms", kill: bool = False) -> Pace:
    """Run the command in so many processes on one campaign, and look at the seconds in the middle; with `kill` one dies half-way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = round(rate * (seconds + 6))
        lines = "".join(f"pass-{row:07}\n" for row in range(rows))
        (folder / "list.csv").write_text(f"pass_id\n{lines}", encoding="utf-8")
        words = [sys.executable, "-m", "campaign", "simulate", "--port", "0", "--limit", "0", "--latency", latency, "--json"]
        simulator = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert simulator.stdout is not None
        client = SimulatorClient(json.loads(simulator.stdout.readline())["url"])
        senders = [_start(folder, client.url, rate) for _ in range(processes)]
        try:
            while len(client.requests()) < rate:
                time.sleep(0.1)
            began = client.summary().up_seconds
            killed_at = None
            if kill:
                time.sleep(seconds / 2)
                senders[0].kill()
                killed_at = client.summary().up_seconds
                time.sleep(seconds / 2)
            else:
                time.sleep(seconds)
            ended = client.summary().up_seconds
            requests = [request for request in client.requests() if request.method == "POST" and began <= request.at_seconds <= ended]
        finally:
            for sender in senders:
                sender.send_signal(signal.SIGKILL)
                sender.wait()
            simulator.kill()
            simulator.wait()
            simulator.stdout.close()
    times = [request.at_seconds for request in requests]
    return Pace(
        average_per_second=len(times) / (ended - began),
        most_in_a_second=most_in_a_second(times),
        killed_at=killed_at,
        times=tuple(times),
    )


def _start(folder: Path, url: str, rate: float) -> "subprocess.Popen[bytes]":
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CAMPAIGN_LEDGER": str(folder / "campaign.db"),
        "PASSENTRY_API_URL": url,
        "PASSENTRY_API_KEY": "bench",
    }
    words = [sys.executable, "-m", "campaign", "run", "list.csv", "--message", "Hello", "--rate", str(rate), "--yes"]
    return subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--latency", default="50ms")
    parser.add_argument("--kill", action="store_true")
    asked = parser.parse_args()
    found = measure(rate=asked.rate, processes=asked.processes, seconds=asked.seconds, latency=asked.latency, kill=asked.kill)
    print(f"average {found.average_per_second:.2f}/s of {asked.rate:g}, at most {found.most_in_a_second} in any second")
    if found.killed_at is not None:
        seconds = [found.between(found.killed_at + second, found.killed_at + second + 1) for second in range(5)]
        print(f"in the seconds after the kill: {seconds}")


if __name__ == "__main__":
    main()
