"""Disks that fill and folders that can't be written, at every step of a run: said in words, nothing lost, nothing sent twice."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.hardship import DISKS, Disk, disk, finish, mode, start, unprivileged
from tests.acceptance.test_run import MESSAGE, agrees, wait_for
from tests.examples import slow_after

ROWS = 150

LIMITED_REPORT = """
import resource, campaign.reporter.files.results as results
whole = results.write_results
def limited(*words, **options):
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    return whole(*words, **options)
results.write_results = limited
"""


@pytest.fixture(params=slow_after(1, DISKS))
def small(request: pytest.FixtureRequest, desk: Desk) -> Iterator[Disk]:
    """A disk of 24 MB that holds the ledger; the list and the results are elsewhere."""
    with disk(request.param, desk.folder / "disk", 24_000) as made:
        desk.environment["CAMPAIGN_LEDGER"] = str(made.folder / "campaign.db")
        yield made


def run_words(desk: Desk, rows: int = ROWS) -> tuple[str, ...]:
    return ("run", str(desk.make_list(rows)), "--message", MESSAGE)


def run_on(desk: Desk, on: Disk, *words: str, code: int) -> str:
    return finish(start(desk, *words, before=on.before), code=code)


def every_pass_once(desk: Desk, rows: int = ROWS) -> None:
    sent = desk.sent()
    assert {len(texts) for texts in sent.values()} == {1}
    assert len(sent) == rows


class TestFullDisk:
    def test_while_staging_leaves_nothing_and_sends_nothing(self, desk: Desk, small: Disk) -> None:
        rows = 9000
        words = (*run_words(desk, rows), "--limit", "40")
        small.leave(1500)
        said = run_on(desk, small, *words, code=4)
        assert "campaign.db" in said
        assert desk.simulator.requests() == []
        small.free()
        run_on(desk, small, *words, code=5)
        every_pass_once(desk, 40)

    def test_before_the_ledger_is_made(self, desk: Desk, small: Disk) -> None:
        words = run_words(desk, 20)
        small.leave(0)
        run_on(desk, small, *words, code=4)
        assert desk.simulator.requests() == []
        small.free()
        run_on(desk, small, *words, code=0)
        every_pass_once(desk, 20)

    def test_while_sending_stops_and_the_same_command_goes_on(self, desk: Desk, small: Disk) -> None:
        desk.simulator.set_faults(latency=0.05)
        words = (*run_words(desk), "--rate", "60")
        process = start(desk, *words, before=small.before)
        wait_for(lambda: len(desk.sent()) > 30)
        small.leave(0, process)
        finish(process, code=4)
        # What the simulator has in hand it still processes.
        wait_for(lambda: desk.simulator.summary().in_flight == 0)
        so_far = len(desk.sent())
        assert 30 < so_far < ROWS
        small.leave(0)
        run_on(desk, small, *words, code=4)
        assert len(desk.sent()) == so_far
        small.free()
        run_on(desk, small, *words, code=0)
        every_pass_once(desk)
        agrees(desk, desk.folder / "list.results.csv")


class TestFullDiskForResults:
    @pytest.mark.parametrize("kind", slow_after(1, DISKS))
    def test_while_exporting_keeps_the_old_file_whole_and_the_same_command_writes_the_new_one(self, desk: Desk, kind: str) -> None:
        with disk(kind, desk.folder / "out", 2000) as small:
            words = (*run_words(desk), "--results", str(small.folder / "out.csv"))
            run_on(desk, small, *words, "--limit", "20", code=5)
            old = small.read("out.csv")
            if kind == "tmpfs":
                process = start(desk, *words, "--rate", "100", before=small.before)
                wait_for(lambda: len(desk.sent()) > 30)
                small.leave(8, process)
            else:
                # The ledger's files are longer than such a limit: it may only come once they are no longer written.
                process = start(desk, *words, before=LIMITED_REPORT)
            said = finish(process, code=4)
            assert "out.csv" in said
            assert small.read("out.csv") == old
            assert len(desk.sent()) == ROWS
            small.free()
            run_on(desk, small, *words, code=0)
            new = list(csv.DictReader(io.StringIO(small.read("out.csv").decode("utf-8-sig"))))
            assert {row["delivery_status"] for row in new} <= {"delivered", "accepted"}
            assert len(new) == ROWS
            every_pass_once(desk)

    def test_before_the_marker_fits_sends_nothing(self, desk: Desk) -> None:
        """Without it another ledger would not see this run, and there would be no results that show what it has sent."""
        with disk(DISKS[-1], desk.folder / "out", 2000) as small:
            words = (*run_words(desk, 20), "--results", str(small.folder / "out.csv"))
            small.leave(0)
            assert "out" in run_on(desk, small, *words, "--rate", "60", code=4)
            assert desk.sent() == {}
            small.free()
            run_on(desk, small, *words, code=0)
            every_pass_once(desk, 20)


class TestForbidden:
    def test_a_folder_of_the_ledger_that_can_not_be_written(self, desk: Desk) -> None:
        (desk.folder / "place").mkdir()
        words = (*run_words(desk, 20), "--ledger", "place/campaign.db")
        with mode(desk.folder / "place", 0o500):
            said = finish(start(desk, *words, before=unprivileged()), code=2)
        assert "place/campaign.db" in said
        assert "--ledger" in said
        assert desk.simulator.requests() == []
        desk.run(*words)
        every_pass_once(desk, 20)

    def test_a_folder_of_the_ledger_that_can_not_be_entered(self, desk: Desk) -> None:
        (desk.folder / "place").mkdir()
        words = (*run_words(desk, 20), "--ledger", "place/campaign.db")
        desk.run(*words, "--limit", "5", code=5)
        with mode(desk.folder / "place", 0):
            said = finish(start(desk, *words, before=unprivileged()), code=2)
        assert "--ledger" in said
        desk.run(*words)
        every_pass_once(desk, 20)

    @pytest.mark.parametrize(
        ("what", "bits"),
        slow_after(1, [("campaign.db", 0o400), ("campaign.db", 0), (".", 0o500), ("campaign.db.runners", 0o500)], unpack=True),
    )
    def test_a_ledger_that_may_no_longer_be_written(self, desk: Desk, what: str, bits: int) -> None:
        place = desk.folder / "place"
        place.mkdir()
        words = (*run_words(desk, 20), "--ledger", "place/campaign.db")
        desk.run(*words, "--limit", "5", code=5)
        with mode(place / what, bits):
            said = finish(start(desk, *words, before=unprivileged()), code=2)
        assert "campaign.db" in said
        assert len(desk.sent()) == 5
        desk.run(*words)
        every_pass_once(desk, 20)

    def test_a_file_where_the_folder_of_the_ledgers_locks_should_be(self, desk: Desk) -> None:
        words = run_words(desk, 20)
        (desk.folder / "campaign.db.runners").write_bytes(b"")
        said = finish(start(desk, *words), code=2)
        assert "campaign.db.runners" in said
        assert desk.simulator.requests() == []
        (desk.folder / "campaign.db.runners").unlink()
        desk.run(*words)
        every_pass_once(desk, 20)

    def test_a_folder_of_the_results_that_can_not_be_written(self, desk: Desk) -> None:
        (desk.folder / "place").mkdir()
        words = (*run_words(desk, 20), "--results", "place/out.csv")
        with mode(desk.folder / "place", 0o500):
            said = finish(start(desk, *words, before=unprivileged()), code=2)
        assert "place/out.csv can't be written" in said
        assert desk.simulator.requests() == []
        desk.run(*words)
        every_pass_once(desk, 20)

    def test_a_folder_of_the_list_that_can_not_be_written_needs_another_place_for_the_results(self, desk: Desk) -> None:
        (desk.folder / "place").mkdir()
        path = desk.make_list(20).rename(desk.folder / "place" / "list.csv")
        words = ("run", str(path), "--message", MESSAGE)
        with mode(desk.folder / "place", 0o500):
            said = finish(start(desk, *words, before=unprivileged()), code=2)
            assert "list.results.csv" in said
            assert desk.simulator.requests() == []
            finish(start(desk, *words, "--results", str(desk.folder / "out.csv"), before=unprivileged()), code=0)
        every_pass_once(desk, 20)
        agrees(desk, desk.folder / "out.csv")

    def test_results_that_are_a_folder(self, desk: Desk) -> None:
        (desk.folder / "out.csv").mkdir()
        said = finish(start(desk, *run_words(desk, 20), "--results", "out.csv"), code=2)
        assert "is a folder" in said
        assert desk.simulator.requests() == []

    def test_results_that_another_program_has_open_stay_as_it_sees_them(self, desk: Desk) -> None:
        out = desk.folder / "out.csv"
        words = (*run_words(desk, 20), "--results", str(out))
        desk.run(*words, "--limit", "5", code=5)
        with out.open(encoding="utf-8-sig", newline="") as held:
            desk.run(*words)
            seen = [row["delivery_status"] for row in csv.DictReader(held)]
        assert seen.count("delivered") == 5
        agrees(desk, out)
        every_pass_once(desk, 20)

    def test_results_that_may_no_longer_be_written_when_all_is_sent(self, desk: Desk) -> None:
        place = desk.folder / "place"
        place.mkdir()
        words = (*run_words(desk, 60), "--rate", "40", "--results", "place/out.csv")
        process = start(desk, *words, before=unprivileged())
        wait_for(lambda: len(desk.sent()) > 5)
        with mode(place, 0o500):
            said = finish(process, code=4)
        assert "campaign report list --output" in said
        assert json.loads(desk.run(*words, "--json").stdout)["by_status"]["delivered"] == 60
        every_pass_once(desk, 60)
        agrees(desk, Path(place / "out.csv"))
