"""What depends on the day: jobs of a week or a day, lists that get stale, and campaigns that get old."""

import json
from datetime import datetime

from tests.acceptance.test_jobs import write_job
from tests.acceptance.test_whom import everyone, offer
from tests.acceptance.wallclock import Wall


class TestWeek:
    JOB = 'list = "list.csv"\nmessage = "Hi"\nname = "offer-{week}"\ntime_zone = "Europe/Berlin"\n'

    def test_a_weekly_job_tells_everyone_once_a_week(self, wall: Wall) -> None:
        wall.desk.make_list(3)
        job = write_job(wall.desk, self.JOB)
        for at, count in (("2026-11-23T00:30", 1), ("2026-11-29T23:30", 1), ("2026-11-30T00:30", 2), ("2026-12-06T12:00", 2)):
            wall.set(f"{at}:00+01:00")
            wall.run("run", job)
            assert {len(texts) for texts in wall.desk.sent().values()} == {count}
        weeks = [wall.shown(one, "Europe/Berlin")[-1].isocalendar().week for one in wall.desk.simulator.audit()]
        assert weeks == [48] * 3 + [49] * 3
        assert [found["campaign"] for found in json.loads(wall.run("list", "--json").stdout)] == ["offer-2026-W49", "offer-2026-W48"]

    def test_a_daily_job_tells_everyone_once_a_day_of_its_own_zone(self, wall: Wall) -> None:
        wall.desk.make_list(2)
        job = write_job(wall.desk, 'list = "list.csv"\nmessage = "Hi"\nname = "offer-{date}"\ntime_zone = "Europe/Berlin"\n')
        for at, count in (("2026-11-23T23:59:30", 1), ("2026-11-24T00:00:30", 2), ("2026-11-24T23:00:00", 2)):
            wall.set(f"{at}+01:00")
            wall.run("run", job)
            assert {len(texts) for texts in wall.desk.sent().values()} == {count}
        names = [found["campaign"] for found in json.loads(wall.run("list", "--json").stdout)]
        assert names == ["offer-2026-11-24", "offer-2026-11-23"]

    def test_a_stale_list_is_refused_by_its_age(self, wall: Wall) -> None:
        wall.desk.make_list(3)
        job = write_job(wall.desk, self.JOB + 'max_age = "3d"\n')
        wall.set(datetime.fromtimestamp((wall.desk.folder / "list.csv").stat().st_mtime + 3.1 * 86_400).astimezone().isoformat())
        assert "and “max_age” allows 3 d." in wall.run("run", job, code=2).stderr
        assert wall.desk.simulator.requests() == []


def test_what_ended_90_days_ago_is_forgotten_and_what_ended_later_is_not(wall: Wall) -> None:
    wall.desk.make_list(3)
    for name, at in (("old", "2026-06-01"), ("young", "2026-06-03")):
        wall.set(f"{at}T12:00:00+00:00")
        offer(wall, name)
    wall.set("2026-08-31T12:01:00+00:00")
    assert json.loads(wall.run("forget", "--older-than", "90d", "--json").stdout) == {"forgotten": ["old"]}
    assert "was forgotten" in wall.run("run", "list.csv", "--message", "Offer old", "--name", "old", code=2).stderr
    assert wall.desk.sent() == {one: ["Offer old", "Offer young"] for one in everyone(1, 3)}
