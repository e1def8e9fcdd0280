"""A campaign of 5,000 rows to which everything happens: every kind of failure, retry and pause that a report has to tell of.

`python -m tests.acceptance.troubled FOLDER` leaves its list, its results, its ledger and its page in a folder, to be looked at.
"""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import apsw

from campaign.simulator.config import Latency, SimulatorConfig, Storm
from tests.acceptance.desk import ROOT, Desk
from tests.acceptance.simulated import simulated

ROWS: Final = 5000
MESSAGE: Final = "Hi {{ first_name }}, {{ code }} gives 20 % off"
COUNTRIES: Final = ("Germany", "Austria", "<script>alert(1)</script>", "", *(f"Country {number}" for number in range(30)))
FAULTS: Final = {
    "not_delivered": 0.04,
    "not_found": 0.015,
    "unprocessable": 0.01,
    "gone": 0.005,
    "conflict": 0.005,
    "throttle": 0.001,
    "refuse": 0.004,
    "cut_after": 0.005,
    "error_before": 0.004,
}
SENDING: Final = {"CAMPAIGN_RATE": "500", "CAMPAIGN_BASELINE": "true", "CAMPAIGN_LOG_LEVEL": "error"}


def a_list(path: Path) -> None:
    draw = random.Random(4)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("pass_id", "first_name", "code", "country"))
        for row in range(1, ROWS + 1):
            identity = "" if row % 900 == 0 else "1.23E+15" if row % 1100 == 0 else "pass-00001" if row % 600 == 0 else f"pass-{row:05}"
            name = "" if row % 333 == 0 else draw.choice(("Anna", "Ben", "Carla"))
            writer.writerow((identity, name, f"C{row:06}", "Atlantis" if row == 1 else draw.choice(COUNTRIES)))


def everything_happens(desk: Desk) -> None:
    """Run the campaign `list` to its end: it waits for its hour, is limited, paused, throttled, broken down upon, killed, retried."""
    api = desk.simulator
    api.set_faults(
        faults=FAULTS,
        latency=Latency(low_seconds=0.02, high_seconds=0.25),
        statuses={"active": 0.8, "issued": 0.12, "removed": 0.05, "deactivated": 0.03},
        undelivered_when_issued=True,
    )
    a_list(desk.folder / "list.csv")
    # Its hour is soon, but not before a busy machine has begun.
    soon = (datetime.now(tz=UTC) + timedelta(seconds=15)).isoformat(timespec="seconds")
    desk.run("run", "list.csv", "--message", MESSAGE, "--start-at", soon, "--limit", "1200", code=5, **SENDING)
    time.sleep(1.5)
    # A person pauses it.
    going_on = desk.start("resume", "list", **SENDING)
    _until_sent(desk, 1800)
    desk.run("pause", "list")
    _ended(going_on, 5)
    time.sleep(2.5)
    # PassEntry throttles the requests, and later can't be reached.
    going_on = desk.start("resume", "list", **SENDING)
    _until_sent(desk, 2300)
    api.set_faults(storms=(Storm(seconds=1.5, retry_after="1.2"),))
    _until_sent(desk, 2800)
    api.set_faults(faults={"refuse": 1.0})
    time.sleep(1.5)
    api.set_faults(faults=FAULTS)
    _until_sent(desk, 3600)
    # Its process is killed.
    going_on.send_signal(signal.SIGKILL)
    _ended(going_on, -signal.SIGKILL)
    time.sleep(1.5)
    desk.run("resume", "list", code=3, **SENDING)
    # What failed is sent again, and only some of it fails again.
    desk.run("retry", "list", "--http-status", "422", code=3, **SENDING)


def _until_sent(desk: Desk, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with closing(apsw.Connection(str(desk.folder / "campaign.db"), flags=apsw.SQLITE_OPEN_READONLY)) as ledger:
            ledger.set_busy_timeout(5_000)
            if ledger.execute("SELECT count(*) FROM attempts").get >= count:
                return
        time.sleep(0.05)
    raise AssertionError(f"{count} rows were not sent in time")


def _ended(process: "subprocess.Popen[str]", code: int) -> None:
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err


def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    with simulated(SimulatorConfig(limit_per_second=0)) as client:
        given = {"CAMPAIGN_LEDGER": str(folder / "campaign.db"), "CAMPAIGN_YES": "true", "CAMPAIGN_QUIET_PERIOD": "1s"}
        given |= {"PASSENTRY_API_URL": client.url, "PASSENTRY_API_KEY": "a-token-for-the-simulator"}
        desk = Desk(folder=folder, simulator=client, environment=os.environ | {"PYTHONPATH": str(ROOT)} | given)
        everything_happens(desk)
        desk.run("report", "list", "--output", "report.html", "--by", "country")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
