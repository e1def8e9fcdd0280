"""When and whom, with a wall clock that the test owns; the simulator's audit decides what was sent."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaign.domain.model import Skip
from campaign.domain.schedule import Schedule, parse_window, zone
from campaign.domain.status import Status
from campaign.ledger.port import ClaimFilter
from campaign.ledger.records import CorrectedRow
from campaign.sender.stop import StopReason
from tests.integration.pool_given import Rig, passes, rig

BERLIN = zone("Europe/Berlin")
DAYTIME = Schedule(home=BERLIN, window=parse_window("09:00-20:00"))


@dataclass
class WallClock:
    """The machine's ticks, and a clock on the wall that the test sets; it goes on from there."""

    ahead_seconds: float = 0.0

    def set(self, text: str) -> None:
        self.ahead_seconds = datetime.fromisoformat(text).timestamp() - time.time()

    def wall(self) -> float:
        return time.time() + self.ahead_seconds

    def ticks(self) -> float:
        return time.monotonic()

    def boot(self) -> str:
        return "this"


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


async def nothing_more_is_sent(given: Rig, *, seconds: float = 0.8) -> int:
    """How many have been sent, which stays so for a while."""
    await asyncio.sleep(0.3)
    before = len(given.simulator.audit())
    await asyncio.sleep(seconds)
    assert len(given.simulator.audit()) == before
    return before


class TestWindow:
    async def test_outside_the_window_the_run_waits_says_until_when_and_goes_on(self, tmp_path: Path, clock: WallClock) -> None:
        clock.set("2026-11-24T03:00:00+01:00")
        async with rig(tmp_path, clock=clock) as given:
            record = await given.campaign(*passes(5))
            sending = given.start(record, schedule=DAYTIME)
            assert await nothing_more_is_sent(given) == 0
            assert given.log.named("waiting_for_its_time") == [{"until": "2026-11-24T08:00+00:00"}]
            clock.set("2026-11-24T09:00:01+01:00")
            assert (await sending).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(5), 1)

    async def test_when_it_closes_in_the_middle_nothing_more_leaves(self, tmp_path: Path, clock: WallClock) -> None:
        clock.set("2026-11-24T19:00:00+01:00")
        async with rig(tmp_path, clock=clock) as given:
            record = await given.campaign(*passes(200))
            sending = given.start(record, schedule=DAYTIME, rate_per_second=50.0)
            await given.until(lambda: len(given.processed()) > 10)
            clock.set("2026-11-24T20:00:00+01:00")
            sent = await nothing_more_is_sent(given)
            assert 10 < sent < 200
            clock.set("2026-11-25T09:00:00+01:00")
            assert (await sending).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(200), 1)

    async def test_without_waiting_the_run_ends_and_leaves_the_rows(self, tmp_path: Path, clock: WallClock) -> None:
        clock.set("2026-11-24T03:00:00+01:00")
        async with rig(tmp_path, clock=clock) as given:
            record = await given.campaign("a")
            assert (await given.send(record, schedule=DAYTIME, wait=False)).ended is StopReason.OUTSIDE_WINDOW
            assert given.statuses(record) == {"a": ("pending", "")}

    async def test_each_row_has_its_own_zone_and_the_one_that_closes_first_goes_first(self, tmp_path: Path, clock: WallClock) -> None:
        zones = {"tokyo": "Asia/Tokyo", "york": "America/New_York"}
        clock.set("2026-11-24T11:30:00+01:00")  # 19:30 in Tokyo, 05:30 in New York
        async with rig(tmp_path, clock=clock) as given:
            record = await given.campaign("berlin", "york", "tokyo", zones=zones)
            sending = given.start(record, schedule=DAYTIME, concurrency=1)
            await given.until(lambda: len(given.processed()) == 2)
            assert await nothing_more_is_sent(given) == 2
            clock.set("2026-11-24T15:00:01+01:00")
            assert (await sending).ended is StopReason.FINISHED
            assert [found.id for found in given.simulator.audit()] == ["tokyo", "berlin", "york"]

    async def test_without_waiting_the_run_ends_when_only_zones_are_left_in_which_it_is_not_the_time(
        self, tmp_path: Path, clock: WallClock
    ) -> None:
        clock.set("2026-11-24T13:30:00+01:00")  # 21:30 in Tokyo
        async with rig(tmp_path, clock=clock) as given:
            record = await given.campaign("berlin", "tokyo", zones={"tokyo": "Asia/Tokyo"})
            async with asyncio.timeout(30):
                assert (await given.send(record, schedule=DAYTIME, wait=False)).ended is StopReason.OUTSIDE_WINDOW
            assert given.processed() == {"berlin": 1}
            assert given.log.named("waiting_for_its_time") == [{"until": "2026-11-25T00:00+00:00"}]

    async def test_a_row_that_was_corrected_into_another_zone_meanwhile_is_sent_too(self, tmp_path: Path, clock: WallClock) -> None:
        clock.set("2026-11-24T10:30:00+01:00")
        async with rig(tmp_path, clock=clock, missing=["gone"]) as given:
            record = await given.campaign("gone", *passes(60))
            sending = given.start(record, schedule=DAYTIME, rate_per_second=30.0)
            await given.until(lambda: given.statuses(record)["gone"][0] == "failed")
            corrected = CorrectedRow(row=1, pass_id="found", pass_key="found", message="Hello", cells=("found",), zone="Asia/Tokyo")
            assert await given.ledger.apply_corrections(record.id, [corrected], [], frozenset({Status.FAILED})) == 1
            async with asyncio.timeout(20):
                assert (await sending).ended is StopReason.FINISHED
            assert given.processed()["found"] == 1

    async def test_in_a_night_without_two_o_clock_nothing_is_sent_from_two_to_three(self, tmp_path: Path, clock: WallClock) -> None:
        night = Schedule(home=BERLIN, window=parse_window("02:00-03:00"))
        clock.set("2026-03-29T01:59:30+01:00")
        async with rig(tmp_path, clock=clock) as given:
            record = await given.campaign("a")
            sending = given.start(record, schedule=night)
            assert await nothing_more_is_sent(given) == 0
            clock.set("2026-03-29T03:00:30+02:00")
            assert await nothing_more_is_sent(given) == 0
            clock.set("2026-03-30T02:00:01+02:00")
            assert (await sending).ended is StopReason.FINISHED

    async def test_the_hour_that_comes_twice_is_used_twice(self, tmp_path: Path, clock: WallClock) -> None:
        night = Schedule(home=BERLIN, window=parse_window("02:30-02:45"))
        clock.set("2026-10-25T02:31:00+02:00")
        async with rig(tmp_path, clock=clock) as given:
            record = await given.campaign(*passes(3))
            assert (await given.send(record, schedule=night, limit=1)).ended is StopReason.LIMIT
            clock.set("2026-10-25T02:50:00+02:00")
            assert (await given.send(record, schedule=night, wait=False)).ended is StopReason.OUTSIDE_WINDOW
            clock.set("2026-10-25T02:31:00+01:00")
            assert (await given.send(record, schedule=night)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(3), 1)


