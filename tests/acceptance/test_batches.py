"""The command with --via batch: the same results as one by one, and nothing twice after a kill."""

import csv
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaign.simulator.config import ENTITY, SimulatorConfig
from tests.acceptance.desk import Desk, broke_off
from tests.acceptance.simulated import simulated
from tests.acceptance.test_jobs import write_job
from tests.examples import slow_after
from tests.simulator_client import SimulatorClient

BY_BATCH = ("--via", "batch", "--entity", ENTITY)
MESSAGE = ("--message", "Hi {{ first_name }}", "--yes")

OF_THE_WAY = {
    *("delivery_sent_at", "delivery_settled_at", "delivery_latency_ms", "delivery_campaign"),
    *("delivery_http_status", "delivery_reason", "delivery_error"),
}
"""Times, the campaign's name, and what only one of the ways can say: an HTTP status, and in whose words a refusal is."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [{name: value for name, value in row.items() if name not in OF_THE_WAY} for row in csv.DictReader(file)]


@contextmanager
def batch_that_turns_up_late(desk: Desk, *, stop_by: signal.Signals) -> Iterator[tuple[Desk, SimulatorClient]]:
    """A run of five rows that was stopped while nobody had answered the creation of its batch."""
    config = SimulatorConfig(limit_per_second=0, validation_seconds=0.1, late_seconds=6.0, batch_faults={"create_late": 1.0})
    with simulated(config) as vendor:
        there = Desk(desk.folder, vendor, desk.environment | {"PASSENTRY_API_URL": vendor.url})
        there.make_list(5)
        process = there.start("run", "list.csv", *MESSAGE, *BY_BATCH)
        there.until(process, lambda: vendor.summary().late_pending)
        process.send_signal(stop_by)
        process.communicate(timeout=30)
        vendor.set_faults(batch_faults={})
        yield there, vendor


def wait_for_the_late_batch(vendor: SimulatorClient) -> None:
    while vendor.summary().late_pending:
        time.sleep(0.05)  # real time, which the simulator counts


def test_both_ways_give_the_same_results(desk: Desk) -> None:
    listed = "".join(f"pass-{row},Name {row}\n" for row in range(1, 31))
    (desk.folder / "list.csv").write_text(
        f"pass_id,first_name\n{listed}pass-3,Again\n,Nobody\npass-99,\n1.23E+15,Lost\nforbidden,Bo\nissued,Di\n", encoding="utf-8"
    )
    config = SimulatorConfig(limit_per_second=0, forbidden=frozenset({"forbidden"}), undelivered_when_issued=True)
    found = []
    for way in ("single", "batch"):
        with simulated(config) as vendor:
            vendor.set_pass("issued", status="issued")
            there = Desk(desk.folder, vendor, desk.environment | {"PASSENTRY_API_URL": vendor.url})
            options = BY_BATCH if way == "batch" else ()
            there.run("run", "list.csv", *MESSAGE, *options, "--name", way, "--results", f"{way}.csv", "--rate", "unlimited", code=3)
            found.append((rows(desk.folder / f"{way}.csv"), sorted(there.sent().items())))
    assert found[0] == found[1]
    assert {row["delivery_status"] for row in found[0][0]} == {"delivered", "not_delivered", "failed", "skipped", "invalid"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--via", "batch"), "--entity"),
        (("--via", "post"), "--via"),
        ((*BY_BATCH, "--message", "50 %{off}"), "Row 1"),
        ((*BY_BATCH, "--engine", "ray"), "--engine"),
    ],
)
def test_what_a_batch_can_not_do_is_told_before_anything_is_sent(desk: Desk, words: tuple[str, ...], says: str) -> None:
    desk.make_list(3)
    done = desk.run("run", "list.csv", *MESSAGE, *words, code=2)
    assert says in done.stderr, done.stderr
    assert desk.sent() == {}


@pytest.mark.parametrize("then", ["resume", "single", "cancel"])
def test_after_a_kill_nothing_is_sent_twice_and_what_was_not_released_can_be_undone(desk: Desk, then: str) -> None:
    with simulated(SimulatorConfig(limit_per_second=0, validation_seconds=8.0)) as vendor:
        there = Desk(desk.folder, vendor, desk.environment | {"PASSENTRY_API_URL": vendor.url})
        there.make_list(600)
        process = there.start("run", "list.csv", *MESSAGE, *BY_BATCH, "--rate", "unlimited")
        while len(vendor.batches()) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        assert there.sent() == {}
        if then == "cancel":
            seen = there.json("status", "list", code=None)["batches"]
            assert (seen["rows"], seen["unreleased_rows"], seen["worked_on"]) == (600, 600, False)
            due = datetime.fromisoformat(seen["send_themselves_at"]) - datetime.now(UTC)
            assert timedelta(days=6) < due < timedelta(days=7)
            without = there.run("cancel", "list", "--yes", code=2, PASSENTRY_API_KEY="")
            assert "600 rows" in without.stderr
            assert {batch.status for batch in vendor.batches()} == {"validating"}
            assert "600 rows" in there.run("cancel", "list", "--yes").stdout
            assert {batch.status for batch in vendor.batches()} == {"cancelled"}
            assert there.json("status", "list")["by_status"]["skipped"] == 600
            assert there.json("status", "list", code=None)["batches"] is None
            return
        vendor.set_faults(validation_seconds=0.1)
        # The campaign remembers its entity.
        words = ("--via", "single") if then == "single" else ("--via", "batch")
        found = there.json("resume", "list", "--yes", "--rate", "unlimited", "--quiet-period", "1s", *words)
        assert found["by_status"]["delivered"] == 600
        assert {len(texts) for texts in there.sent().values()} == {1}
        assert len(there.sent()) == 600
        assert {batch.status for batch in vendor.batches()} <= {"cancelled", "successful"}


@pytest.mark.parametrize("way", ["single", "batch"])
def test_rows_that_wait_for_batches_that_nobody_works_on_end_the_run_and_name_their_campaign(desk: Desk, way: str) -> None:
    options = BY_BATCH if way == "batch" else ()
    tue = ("--message", "Later", "--yes", "--name", "tue", "--rate", "unlimited", "--quiet-period", "1s", *options)
    with simulated(SimulatorConfig(limit_per_second=0, validation_seconds=30.0)) as vendor:
        there = Desk(desk.folder, vendor, desk.environment | {"PASSENTRY_API_URL": vendor.url})
        there.make_list(20)
        mon = there.start("run", "list.csv", *MESSAGE, *BY_BATCH, "--name", "mon", "--rate", "unlimited")
        there.until(mon, vendor.batches)
        waits = there.start("run", "list.csv", *tue)
        says = "20 rows wait for their passes: these are in batches of the campaign “mon”, which"
        assert waits.stderr is not None
        assert f"{says} a process works on." in next(line for line in waits.stderr if '"waiting_for_passes"' in line)
        mon.send_signal(signal.SIGKILL)
        mon.communicate(timeout=10)
        out, err = waits.communicate(timeout=60)
        assert waits.returncode == 5, out + err
        what_to_do = f"{says} no process works on. Go on with it (campaign resume mon) or undo them (campaign cancel mon)."
        assert what_to_do in " ".join(out.split()), out
        assert what_to_do in there.run("run", "list.csv", *tue, code=5).stdout
        assert there.json("status", "tue", code=None)["exit_code"] == 5
        assert there.sent() == {}
        vendor.set_faults(validation_seconds=0.1)
        there.run("resume", "mon", "--yes")
        assert there.json("resume", "tue", "--yes")["by_status"]["delivered"] == 20
        assert set(map(tuple, there.sent().values())) == {(f"Hi Name {row}", "Later") for row in range(1, 21)}


@pytest.mark.parametrize("then", slow_after(1, ["single", "batch", "cancel", "single, then cancel"]))
def test_a_batch_that_turns_up_when_all_has_ended_is_cancelled_by_the_next_command(desk: Desk, then: str) -> None:
    with batch_that_turns_up_late(desk, stop_by=signal.SIGKILL) as (there, vendor):
        words = {"single": ("resume", "list", "--via", "single"), "batch": ("resume", "list"), "cancel": ("cancel", "list")}
        first, _, last = then.partition(", then ")
        there.run(*words[first])
        wait_for_the_late_batch(vendor)
        there.run(*words[last or first])
        told = 0 if then == "cancel" else 5
        assert sum(map(len, there.sent().values())) == told
        assert {batch.status for batch in vendor.batches()} <= {"cancelled", "successful"}


def test_another_ledger_sends_nothing_while_a_batch_may_turn_up(desk: Desk) -> None:
    """The run has ended, and its results say that the rows were not sent."""
    with batch_that_turns_up_late(desk, stop_by=signal.SIGINT) as (there, vendor):
        for words in (("run", "list.results.csv"), ("run", "list.results.csv", *BY_BATCH)):
            assert broke_off(there.run(*words, code=2, CAMPAIGN_LEDGER="other.db").stderr) == "sent_from_elsewhere"
        wait_for_the_late_batch(vendor)
        there.run("resume", "list", "--via", "single")
        assert {len(texts) for texts in there.sent().values()} == {1}
        assert {batch.status for batch in vendor.batches()} == {"cancelled"}


def test_a_job_sends_by_batches_and_is_refused_without_its_entity_by_a_check(desk: Desk) -> None:
    desk.make_list(3)
    job = 'list = "list.csv"\nmessage = "Hi {{ first_name }}"\nvia = "batch"\n'
    write_job(desk, f'{job}entity = "{ENTITY}"\n')
    assert desk.run("jobs", "check", ".").returncode == 0
    done = desk.json("run", "job.toml", "--yes")
    assert done["by_status"]["delivered"] == 3
    assert [batch.total_recipients for batch in desk.simulator.batches()] == [3]
    for wrong in (job, f'{job}entity = "{ENTITY}"\n'.replace("Hi", "Hi %{{ '{' }}")):
        write_job(desk, wrong)
        assert desk.run("jobs", "check", ".", code=2).returncode == 2
