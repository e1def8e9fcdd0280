"""What a mended file comes to, found out by a process of its own: what it unpacks to is not in the memory of the pages."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign.console.console import Console
from campaign.console.drafts.jobs import Jobs
from campaign.console.drafts.order import Order
from campaign.console.drafts.wording import without_paths
from campaign.domain.errors import CampaignError, UsageError

if TYPE_CHECKING:
    from campaign.settings import Settings

TASK = "mended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a file comes to: rows that would be sent, those taken from it before, and in words what else there is to say."""

    sent: int
    waiting: int
    words: str


def jobs_of(console: Console) -> Jobs:
    """For the processes that read mended files."""
    return Jobs(console.settings, (sys.executable, "-P"))


async def plan_of(jobs: Jobs, console: Console, *, campaign: str, file: Path, message: str) -> Plan:
    """What this file comes to, which somebody says is of this campaign.

    Raises:
        UsageError: it is not, or can't be sent as it was mended.
    """
    flags = {"ledger": console.settings.public_ledger, "message": message}
    given = {name: value for name, value in flags.items() if value}
    order = Order(task=TASK, folder="", source=str(file), key=campaign, flags=given, names={str(file): f"The file{file.suffix}"})
    job = jobs.start(file.name, order, lambda: None)
    await job.ended.wait()
    answer: dict[str, Any] = job.answer
    text = console.pages.text
    if job.broken or "error" not in answer:
        raise UsageError(text("campaigns.mended.broken"), code="file_not_readable")
    if answer.get("other"):
        raise UsageError(text("campaigns.mended.other"), code="other_campaign")
    if answer["error"]:
        raise UsageError(answer["error"], code="row_does_not_match")
    return Plan(**answer["plan"])


def told(order: Order) -> dict[str, Any]:
    """The process's answer: `error` is empty if there is a `plan`, and `other` is that the file is of another campaign."""
    from campaign.settings import Settings  # noqa: PLC0415 - for the process only

    try:
        plan = _plan(order, Settings.read(**order.flags))
    except CampaignError as error:
        return {"error": without_paths(str(error), order.names)}
    return {"error": "", "other": True} if plan is None else {"error": "", "plan": asdict(plan)}


def _plan(order: Order, own: "Settings") -> Plan | None:
    from campaign.app.finding import reading  # noqa: PLC0415 - (same)
    from campaign.app.mended import mended_file  # noqa: PLC0415 - for the process only
    from campaign.app.mending import MENDABLE, Mender, Texts  # noqa: PLC0415 - (same)
    from campaign.app.mending import told as in_words  # noqa: PLC0415 - (same)
    from campaign.domain.selection import Selection  # noqa: PLC0415 - (same)

    with reading(own) as reader, mended_file(order.source, reader) as found:
        if found is None or found.record.spec.name != order.key:
            return None
        settings = own.over(found.record.spec.settings)
        settings = settings.model_copy(update={"message": order.flags.get("message"), "template": None, "templates": None})
        texts = Texts.of(found, settings)
        must_be_known = settings.window is not None and settings.time_zone is None
        mender = Mender(file=found, texts=texts, selection=Selection(statuses=MENDABLE), zones_must_be_known=must_be_known)
        for _ in mender.batches(reader):
            pass
        return Plan(sent=mender.totals.sent, waiting=mender.totals.waiting, words=in_words(mender))