class TestStartAndEnd:
    async def test_nothing_leaves_before_the_start(self, tmp_path: Path, clock: WallClock) -> None:
        clock.set("2026-11-24T12:00:00+00:00")
        schedule = Schedule(start=datetime(2026, 11, 24, 18, tzinfo=UTC))
        async with rig(tmp_path, clock=clock) as given:
            record = await given.campaign("a")
            sending = given.start(record, schedule=schedule)
            assert await nothing_more_is_sent(given) == 0
            clock.set("2026-11-24T18:00:00+00:00")
            assert (await sending).ended is StopReason.FINISHED

    async def test_what_is_left_at_the_end_is_skipped_and_never_sent(self, tmp_path: Path, clock: WallClock) -> None:
        clock.set("2026-11-24T12:00:00+00:00")
        schedule = Schedule(end=datetime(2026, 11, 24, 18, tzinfo=UTC))
        async with rig(tmp_path, clock=clock) as given:
            record = await given.campaign(*passes(200))
            sending = given.start(record, schedule=schedule, rate_per_second=50.0)
            await given.until(lambda: len(given.processed()) > 10)
            clock.set("2026-11-24T18:00:00+00:00")
            assert (await sending).ended is StopReason.FINISHED
            counts = given.reader.counts(record.id)
            assert counts.reasons(Status.SKIPPED) == {"expired": 200 - len(given.processed())}
            assert counts.by_status[Status.DELIVERED] == len(given.processed()) < 150

    async def test_an_unverified_message_at_the_end_is_read_back_and_not_sent_again(self, tmp_path: Path, clock: WallClock) -> None:
        clock.set("2026-11-24T12:00:00+00:00")
        schedule = Schedule(end=datetime(2026, 11, 24, 18, tzinfo=UTC))
        async with rig(tmp_path, clock=clock, faults={"cut_before": 1.0}) as given:
            record = await given.campaign("a")
            sending = given.start(record, schedule=schedule)
            await given.until(lambda: given.statuses(record)["a"][0] == "unknown")
            clock.set("2026-11-24T18:00:00+00:00")
            assert (await sending).ended is StopReason.FINISHED
            assert given.statuses(record) == {"a": ("skipped", "expired")}


