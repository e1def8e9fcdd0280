"""A job carried out, and whether there was anything to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import assert_never

from campaign.app import runs
from campaign.app.jobs.orders import Order, RetryOrder, SendOrder
from campaign.app.runs import Finished, Front
from campaign.app.sending import reading
from campaign.domain.model import CampaignState, Counts
from campaign.sender.port import Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How a job ended. `nothing_to_do` is a sentence if that is so: then all is well, whatever became of the rows before.

    `finished` is None if there is no campaign yet.
    """

    campaign: str
    finished: Finished | None
    nothing_to_do: str = ""


async def carry_out(order: Order, front: Front) -> Carried:
    """Do what a job says; the campaign goes on where it stopped, and one that is being sent is joined.

    Raises:
        CampaignError: with the exit code that says how far it came.
    """
    match order:
        case SendOrder():
            return await _send(order, front)
        case RetryOrder():
            return await _retry(order, front)
        case never:
            assert_never(never)


async def _send(order: SendOrder, front: Front) -> Carried:
    seen = _Seen(front)
    finished = await runs.run_list(order.source, order.settings, seen.front)
    name = finished.view.record.spec.name
    over = {CampaignState.FINISHED, CampaignState.CANCELLED}
    if seen.any_run or finished.view.counts.open or finished.view.state not in over:
        return Carried(campaign=name, finished=finished)
    return _idle(name, finished, f"every row of the campaign “{name}” has ended before")


async def _retry(order: RetryOrder, front: Front) -> Carried:
    with reading(order.settings) as reader:
        missing = reader.campaign(order.campaign) is None
    if missing and order.comes_and_goes:
        return _idle(order.campaign, None, f"there is no campaign named “{order.campaign}” yet")
    seen = _Seen(front)
    finished = await runs.retry(order.campaign, order.statuses, order.settings, seen.front)
    if seen.any_run or any(finished.view.counts.by_status[status] for status in order.statuses):
        return Carried(campaign=order.campaign, finished=finished)
    kinds = " or ".join(sorted(order.statuses))
    return _idle(order.campaign, finished, f"no rows of the campaign “{order.campaign}” are {kinds}")


def _idle(name: str, finished: Finished | None, why: str) -> Carried:
    if finished is not None:
        finished = Finished(view=replace(finished.view, exit_code=0), note=finished.note)
    return Carried(campaign=name, finished=finished, nothing_to_do=f"Nothing to do: {why}. Nothing was sent.")


class _Seen:
    """A front that notices whether there was a run to show."""

    def __init__(self, front: Front) -> None:
        self.any_run = False
        self._front = front
        self.front = replace(front, watch=self._watch)

    @contextmanager
    def _watch(self, name: str, counts: Counts) -> Iterator[Observer]:
        self.any_run = True
        with self._front.watch(name, counts) as observer:
            yield observer
