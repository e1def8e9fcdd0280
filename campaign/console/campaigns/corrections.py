"""Receives a corrected failed-rows file, checks it in a separate process, and passes it to `campaign retry` once somebody confirms."""

import asyncio
import hashlib
import os
import re
import secrets
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from aiohttp import BodyPartReader, web

from campaign.console.access import Person, Role, allow
from campaign.console.auth.authorization import check_still_allowed
from campaign.console.campaigns.context import RequestedCampaign, check_possible, check_size, context_of, controlled_campaign, token_note
from campaign.console.campaigns.control import start
from campaign.console.console import Console, console_of
from campaign.console.drafts.context import TaskRunner
from campaign.console.drafts.inspection import WorkerTask, without_paths
from campaign.console.drafts.uploads import UPLOAD_LIMITS, TooLargeError, files_of, receive
from campaign.console.subprocesses import CommandSpec
from campaign.domain.errors import CampaignError, UsageError
from campaign.domain.status import CORRECTABLE, WITHOUT_MESSAGE
from campaign.loader.formats.file_format import LIST_SUFFIXES

if TYPE_CHECKING:
    from campaign.settings import Settings


TASK = "corrected"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionPlan:
    """The result of a file: the rows that would be sent, those taken from it before, and notes in words."""

    sent: int
    waiting: int
    words: str


def task_runner(console: Console) -> TaskRunner:
    """The runner of the processes that read corrected files."""
    return TaskRunner(console.settings, (sys.executable, "-P"))


async def plan_of(jobs: TaskRunner, console: Console, *, campaign: str, file: Path, message: str) -> CorrectionPlan:
    """The plan for a corrected file of this campaign.

    Raises:
        UsageError: the file belongs to another campaign, or can't be sent as corrected.
    """
    flags = {"ledger": console.settings.public_ledger, "message": message}
    given = {name: value for name, value in flags.items() if value}
    order = WorkerTask(task=TASK, folder="", source=str(file), key=campaign, flags=given, names={str(file): f"The file{file.suffix}"})
    job = jobs.start(file.name, order, lambda: None)
    await job.ended.wait()
    answer: dict[str, Any] = job.answer
    text = console.pages.text
    if job.broken or "error" not in answer:
        raise UsageError(text("campaigns.corrected.broken"), code="file_not_readable")
    if answer.get("other"):
        raise UsageError(text("campaigns.corrected.other"), code="other_campaign")
    if answer["error"]:
        raise UsageError(answer["error"], code="row_does_not_match")
    return CorrectionPlan(**answer["plan"])


def answer(order: WorkerTask) -> dict[str, Any]:
    """The process's answer: `error` is empty if there is a `plan`; `other`: the file belongs to another campaign."""
    from campaign.settings import Settings  # noqa: PLC0415 - for the process only

    try:
        plan = _counted(order, Settings.read(**order.flags))
    except CampaignError as error:
        return {"error": without_paths(str(error), order.names)}
    return {"error": "", "other": True} if plan is None else {"error": "", "plan": asdict(plan)}


def _counted(order: WorkerTask, own: "Settings") -> CorrectionPlan | None:
    from campaign.app.lists.correction_file import correction_file  # noqa: PLC0415 - (same)
    from campaign.app.lists.corrections import Corrector, Texts  # noqa: PLC0415 - (same)
    from campaign.app.lists.corrections import describe as in_words  # noqa: PLC0415 - (same)
    from campaign.app.open_ledger import reading  # noqa: PLC0415 - (same)
    from campaign.domain.retry_selection import Selection  # noqa: PLC0415 - (same)

    with reading(own) as reader, correction_file(order.source, reader) as found:
        if found is None or found.record.spec.name != order.key:
            return None
        settings = own.with_fallback(found.record.spec.settings)
        settings = settings.model_copy(update={"message": order.flags.get("message"), "template": None, "templates": None})
        texts = Texts.of(found, settings)
        must_be_known = settings.window is not None and settings.time_zone is None
        corrector = Corrector(file=found, texts=texts, selection=Selection(statuses=CORRECTABLE), zones_must_be_known=must_be_known)
        for _ in corrector.batches(reader):
            pass
        return CorrectionPlan(sent=corrector.totals.sent, waiting=corrector.totals.waiting, words=in_words(corrector))


KEPT_SECONDS: Final = 86_400.0
MOST_OF_A_PERSON: Final = 20
"""Files that one person has uploaded in the last day."""

_NAME: Final = re.compile(rf"[0-9a-f]{{32}}({'|'.join(map(re.escape, LIST_SUFFIXES))})")


