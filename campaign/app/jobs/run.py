"""Runs a job, and says whether there was anything to do."""

import asyncio
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from campaign.app import retry, run
from campaign.app.jobs.job import Command, Job
from campaign.app.jobs.resolve import Order, RetryOrder, SendOrder, order_of, rows_of
from campaign.app.lists.named_rows import ALREADY_RETRIED, RETRIED, UNDER_WAY
from campaign.app.open_ledger import reading
from campaign.app.session import CommandResult, UserInterface
from campaign.domain.errors import InputError, UsageError
from campaign.domain.model import CampaignState, Counts
from campaign.domain.status import Status
from campaign.sender.port import Observer
from campaign.settings import Settings


async def carry_out(job: Job, settings: Settings, ui: UserInterface, *, now: datetime) -> CommandResult:
    """Run a job: a stopped campaign goes on, and a campaign that is being sent is joined. `settings` are from `settings_of`.

    If there was nothing to do, the exit code is 0, even if rows failed before: the run in which they failed has reported it.

    Raises:
        CampaignError: its exit code says how far the job came.
    """
    order = await asyncio.to_thread(order_of, job, settings, now=now)
    seen = _Seen(ui)
    with _notifying(job):
        match order:
            case SendOrder():
                finished = await run.run_list(order.source, order.settings, seen.ui)
            case RetryOrder():
                rows = await asyncio.to_thread(rows_of, order, job, now=now)
                finished = await retry.retry(order.campaign, order.selection, order.settings, seen.ui, rows=rows)
            case never:
                assert_never(never)
    if not seen.any_run and (why := _why_idle(order, finished, settings)):
        return CommandResult(view=replace(finished.view, exit_code=0), note=nothing_to_do(why), brief=True, details=finished.details)
    return replace(finished, view=replace(finished.view, go_on=shlex.join(["campaign", "run", str(job.file)])))


def too_early(job: Job, settings: Settings, *, now: datetime) -> str:
    """A sentence if the job retries a campaign whose name changes with the day, and that does not exist yet; else empty."""
    if job.command is not Command.RETRY:
        return ""
    order = order_of(job, settings, now=now)
    if not isinstance(order, RetryOrder) or not order.comes_and_goes:
        return ""
    with reading(settings) as reader:
        missing = reader.campaign(order.campaign) is None
    return nothing_to_do(f"there is no campaign named “{order.campaign}” yet") if missing else ""


def nothing_to_do(why: str) -> str:
    return f"Nothing to do: {why}. Nothing was sent."


def _why_idle(order: Order, finished: CommandResult, settings: Settings) -> str:
    """The end of a sentence that says why nothing was left to do; empty if there was another reason for no run."""
    seen = finished.view
    name = seen.record.spec.name
    match order:
        case SendOrder():
            done = not seen.counts.open and seen.state in {CampaignState.FINISHED, CampaignState.CANCELLED}
            return f"every row of the campaign “{name}” has ended before" if done else ""
        case RetryOrder():
            chosen = order.selection
            if order.rows:
                kinds = finished.details["rows_file"]["by_kind"]
                left = kinds[RETRIED] + sum(kinds.get(kind, 0) for kind in (Status.PENDING, UNDER_WAY, ALREADY_RETRIED))
                return "" if left else f"the file names no row of the campaign “{name}” that is {chosen.in_words()}"
            with reading(settings) as reader:
                left = reader.matching(seen.record.id, chosen)
            return "" if left else f"no rows of the campaign “{name}” are {chosen.in_words()}"
        case never:
            assert_never(never)


@contextmanager
def _notifying(job: Job) -> Iterator[None]:
    """Put the job file's name before an error, as a person who reads it in a mail has to know which job it concerns."""
    try:
        yield
    except (UsageError, InputError) as error:
        error.args = (f"{job.file}: {error}",)
        raise


class _Seen:
    """A ui that records whether there was a run to show."""

    def __init__(self, ui: UserInterface) -> None:
        self.any_run = False
        self._front = ui
        self.ui = replace(ui, watch=self._watch)

    @contextmanager
    def _watch(self, name: str, counts: Counts) -> Iterator[Observer]:
        self.any_run = True
        with self._front.watch(name, counts) as observer:
            yield observer
