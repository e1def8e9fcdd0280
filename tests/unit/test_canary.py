"""A few first: when the rest follows, and when it does not."""

import pytest

from campaign.app.sending.canary import send_carefully, verdict_on
from campaign.domain.failure_guard import Halt
from campaign.domain.model import Counts
from campaign.domain.status import Status
from campaign.sender.stop import End, StopReason


class Campaign:
    """Rows that end as the test says, in their order; `limits` is what was sent at a time, a canary's rows or a limit."""

    def __init__(self, *fates: Status, sent: int = 0) -> None:
        self.fates = fates
        self.sent = sent
        self.limits: list[int | None] = []

    async def run(self, limit: int | None, rows: tuple[int, ...] | None) -> End:
        assert rows is None or limit is None
        self.limits.append(limit if rows is None else len(rows))
        most = max(rows) if rows else self.sent + limit if limit is not None else len(self.fates)
        self.sent = min(most, len(self.fates))
        return End(ended=StopReason.FINISHED if self.sent == len(self.fates) else StopReason.LIMIT)

    async def choose(self, count: int) -> tuple[int, ...]:
        return tuple(range(self.sent + 1, min(self.sent + count, len(self.fates)) + 1))

    def counts(self) -> Counts:
        by_status = dict.fromkeys(Status, 0)
        for number, fate in enumerate(self.fates):
            by_status[fate if number < self.sent else Status.PENDING] += 1
        return Counts(by_status=by_status)

    async def send(
        self, *, canary: int | None = None, limit: int | None = None, halt: Halt | None = None, fresh_canary: bool = False
    ) -> End:
        return await send_carefully(
            self.run, self.choose, self.counts, canary=canary, limit=limit, halt=halt or Halt(), fresh_canary=fresh_canary
        )


GOOD, BAD = Status.DELIVERED, Status.FAILED


async def test_without_a_canary_everything_is_sent_at_once() -> None:
    campaign = Campaign(*[GOOD] * 10)
    assert (await campaign.send(limit=4)).ended is StopReason.LIMIT
    assert campaign.limits == [4]


async def test_after_a_good_canary_the_rest_follows() -> None:
    campaign = Campaign(*[GOOD] * 10)
    assert (await campaign.send(canary=3)).ended is StopReason.FINISHED
    assert campaign.limits == [3, None]


async def test_after_a_bad_canary_nothing_follows() -> None:
    campaign = Campaign(BAD, GOOD, GOOD, GOOD, *[GOOD] * 10)
    end = await campaign.send(canary=4)
    assert end.ended is StopReason.SAFEGUARD
    assert "1 of " in end.why
    assert campaign.limits == [4]


async def test_a_canary_that_was_sent_before_is_not_sent_again() -> None:
    campaign = Campaign(*[GOOD] * 10, sent=3)
    await campaign.send(canary=3)
    assert campaign.limits == [None]


async def test_a_canary_that_was_broken_off_is_completed() -> None:
    campaign = Campaign(*[GOOD] * 10, sent=1)
    await campaign.send(canary=3)
    assert campaign.limits == [2, None]


async def test_what_failed_before_a_canary_was_broken_off_counts() -> None:
    campaign = Campaign(BAD, BAD, *[GOOD] * 10, sent=2)
    end = await campaign.send(canary=4, halt=Halt(share=0.5))
    assert end.ended is StopReason.SAFEGUARD
    assert "2 of " in end.why


async def test_a_canary_that_was_cut_off_before_it_was_judged_is_not_a_good_one() -> None:
    # Killed, or beside another process that still waits for what becomes of its canary: nobody has said that the rest may follow.
    campaign = Campaign(*[BAD] * 40, sent=5)
    assert (await campaign.send(canary=5)).ended is StopReason.SAFEGUARD
    assert campaign.limits == [5]


async def test_after_a_bad_canary_the_same_command_tries_another_first() -> None:
    campaign = Campaign(*[BAD] * 4, *[GOOD] * 10)
    assert (await campaign.send(canary=4)).ended is StopReason.SAFEGUARD
    assert (await campaign.send(canary=4)).ended is StopReason.FINISHED
    assert campaign.limits == [4, 4, None]


async def test_rows_that_are_left_out_are_no_canary() -> None:
    campaign = Campaign(GOOD, Status.SKIPPED, Status.SKIPPED, BAD, GOOD, *[GOOD] * 10)
    assert (await campaign.send(canary=3, halt=Halt(share=0.5))).ended is StopReason.FINISHED
    assert campaign.limits == [3, 2, None]


async def test_what_a_person_has_sent_again_gets_a_canary_of_its_own() -> None:
    campaign = Campaign(*[GOOD] * 50, *[BAD] * 20, sent=50)
    end = await campaign.send(canary=4, fresh_canary=True)
    assert end.ended is StopReason.SAFEGUARD
    assert "4 of " in end.why


async def test_what_is_still_to_be_read_back_has_no_outcome_yet() -> None:
    asked: list[int] = []

    async def choose(count: int) -> tuple[int, ...]:
        asked.append(count)
        return ()

    async def run(_limit: int | None, _rows: tuple[int, ...] | None) -> End:
        return End(ended=StopReason.FINISHED)

    counts = Counts(by_status=dict.fromkeys(Status, 0) | {GOOD: 3, Status.UNKNOWN: 2}, unverified=2)
    await send_carefully(run, choose, lambda: counts, canary=5, limit=None, halt=Halt())
    assert asked == [2]


@pytest.mark.parametrize(("limit", "limits"), [(2, [2]), (3, [3]), (5, [3, 2])])
async def test_a_limit_counts_the_canary(limit: int, limits: list[int]) -> None:
    campaign = Campaign(*[GOOD] * 10)
    assert (await campaign.send(canary=3, limit=limit)).ended is StopReason.LIMIT
    assert campaign.limits == limits


async def test_a_list_shorter_than_the_canary_just_ends() -> None:
    campaign = Campaign(GOOD, BAD)
    assert (await campaign.send(canary=5)).ended is StopReason.FINISHED
    assert campaign.limits == [2]


@pytest.mark.parametrize(
    ("tried", "failed", "halt", "stops"),
    [
        (10, 1, Halt(), False),
        (10, 2, Halt(), True),
        (10, 4, Halt(share=0.5), False),
        (10, 5, Halt(share=0.5), True),
        (10, 2, Halt(count=3), False),
        (10, 3, Halt(count=3), True),
        (0, 0, Halt(), False),
    ],
)
def test_what_a_canary_is_held_to(tried: int, failed: int, halt: Halt, *, stops: bool) -> None:
    assert bool(verdict_on(tried, failed, halt)) is stops