@allow(Role.SENDER, streamed=True)
async def upload(request: web.Request) -> web.StreamResponse:
    console, fields = console_of(request), dict[str, str]()
    async for part in files_of(request, fields):
        asked = await controlled_campaign(request)
        check_possible(request, possible=asked.shown.may_rerun)
        with request.app[UPLOAD_LIMITS].turn(asked.person.name):
            file = await _taken(console, part, asked.person)
        break
    else:
        raise UsageError(console.pages.text("campaigns.corrected.kind"), code="wrong_kind_of_file")
    message = _lines(fields.get("message", ""))
    try:
        await check_still_allowed(request)
        plan = await _plan(request, asked, file, message)
        _check_any(console, plan)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    others = asked.shown.view.counts.open
    return console.pages.respond(
        "campaigns/corrected_sure.html",
        request,
        shown=asked.shown,
        plan=plan,
        file=file.name,
        message=message,
        others=others,
        token_note=token_note(request, asked),
    )


@allow(Role.SENDER)
async def send(request: web.Request) -> web.StreamResponse:
    console, asked = console_of(request), await controlled_campaign(request)
    check_possible(request, possible=asked.shown.may_rerun)
    form = await request.post()
    name, message = str(form.get("file", "")), _lines(str(form.get("message", "")))
    file = _folder(console) / name
    if not _NAME.fullmatch(name) or not name.startswith(_mark(asked.person)) or not file.is_file():
        raise UsageError(console.pages.text("campaigns.corrected.gone"), code="upload_gone")
    # Checked again, as the file decides which campaign the command sends.
    plan = await _plan(request, asked, file, message)
    # With other passes and another text it is no longer what was approved, so all recipients of the campaign count, not only this file's.
    check_size(request, asked, plan.sent + _messages_sent(asked))
    options = ("--yes", *((f"--message={message}",) if message else ()))
    spec = CommandSpec(verb="retry", arguments=(str(file),), options=options)
    return await start(request, asked, spec, action="campaigns.action.corrected", details=f"{plan.sent:,}")


async def _plan(request: web.Request, asked: RequestedCampaign, file: Path, message: str) -> CorrectionPlan:
    return await plan_of(context_of(request).file_reader, console_of(request), campaign=asked.name, file=file, message=message)


async def _taken(console: Console, part: BodyPartReader, person: Person) -> Path:
    """Store the file under a name of ours, which identifies its owner.

    Raises:
        UsageError: the file's kind can't be read, or the person has too many files.
        DiskFullError, InputError: as of `receive`.
        HTTPRequestEntityTooLarge: it is larger than the console allows.
    """
    if PurePosixPath(part.filename or "").suffix.lower() not in LIST_SUFFIXES:
        raise UsageError(console.pages.text("campaigns.corrected.kind"), code="wrong_kind_of_file")
    folder = _folder(console)
    await asyncio.to_thread(_tidy, folder)
    mark = _mark(person)
    if sum(1 for _ in folder.glob(f"{mark}*")) >= MOST_OF_A_PERSON:
        raise UsageError(console.pages.text("campaigns.corrected.too_many", most=MOST_OF_A_PERSON), code="too_many_files")
    most = console.rules.most_upload_bytes
    try:
        received = await receive(part, folder, most_bytes=most)
    except TooLargeError:
        raise web.HTTPRequestEntityTooLarge(most) from None
    except OSError as error:
        raise CampaignError(f"The file could not be kept: {os.strerror(error.errno or 0)}. Nothing was sent.", code="not_kept") from error
    return folder / received.placed(f"{mark}{secrets.token_hex(8)}").file


def _mark(person: Person) -> str:
    """The prefix of the names of this person's files."""
    return hashlib.sha256(person.name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _messages_sent(asked: RequestedCampaign) -> int:
    """How many recipients have got, may have got, or will get the campaign's message."""
    return sum(count for status, count in asked.shown.view.counts.by_status.items() if status not in WITHOUT_MESSAGE)


def _lines(text: str) -> str:
    """`text` with plain line breaks again, which a browser turns into CR LF, and without blanks around it."""
    return text.replace("\r\n", "\n").strip()


def _check_any(console: Console, plan: CorrectionPlan) -> None:
    if not plan.sent and not plan.waiting:
        raise UsageError(f"{console.pages.text('campaigns.corrected.nothing')} {plan.words}".strip(), code="nothing_to_retry")


def _folder(console: Console) -> Path:
    return console.folder / "corrected"


def _tidy(folder: Path) -> None:
    """Create the folder if it is missing, and remove old files from it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in folder.iterdir():
        if old.stat().st_mtime < time.time() - KEPT_SECONDS:
            old.unlink(missing_ok=True)


def routes() -> list[web.RouteDef]:
    return [web.post("/campaigns/{name}/corrected", upload), web.post("/campaigns/{name}/corrected/send", send)]
