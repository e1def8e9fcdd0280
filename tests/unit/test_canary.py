"""A few first: when the rest follows, and when it does not."""

import pytest

from campaign.app.canary import send_carefully, verdict_on
from campaign.domain.model import Counts, Status
from campaign.domain.safeguard import Halt
from campaign.sender.ending import End, Ended


class Campaign:
    """Rows that end as the test says, in their order."""

    def __init__(self, *fates: Status, sent: int = 0) -> None:
        self.fates = fates
        self.sent = sent
        self.limits: list[int | None] = []
        self.read_back_at: list[int] = []

    async def run(self, limit: int | None) -> End:
        self.limits.append(limit)
        most = len(self.fates) if limit is None else self.sent + limit
        self.sent = min(most, len(self.fates))
        return End(ended=Ended.FINISHED if self.sent == len(self.fates) else Ended.LIMIT)

    async def read_back(self) -> None:
        self.read_back_at.append(self.sent)

    def counts(self) -> Counts:
        by_status = dict.fromkeys(Status, 0)
        for number, fate in enumerate(self.fates):
            by_status[fate if number < self.sent else Status.PENDING] += 1
        return Counts(by_status=by_status)

    async def send(self, *, canary: int | None = None, limit: int | None = None, halt: Halt | None = None) -> End:
        return await send_carefully(self.run, self.read_back, self.counts, canary=canary, limit=limit, halt=halt or Halt())


GOOD, BAD = Status.DELIVERED, Status.FAILED


async def test_without_a_canary_everything_is_sent_at_once() -> None:
    campaign = Campaign(*[GOOD] * 10)
    assert (await campaign.send(limit=4)).ended is Ended.LIMIT
    assert campaign.limits == [4]


async def test_after_a_good_canary_the_rest_follows() -> None:
    campaign = Campaign(*[GOOD] * 10)
    assert (await campaign.send(canary=3)).ended is Ended.FINISHED
    assert (campaign.limits, campaign.read_back_at) == ([3, None], [3])


async def test_after_a_bad_canary_nothing_follows() -> None:
    campaign = Campaign(BAD, GOOD, GOOD, GOOD, *[GOOD] * 10)
    end = await campaign.send(canary=4)
    assert end.ended is Ended.SAFEGUARD
    assert "1 of the first 4" in end.why
    assert campaign.limits == [4]


async def test_a_canary_that_was_sent_before_is_not_sent_again() -> None:
    campaign = Campaign(*[GOOD] * 10, sent=3)
    await campaign.send(canary=3)
    assert campaign.limits == [None]


async def test_a_canary_that_was_broken_off_is_completed() -> None:
    campaign = Campaign(*[GOOD] * 10, sent=1)
    await campaign.send(canary=3)
    assert campaign.limits == [2, None]


@pytest.mark.parametrize(("limit", "limits"), [(2, [2]), (3, [3]), (5, [3, 2])])
async def test_a_limit_counts_the_canary(limit: int, limits: list[int]) -> None:
    campaign = Campaign(*[GOOD] * 10)
    assert (await campaign.send(canary=3, limit=limit)).ended is Ended.LIMIT
    assert campaign.limits == limits


async def test_a_list_shorter_than_the_canary_just_ends() -> None:
    campaign = Campaign(GOOD, BAD)
    assert (await campaign.send(canary=5)).ended is Ended.FINISHED
    assert campaign.limits == [5]


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
