"""When a campaign is sent: windows, zones, start and end, by a clock that the test owns. The times are those of the simulator's audit."""

import json
from datetime import datetime, time

import pytest

from campaign.domain.model import Skip
from campaign.domain.text.reasons import reason_in_words
from tests.acceptance.desk import Desk, broke_off
from tests.acceptance.test_run import results
from tests.acceptance.wallclock import Wall

BERLIN = "Europe/Berlin"
RUN = ("run", "list.csv", "--message", "Hi {{ first_name }}")
IN_BERLIN = ("--time-zone", BERLIN)


def everyone_once(desk: Desk, rows: int) -> None:
    assert desk.sent() == {f"pass-{row:05}": [f"Hi Name {row}"] for row in range(1, rows + 1)}


def event(stderr: str, name: str) -> dict[str, object]:
    found: dict[str, object] = next(one for line in stderr.splitlines() if (one := json.loads(line))["event"] == name)
    return found


class TestWindow:
    def test_outside_it_nothing_is_sent_and_until_when_is_said(self, wall: Wall) -> None:
        wall.desk.make_list(60)
        wall.set("2026-11-24T08:59:00+01:00")
        run = wall.start(*RUN, "--window", "09:00-20:00", *IN_BERLIN, "--rate", "40")
        assert wall.until_told(run, "waiting_for_its_time")["until"] == "2026-11-24T08:00+00:00"
        assert wall.nothing_more(run) == 0
        wall.set("2026-11-24T09:00:00+01:00")
        wall.until_sent(10)
        wall.set("2026-11-24T20:00:00+01:00")
        assert 10 <= wall.nothing_more(run) < 60
        wall.set("2026-11-25T09:00:00+01:00")
        wall.ended(run)
        everyone_once(wall.desk, 60)
        wall.each_was(lambda at: time(9) <= at.time() < time(20), BERLIN)

    @pytest.mark.slow
    def test_over_midnight_it_is_open_on_both_days(self, wall: Wall) -> None:
        wall.desk.make_list(60)
        wall.set("2026-11-24T21:59:00+01:00")
        run = wall.start(*RUN, "--window", "22:00-02:00", *IN_BERLIN, "--rate", "30")
        wall.until_told(run, "waiting_for_its_time")
        assert wall.nothing_more(run) == 0
        wall.set("2026-11-24T23:59:59+01:00")
        wall.until_sent(45)
        wall.set("2026-11-25T02:00:00+01:00")
        assert wall.nothing_more(run) < 60
        wall.set("2026-11-25T22:00:00+01:00")
        wall.ended(run)
        everyone_once(wall.desk, 60)
        wall.each_was(lambda at: at.time() >= time(22) or at.time() < time(2), BERLIN)
        hours = {wall.shown(one, BERLIN)[-1].hour for one in wall.desk.simulator.audit()}
        assert hours >= {23, 0, 22}

    def test_in_the_night_that_has_no_two_o_clock_nothing_is_sent_at_three(self, wall: Wall) -> None:
        wall.desk.make_list(3)
        wall.set("2026-03-29T01:59:58+01:00")
        run = wall.start(*RUN, "--window", "02:00-03:00", *IN_BERLIN)
        assert wall.until_told(run, "waiting_for_its_time")["until"] == "2026-03-30T00:00+00:00"
        wall.set("2026-03-29T01:59:58+01:00")
        # The clocks go from 1:59:59 to 3:00:00 while it waits.
        assert wall.nothing_more(run, seconds=3.0) == 0
        wall.set("2026-03-30T02:00:00+02:00")
        wall.ended(run)
        everyone_once(wall.desk, 3)
        wall.each_was(lambda at: at.date().isoformat() == "2026-03-30" and at.hour == 2, BERLIN)

    @pytest.mark.slow
    def test_in_the_night_in_which_an_hour_comes_twice_both_are_used(self, wall: Wall) -> None:
        wall.desk.make_list(80)
        wall.set("2026-10-25T02:30:00+02:00")
        run = wall.start(*RUN, "--window", "02:30-02:45", *IN_BERLIN, "--rate", "40")
        wall.until_sent(10)
        wall.set("2026-10-25T02:45:00+02:00")
        first = wall.nothing_more(run)
        assert 10 <= first < 80
        wall.set("2026-10-25T02:29:00+01:00")
        assert wall.nothing_more(run) == first
        wall.set("2026-10-25T02:30:00+01:00")
        wall.ended(run)
        everyone_once(wall.desk, 80)
        wall.each_was(lambda at: time(2, 30) <= at.time() < time(2, 45), BERLIN)
        folds = [wall.shown(one, BERLIN)[-1].fold for one in wall.desk.simulator.audit()]
        assert folds == [0] * first + [1] * (80 - first)

    def test_each_row_is_sent_by_day_where_it_lives(self, wall: Wall) -> None:
        zones = {"tokyo": "Asia/Tokyo", "york": "America/New_York", "kolkata": "Asia/Kolkata", "home": ""}
        rows = "".join(f"{name}-{number},{zone}\n" for number in range(5) for name, zone in zones.items())
        (wall.desk.folder / "list.csv").write_text(f"pass_id,time_zone\n{rows}", encoding="utf-8")
        wall.set("2026-11-24T00:30:00+00:00")  # 9:30 in Tokyo, 6:00 in Kolkata, 1:30 in Berlin, 19:30 of the day before in New York
        run = wall.start("run", "list.csv", "--message", "Hi", "--window", "09:00-18:00", *IN_BERLIN)
        wall.until_sent(5)
        assert wall.nothing_more(run) == 5
        for utc, count in (("03:30", 10), ("08:00", 15), ("13:59", 15), ("14:00", 20)):
            wall.set(f"2026-11-24T{utc}:00+00:00")
            if count < 20:
                wall.until_sent(count)
                assert wall.nothing_more(run, seconds=0.5) == count
        wall.ended(run)
        audit = wall.desk.simulator.audit()
        assert [one.id.partition("-")[0] for one in audit] == ["tokyo"] * 5 + ["kolkata"] * 5 + ["home"] * 5 + ["york"] * 5
        for one in audit:
            assert any(9 <= at.hour < 18 for at in wall.shown(one, zones[one.id.partition("-")[0]] or BERLIN)), one

    def test_without_waiting_the_run_ends_with_5_and_the_rows_stay(self, wall: Wall) -> None:
        wall.desk.make_list(4)
        words = (*RUN, "--window", "09:00-20:00", *IN_BERLIN, "--no-wait")
        wall.set("2026-11-24T20:00:00+01:00")
        done = wall.run(*words, code=5)
        assert "2026-11-25 09:00" in done.stdout
        wall.set("2026-11-25T08:59:00+01:00")
        wall.run("resume", "list", "--no-wait", code=5)
        assert wall.desk.simulator.requests() == []
        wall.set("2026-11-25T09:00:00+01:00")
        wall.run(*words)
        everyone_once(wall.desk, 4)

    def test_whoever_resumes_it_at_night_sends_in_the_morning(self, wall: Wall) -> None:
        wall.desk.make_list(6)
        wall.set("2026-11-24T12:00:00+01:00")
        wall.run(*RUN, "--window", "09:00-20:00", *IN_BERLIN, "--limit", "2", code=5)
        wall.set("2026-11-25T03:00:00+01:00")
        resumed = wall.start("resume", "list")
        wall.until_told(resumed, "waiting_for_its_time")
        assert wall.nothing_more(resumed) == 2
        wall.set("2026-11-25T09:00:00+01:00")
        wall.ended(resumed)
        everyone_once(wall.desk, 6)
        wall.each_was(lambda at: time(9) <= at.time() < time(20), BERLIN)


