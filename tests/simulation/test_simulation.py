"""The simulation itself, and a short one of the code as it is."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from tests.simulation.disk import Disk
from tests.simulation.plan import Kind


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: a simulation replaces the clocks of the one that it is in."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=600, check=False)


@pytest.mark.timeout(600)
def test_in_every_campaign_nothing_is_sent_twice_or_lost() -> None:
    done = run("--campaigns", "200", "--json")
    found = json.loads(done.stdout)
    assert found["violations"] == {}
    assert found["campaigns"] == 200
    # The rarest happen in one campaign of a hundred.
    assert found["happened"].keys() >= set(Kind)
    assert done.returncode == 0


@pytest.mark.slow
def test_a_seed_always_tells_the_same_story() -> None:
    first, second = (run("--seed", "17", PYTHONHASHSEED=seed).stdout.splitlines() for seed in ("1", "2"))
    assert len(first) > 50
    assert first == second


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bug_is_found_and_its_seed_shows_it_again() -> None:
    done = run("--bug", "server_errors_are_sent_again", "--campaigns", "10", "--json")
    seed = next(iter(json.loads(done.stdout)["violations"]))
    assert done.returncode == 1
    assert run("--bug", "server_errors_are_sent_again", "--seed", seed).returncode == 1


class TestDisk:
    def open(self, path: Path, synchronous: str) -> apsw.Connection:
        connection = apsw.Connection(str(path), vfs="simulated")
        connection.execute(f"PRAGMA journal_mode = wal; PRAGMA synchronous = {synchronous}").fetchall()
        connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
        return connection

    def after_power_is_lost(self, disk: Disk, path: Path, synchronous: str, seed: int) -> int | None:
        disk.clear()
        connection = self.open(path, synchronous)
        for number in range(20):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.close()
        disk.lose_power(random.Random(seed))
        Path(f"{path}-shm").unlink(missing_ok=True)
        try:
            return int(apsw.Connection(str(path), vfs="simulated").execute("SELECT count(*) FROM t").get)
        except apsw.SQLError:
            return None

    def test_what_was_synced_survives_a_power_cut_and_what_was_not_may_be_lost(self, tmp_path: Path) -> None:
        disk = Disk()
        kept = {self.after_power_is_lost(disk, tmp_path / f"full {seed}", "FULL", seed) for seed in range(10)}
        assert kept == {20}
        lost = {self.after_power_is_lost(disk, tmp_path / f"off {seed}", "OFF", seed) for seed in range(10)}
        assert lost - {20}

    def test_a_full_disk_takes_no_commit_and_loses_none(self, tmp_path: Path) -> None:
        disk = Disk()
        connection = self.open(tmp_path / "ledger", "FULL")
        connection.execute("INSERT INTO t VALUES (1)")
        disk.full = True
        with pytest.raises(apsw.FullError):
            connection.execute("INSERT INTO t VALUES (2)")
        disk.full = False
        assert connection.execute("SELECT count(*) FROM t").get == 1
        connection.close()
