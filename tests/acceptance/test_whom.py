"""Whom a campaign is sent to, and how carefully: by the ids, texts and times of the simulator's audit."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from tests.acceptance.desk import Desk
from tests.acceptance.test_jobs import write_job
from tests.acceptance.test_reruns import table
from tests.acceptance.wallclock import Wall
from tests.examples import slow_after

RUN = ("run", "list.csv", "--message", "Hi {{ first_name }}")
HEADER, LEFT = ("Pass ID", "why"), [("pass-00002", "left"), ("PASS-00004".lower(), "left")]


def everyone(first: int, last: int) -> list[str]:
    return [f"pass-{row:05}" for row in range(first, last + 1)]


def offer(wall: Wall, name: str, *words: str, code: int = 0) -> dict[str, int]:
    """A campaign of its own for the same list; who was left out of it, and why."""
    done = wall.run("run", "list.csv", "--message", f"Offer {name}", "--name", name, *words, "--json", code=code)
    found: dict[str, int] = json.loads(done.stdout)["skipped_by_reason"]
    return found


class TestDailyCap:
    def test_a_pass_that_would_get_its_fourth_message_in_24_hours_does_not(self, wall: Wall) -> None:
        wall.desk.make_list(1)
        for name, at in (("one", "2026-10-24T12:00"), ("two", "2026-10-24T18:00"), ("three", "2026-10-25T01:00")):
            wall.set(f"{at}:00+02:00")
            assert offer(wall, name) == {}
        # The night in which the clocks went back: 24 hours after noon it is 11 o'clock.
        wall.set("2026-10-25T10:58:00+01:00")
        assert offer(wall, "four") == {"frequency_cap": 1}
        wall.set("2026-10-25T11:02:00+01:00")
        assert offer(wall, "five") == {}
        assert offer(wall, "six") == {"frequency_cap": 1}
        assert wall.desk.sent() == {"pass-00001": ["Offer one", "Offer two", "Offer three", "Offer five"]}
        seconds = [wall.shown(one)[-1].timestamp() for one in wall.desk.simulator.audit()]
        assert all(later - first > 86_400 for first, later in zip(seconds, seconds[3:], strict=False))

    @pytest.mark.slow
    def test_0_is_any_number_and_another_number_is_that(self, wall: Wall) -> None:
        wall.desk.make_list(1)
        wall.set("2026-11-24T12:00:00+01:00")
        assert offer(wall, "one", "--daily-cap", "1") == {}
        assert offer(wall, "two", "--daily-cap", "1") == {"frequency_cap": 1}
        for name in ("three", "four", "five", "six"):
            assert offer(wall, name, "--daily-cap", "0") == {}
        assert wall.desk.sent() == {"pass-00001": [f"Offer {name}" for name in ("one", "three", "four", "five", "six")]}

    def test_it_is_decided_when_the_row_is_sent_and_not_when_the_run_begins(self, wall: Wall) -> None:
        """What other campaigns send while one waits counts, too."""
        wall.desk.make_list(2)
        wall.set("2026-11-24T08:00:00+01:00")
        words = ("--window", "09:00-20:00", "--time-zone", "Europe/Berlin", "--name", "waits")
        waits = wall.start("run", "list.csv", "--message", "Offer waits", *words)
        wall.until_told(waits, "waiting_for_its_time")
        (wall.desk.folder / "list.csv").rename(wall.desk.folder / "both.csv")
        (wall.desk.folder / "list.csv").write_text("pass_id\npass-00002\n", encoding="utf-8")
        for name in ("one", "two", "three"):
            assert offer(wall, name) == {}
        wall.set("2026-11-24T09:00:00+01:00")
        wall.ended(waits)
        assert wall.desk.sent() == {"pass-00001": ["Offer waits"], "pass-00002": ["Offer one", "Offer two", "Offer three"]}

    def test_what_was_sent_counts_in_the_ledger_that_resumes_from_the_results(self, wall: Wall) -> None:
        wall.desk.make_list(2)
        wall.set("2026-11-24T12:00:00+01:00")
        offer(wall, "one", "--limit", "1", code=5)
        wall.desk.environment["CAMPAIGN_LEDGER"] = str(wall.desk.folder / "other.db")
        wall.run("stage", "one.results.csv")
        assert offer(wall, "two", "--daily-cap", "1") == {"frequency_cap": 1}
        assert wall.desk.sent() == {"pass-00001": ["Offer one"], "pass-00002": ["Offer two"]}


def _csv(path: Path) -> None:
    path.write_text("\n".join(";".join(row) for row in (HEADER, *LEFT)), encoding="cp1252")


def _parquet(path: Path) -> None:
    pq.write_table(pa.table({name: [row[place] for row in LEFT] for place, name in enumerate(HEADER)}), path)


def _xlsx(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate((HEADER, *LEFT)):
            sheet.write_row(number, 0, row)


def _jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in LEFT), encoding="utf-8")


def _results(path: Path) -> None:
    names = ("Pass ID", "delivery_status", "delivery_reason", "delivery_message", "delivery_campaign", "delivery_row")
    rows = [{"Pass ID": row[0], "delivery_status": "delivered"} for row in LEFT]
    path.write_text("\n".join([",".join(names), *(",".join(row.get(name, "") for name in names) for row in rows)]) + "\n", encoding="utf-8")


class TestExclude:
    @pytest.mark.parametrize(
        ("name", "make"),
        slow_after(
            2,
            [("left.csv", _csv), ("left.xlsx", _xlsx), ("left.parquet", _parquet), ("left.jsonl", _jsonl), ("left.results.csv", _results)],
            unpack=True,
        ),
    )
    def test_a_list_of_any_kind_may_be_given_and_several(self, desk: Desk, name: str, make: object) -> None:
        assert callable(make)
        make(desk.folder / name)
        (desk.folder / "lost.csv").write_text("uuid\npass-00006\n", encoding="utf-8")
        desk.make_list(6)
        seen = desk.json(*RUN, "--exclude", name, "--exclude", "lost.csv")
        assert seen["skipped_by_reason"] == {"excluded": 3}
        assert sorted(desk.sent()) == ["pass-00001", "pass-00003", "pass-00005"]

    def test_a_job_may_have_several(self, desk: Desk) -> None:
        _csv(desk.folder / "left.csv")
        _xlsx(desk.folder / "more.xlsx")
        desk.make_list(4)
        text = 'list = "list.csv"\nmessage = "Hi"\nexclude = ["left.csv", "more.xlsx"]\n'
        assert desk.json("run", write_job(desk, text))["skipped_by_reason"] == {"excluded": 2}
        assert sorted(desk.sent()) == ["pass-00001", "pass-00003"]

    def test_one_without_an_id_column_sends_nothing_from_a_job_either(self, desk: Desk) -> None:
        (desk.folder / "names.csv").write_text("first_name\nAnna\n", encoding="utf-8")
        desk.make_list(4)
        job = write_job(desk, 'list = "list.csv"\nmessage = "Hi"\nexclude = "names.csv"\n')
        assert "names.csv" in desk.run("run", job, code=2).stderr
        assert desk.sent() == {}


class TestWhich:
    def test_the_same_pass_twice_is_told_once_with_the_first_text(self, desk: Desk) -> None:
        upper = "3F2504E0-4F89-11D3-9A0C-0305E82C3301"
        rows = f"p1,Anna\n{upper},Bob\np1,Cleo\n{upper.lower()},Dan\n p1 ,Eve\n"
        (desk.folder / "list.csv").write_text(f"pass_id,first_name\n{rows}", encoding="utf-8")
        assert desk.json(*RUN)["skipped_by_reason"] == {"duplicate": 3}
        assert desk.sent() == {"p1": ["Hi Anna"], upper: ["Hi Bob"]}

    def test_a_limit_sends_the_first_ones_and_the_next_run_the_next(self, desk: Desk) -> None:
        desk.make_list(9)
        assert desk.json(*RUN, "--limit", "4", code=5)["by_status"]["pending"] == 5
        assert sorted(one.id for one in desk.simulator.audit()) == everyone(1, 4)
        desk.json(*RUN, "--limit", "3", code=5)
        assert sorted(one.id for one in desk.simulator.audit()) == everyone(1, 7)
        desk.json(*RUN)
        assert desk.sent() == {one: [f"Hi Name {place}"] for place, one in enumerate(everyone(1, 9), 1)}

    def test_a_sample_of_the_same_seed_is_the_same_on_any_ledger_and_of_another_is_another(self, desk: Desk) -> None:
        desk.make_list(60)
        drawn = []
        for place, seed in enumerate(("7", "7", "8")):
            desk.simulator.reset()
            desk.json(*RUN, "--sample", "12", "--seed", seed, "--ledger", f"{place}.db", "--results", f"{place}.csv", code=5)
            assert {len(texts) for texts in desk.sent().values()} == {1}
            drawn.append(sorted(desk.sent()))
        assert len(drawn[0]) == 12
        assert drawn[0] == drawn[1] != drawn[2]
        assert drawn[0] != everyone(1, 12)


class TestCarefully:
    def test_the_rest_waits_until_an_unverified_canary_was_read_back(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"cut_after": 1.0})
        desk.make_list(12)
        process = desk.start(*RUN, "--canary", "3", "--quiet-period", "2s")
        desk.until(process, lambda: len(desk.sent()) >= 3)
        desk.simulator.set_faults(faults={})
        assert process.wait(timeout=60) == 0
        process.communicate()
        audit = desk.simulator.audit()
        assert sorted(one.id for one in audit[:3]) == everyone(1, 3)
        assert sorted(one.id for one in audit[3:]) == everyone(4, 12)
        assert audit[3].at_seconds - audit[2].at_seconds >= 2.0
        assert [row["delivery_status"] for row in table(desk.folder / "list.results.csv")] == ["accepted"] * 3 + ["delivered"] * 9

    @pytest.mark.parametrize(("halt", "bad", "code"), slow_after(2, [("50%", 1, 3), ("50%", 2, 4), ("3", 2, 3), ("2", 2, 4)], unpack=True))
    def test_it_is_held_to_what_halt_says(self, desk: Desk, halt: str, bad: int, code: int) -> None:
        desk.make_list(20)
        desk.simulator.set_faults(missing=everyone(1, bad))
        seen = desk.json(*RUN, "--canary", "4", "--halt", halt, code=code)
        sent = sorted(desk.sent())
        if code == 3:
            assert sent == everyone(bad + 1, 20)
        else:
            # A number may be reached before the canary is over.
            assert set(sent) <= set(everyone(bad + 1, 4))
            assert seen["by_status"]["pending"] >= 16

    @pytest.mark.parametrize(("halt", "most"), slow_after(1, [("10", 10), ("50%", 20)], unpack=True))
    def test_when_too_many_fail_no_more_are_tried(self, desk: Desk, halt: str, most: int) -> None:
        desk.simulator.set_faults(faults={"unprocessable": 1.0})
        desk.make_list(400)
        seen = desk.json(*RUN, "--halt", halt, "--rate", "100", code=4)
        # Those that were under way when it was decided are let go.
        tried = [request for request in desk.simulator.requests() if request.method == "POST"]
        assert most <= len(tried) <= most + 20
        assert (seen["by_status"]["failed"], seen["by_status"]["pending"]) == (len(tried), 400 - len(tried))
        assert desk.sent() == {}


class TestBadInput:
    @pytest.mark.parametrize("verb", slow_after(1, ["resume", "retry"]))
    @pytest.mark.parametrize(
        ("words", "says"),
        slow_after(
            2,
            [
                (("--window", "20:00-20:00"), "--window"),
                (("--time-zone", "Mars/One"), "Mars/One"),
                (("--not-after", "soon"), "--not-after"),
                (("--not-after", "2020-01-01"), "that is over"),
                (("--not-after", "2099-01-01", "--start-at", "2099-01-02"), "--start-at"),
                (("--exclude", "names.csv"), "names.csv"),
                (("--exclude", "none.csv"), "none.csv"),
            ],
            unpack=True,
        ),
    )
    def test_what_can_not_be_is_refused_of_a_campaign_that_goes_on_too(
        self, desk: Desk, verb: str, words: tuple[str, ...], says: str
    ) -> None:
        desk.simulator.set_faults(missing=["pass-00001"])
        desk.make_list(4)
        (desk.folder / "names.csv").write_text("first_name\nAnna\n", encoding="utf-8")
        desk.run(*RUN, "--limit", "2", code=5)
        before, counts = len(desk.simulator.requests()), desk.json("status", "list")["by_status"]
        refused = desk.run(verb, "list", *words, code=2).stderr
        assert says in refused
        assert len(desk.simulator.requests()) == before
        assert desk.json("status", "list")["by_status"] == counts

    @pytest.mark.parametrize(
        ("line", "says"),
        slow_after(
            1,
            [
                ('window = "09:00-09:00"', "09:00"),
                ('time_zone = "Europe/Berln"', "Europe/Berlin"),
                ("not_after = 2020-01-01", "2020-01-01"),
                ('windw = "09:00-20:00"', "windw"),
                ('start_at = "2099-01-02"\nnot_after = "2099-01-01"', "--start-at"),
            ],
            unpack=True,
        ),
    )
    def test_of_a_job_too(self, desk: Desk, line: str, says: str) -> None:
        desk.make_list(4)
        refused = desk.run("run", write_job(desk, f'list = "list.csv"\nmessage = "Hi"\n{line}\n'), code=2).stderr
        assert says in refused
        assert desk.simulator.requests() == []