class TestStartAndEnd:
    @pytest.mark.parametrize("start", ["18:00", "2026-11-24T18:00", "2026-11-24T17:00+00:00"])
    def test_nothing_leaves_before_the_start(self, wall: Wall, start: str) -> None:
        wall.desk.make_list(3)
        wall.set("2026-11-24T17:59:00+01:00")
        run = wall.start(*RUN, "--start-at", start, *IN_BERLIN)
        assert wall.until_told(run, "waiting_for_its_time")["until"] == "2026-11-24T17:00+00:00"
        assert wall.nothing_more(run) == 0
        wall.set("2026-11-24T18:00:00+01:00")
        wall.ended(run)
        everyone_once(wall.desk, 3)
        wall.each_was(lambda at: at >= datetime.fromisoformat("2026-11-24T18:00:00+01:00"))

    def test_the_start_that_was_said_yesterday_is_yesterdays(self, wall: Wall) -> None:
        wall.desk.make_list(3)
        words = (*RUN, "--start-at", "18:00", *IN_BERLIN)
        wall.set("2026-11-24T12:00:00+01:00")
        wall.run(*words, "--no-wait", code=5)
        wall.set("2026-11-25T09:00:00+01:00")
        wall.run(*words)
        everyone_once(wall.desk, 3)

    def test_what_is_left_at_the_end_is_skipped_and_never_sent(self, wall: Wall) -> None:
        wall.desk.make_list(200)
        wall.set("2026-12-24T17:59:30+01:00")
        run = wall.start(*RUN, "--not-after", "18:00", *IN_BERLIN, "--rate", "20")
        wall.until_sent(10)
        wall.set("2026-12-24T18:00:00+01:00")
        done = wall.ended(run)
        sent = wall.desk.sent()
        assert 10 <= len(sent) < 200
        skipped = {row["pass_id"] for row in results(wall.desk.folder / "list.results.csv") if row["delivery_reason"] == "expired"}
        assert skipped == {f"pass-{row:05}" for row in range(1, 201)} - set(sent)
        wall.each_was(lambda at: at < datetime.fromisoformat("2026-12-24T18:00:00+01:00"))
        assert f"  {len(skipped):,}  {reason_in_words(Skip.EXPIRED)}" in done.stdout
        # Neither the next day, nor by anybody.
        wall.set("2026-12-25T12:00:00+01:00")
        for words in (("resume", "list"), ("retry", "list")):
            wall.run(*words, code=None)
        assert wall.desk.sent() == sent

    def test_an_end_that_is_over_is_refused_when_given_anew_and_heeded_when_it_was_given_before(self, wall: Wall) -> None:
        wall.desk.make_list(6)
        wall.set("2026-12-24T12:00:00+01:00")
        words = (*RUN, "--not-after", "2026-12-24T18:00", *IN_BERLIN)
        wall.run(*words, "--limit", "2", code=5)
        wall.set("2026-12-24T18:00:01+01:00")
        refused = wall.run("resume", "list", "--not-after", "2026-12-24T18:00:00+01:00", code=2).stderr
        assert broke_off(refused) == "end_is_over"
        assert wall.desk.json("status", "list")["by_status"]["pending"] == 4
        assert json.loads(wall.run(*words, "--json").stdout)["skipped_by_reason"] == {"expired": 4}
        assert len(wall.desk.sent()) == 2

    def test_one_that_can_not_finish_in_time_says_so_before_the_first_message(self, wall: Wall) -> None:
        wall.desk.make_list(2000)
        wall.set("2026-12-24T17:59:00+01:00")
        run = wall.start(*RUN, "--not-after", "2026-12-24T18:00", *IN_BERLIN, "--rate", "20")
        wall.until_sent(3)
        wall.set("2026-12-24T18:00:00+01:00")
        told = event(wall.ended(run).stderr, "cannot_finish_in_time")
        assert "2026-12-24 18:00" in str(told["detail"])
        end = datetime.fromisoformat("2026-12-24T18:00:00+01:00")
        wall.each_was(lambda at: datetime.fromisoformat(str(told["timestamp"])) < at < end)

    @pytest.mark.parametrize("waiting", [(), ("--no-wait",)])
    def test_hours_that_do_not_open_before_the_end_are_refused(self, wall: Wall, waiting: tuple[str, ...]) -> None:
        wall.desk.make_list(3)
        wall.set("2026-12-24T12:00:00+01:00")
        refused = wall.run(*RUN, "--window", "09:00-11:00", "--not-after", "18:00", *IN_BERLIN, *waiting, code=2).stderr
        assert broke_off(refused) == "window_never_opens"
        assert wall.desk.simulator.requests() == []
        assert json.loads(wall.desk.run("status", "--json").stdout) == []

    def test_what_can_no_longer_be_sent_before_the_end_is_not_waited_for(self, wall: Wall) -> None:
        wall.desk.make_list(6)
        wall.set("2026-12-24T10:00:00+01:00")
        wall.run(*RUN, "--window", "09:00-11:00", "--not-after", "18:00", *IN_BERLIN, "--limit", "2", code=5)
        # A window that is given anew is taken for a mistake, where the end of the one that was given before is its end.
        wall.set("2026-12-24T10:30:00+01:00")
        refused = wall.run("resume", "list", "--window", "07:00-08:00", code=2).stderr
        assert broke_off(refused) == "window_never_opens"
        assert wall.desk.json("status", "list")["by_status"]["pending"] == 4
        wall.set("2026-12-24T12:00:00+01:00")
        seen = json.loads(wall.run("resume", "list", "--json").stdout)
        assert (seen["by_status"]["delivered"], seen["skipped_by_reason"]) == (2, {"expired": 4})
        assert len(wall.desk.sent()) == 2