class TestWhom:
    async def test_a_fourth_message_in_a_day_is_left_out_and_a_later_one_is_not(self, tmp_path: Path, clock: WallClock) -> None:
        clock.set("2026-11-24T12:00:00+00:00")
        async with rig(tmp_path, clock=clock) as given:
            for number in range(4):
                record = await given.campaign("a", name=f"offer {number}", message=f"Offer {number}")
                await given.send(record, daily_cap=3)
            assert given.statuses(record) == {"a": ("skipped", "frequency_cap")}
            clock.set("2026-11-25T11:59:00+00:00")
            record = await given.campaign("a", name="too soon", message="Too soon")
            await given.send(record, daily_cap=3)
            assert given.statuses(record) == {"a": ("skipped", "frequency_cap")}
            clock.set("2026-11-25T12:01:00+00:00")
            record = await given.campaign("a", name="next day", message="Next day")
            await given.send(record, daily_cap=3)
            assert [found.message for found in given.simulator.audit()] == ["Offer 0", "Offer 1", "Offer 2", "Next day"]

    async def test_a_message_that_another_token_has_under_way_counts(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            first, second = [await given.campaign("a", name=name, message=name) for name in ("first", "second")]
            one = await given.ledger.register_runner(first.id, quiet_seconds=1.0, api=given.simulator.url, account="one")
            two = await given.ledger.register_runner(second.id, quiet_seconds=1.0, api=given.simulator.url, account="two")
            terms = ClaimFilter(daily_cap=1)
            assert len(await given.ledger.claim(one, 1, terms)) == 1
            assert await given.ledger.claim(two, 1, terms) == []
            await given.ledger.deregister_runner(one, "test")
            assert await given.ledger.claim(two, 1, terms) == []

    async def test_what_reached_nobody_does_not_count_and_no_cap_is_no_cap(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults={"not_delivered": 1.0}) as given:
            for number in range(5):
                record = await given.campaign("a", name=f"offer {number}", message=f"Offer {number}")
                await given.send(record, daily_cap=1)
            given.simulator.configure(faults={})
            for number in range(5, 8):
                record = await given.campaign("a", name=f"offer {number}", message=f"Offer {number}")
                await given.send(record, daily_cap=0)
            assert len(given.simulator.audit()) == 8

    async def test_who_is_excluded_while_the_run_lasts_is_not_told(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            record = await given.campaign(*passes(100))
            sending = given.start(record, rate_per_second=50.0)
            await given.until(lambda: len(given.processed()) > 5)
            await given.ledger.exclude(record.id, passes(100)[50:])
            await sending
            assert given.processed() == dict.fromkeys(passes(50), 1)
            assert given.reader.counts(record.id).reasons(Status.SKIPPED) == {"excluded": 50}

    async def test_a_sample_is_the_same_for_the_same_seed_and_the_rest_stays(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            record = await given.campaign(*passes(100))
            only = given.reader.sample(record.id, 20, 7)
            assert (await given.send(record, only=only, limit=8)).ended is StopReason.LIMIT
            assert given.reader.sample(record.id, 20, 7) == only != given.reader.sample(record.id, 20, 8)
            assert (await given.send(record, only=only)).ended is StopReason.LIMIT
            rows = {row.pass_id: row.row for row in given.rows(record).values()}
            assert sorted(rows[one] for one in given.processed()) == sorted(only)
            assert len(set(only)) == 20
            assert given.reader.counts(record.id).by_status[Status.PENDING] == 80
            assert (await given.send(record, only=only)).ended is StopReason.LIMIT
            assert len(given.simulator.audit()) == 20


@pytest.mark.parametrize("reason", [Skip.EXPIRED, Skip.EXCLUDED])
async def test_leaving_out_takes_what_is_pending_and_nothing_else(tmp_path: Path, reason: Skip) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(4))
        await given.send(record, limit=1)
        assert await given.ledger.skip_pending(record.id, reason) == 3
        assert given.reader.counts(record.id).reasons(Status.SKIPPED) == {reason.value: 3}


def test_the_time_left_counts_only_what_is_open() -> None:
    start = datetime(2026, 11, 24, 12, tzinfo=UTC)
    schedule = Schedule(home=zone("UTC"), window=parse_window("09:00-20:00"), end=start + timedelta(days=1))
    assert schedule.seconds_left(start) == 8 * 3600 + 3 * 3600
    assert Schedule().seconds_left(start) is None
