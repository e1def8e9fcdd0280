"""From a draft to a campaign: exactly one comes from it, however often people click, and even if the console is killed."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from campaign.app.ledger_checks.same_content import same_content
from campaign.app.lists.list_source import list_fingerprint
from campaign.app.open_ledger import reading
from campaign.console import audit_log
from campaign.console.access import Person
from campaign.console.drafts.context import DraftContext
from campaign.console.drafts.draft import FLAGS, Draft, MessageSource, Stage, Upload, needs_approval, problem_with_name
from campaign.console.drafts.inspection import ListCheck, kept_check, without_paths
from campaign.console.drafts.store import MESSAGE, with_problem
from campaign.console.subprocesses import CommandSpec, RunningCommand, start_command
from campaign.domain.errors import CampaignError, UsageError
from campaign.ledger.port import CampaignRecord, DesiredState

LOOK_SECONDS: Final = 0.2
AGAIN_SECONDS: Final = 5.0
NOTED_SECONDS: Final = 2.0
SAID_CHARACTERS: Final = 2_000
RESULTS: Final = "results.csv"


@dataclass(slots=True, eq=False)
class Sender:
    """Starts campaigns, and watches each until it is in the ledger, or certainly is not."""

    context: DraftContext
    _watched: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def start(self, draft: str, person: Person, first: Callable[[Draft], Draft] = lambda draft: draft) -> Draft:
        """Send a draft; `first` is a change in the same step. A second caller finds it already started.

        Raises:
            UsageError: the draft can't be sent as it is; nothing was changed.
        """
        mine = False

        def begin(found: Draft) -> Draft:
            nonlocal mine
            if found.stage in {Stage.SENDING, Stage.SENT}:
                return found
            ready = first(found)
            self._check(ready)
            mine = True
            return replace(ready, stage=Stage.SENDING, starter=person.name, problem="", returned=None)

        begun = await asyncio.to_thread(self.context.store.change, draft, begin)
        if mine:
            await audit_log.record(
                self.context.console.store, person.name, self.context.console.pages.text("drafts.action.send"), begun.name
            )
            self.watch(begun)
        return begun

    def watch(self, draft: Draft) -> None:
        """Start the command, and watch until the campaign is in the ledger."""
        if draft.id not in self._watched:
            task = asyncio.get_running_loop().create_task(self._watch_to_end(draft))
            self._watched[draft.id] = task
            task.add_done_callback(lambda ended: self._seen(draft, ended))

    def _seen(self, draft: Draft, ended: asyncio.Task[None]) -> None:
        self._watched.pop(draft.id, None)
        if not ended.cancelled() and (error := ended.exception()) is not None:
            # Its stage stays SENDING: its page, or the next start of the console, goes on with it.
            structlog.get_logger().error("draft_not_started", campaign=draft.name, problem=repr(error))

    async def recover(self) -> None:
        """Resume what a killed console had begun: the same command again is the same campaign, and sends nothing twice."""
        for draft in await asyncio.to_thread(self.context.store.unsent):
            if draft.stage is Stage.SENDING:
                self.watch(draft)

    async def settled(self, draft: str, *, seconds: float) -> Draft | None:
        """The draft once it is no longer being started, or after `seconds`; None if it is gone."""
        # A second request may come here before the first has begun to watch the draft.
        for _ in range(round(NOTED_SECONDS / LOOK_SECONDS)):
            found = await asyncio.to_thread(self.context.store.find, draft)
            if draft in self._watched or found is None or found.stage is not Stage.SENDING:
                break
            await asyncio.sleep(LOOK_SECONDS)
        if (task := self._watched.get(draft)) is not None:
            await asyncio.wait([task], timeout=seconds)
        return await asyncio.to_thread(self.context.store.find, draft)

    async def close(self) -> None:
        """Stop watching. Started commands go on, and the next console finds them."""
        tasks = list(self._watched.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check(self, draft: Draft) -> None:
        found = kept_check(self.context.folder(draft), draft.checkable)
        if found is None or found.error or not found.sendable:
            raise UsageError("The list and the message are not checked yet. Go to the step “Check”.", code="not_checked")
        if needs_approval(draft, found.sendable, self.context.console.rules.approval_over):
            raise UsageError("This many recipients need a second person. Ask for approval.", code="needs_approval")
        if problem := problem_with_name(draft.name) or self.name_taken(draft):
            raise UsageError(problem, code="other_content")

    def name_taken(self, draft: Draft) -> str:
        """Why a draft can't use its name, as a sentence; empty if it can. Blocks."""
        others = (other for other in self.context.store.all() if other.id != draft.id and other.stage in {Stage.SENDING, Stage.SENT})
        if any(other.name == draft.name for other in others) or self._record(draft.name) is not None:
            return f"There is a campaign named “{draft.name}” already. Give this one another name, at the step “Controls”."
        return ""

    def sent_before(self, found: ListCheck) -> str:
        """A sentence that a campaign has sent the same list and message, whatever its name; empty if none has. Blocks."""
        with reading(self.context.console.settings) as reader:
            before = same_content(reader, found.content_sha256, found.messages)
        return "" if before is None else before.in_words()

    def _record(self, name: str) -> CampaignRecord | None:
        with reading(self.context.console.settings) as reader:
            return reader.campaign(name)

    async def _watch_to_end(self, draft: Draft) -> None:
        context = self.context
        try:
            await asyncio.to_thread(self._check_files, draft)
            spec = CommandSpec(verb="run", arguments=(str(context.list_path(draft)),), options=options_of(context, draft))
            command = await start_command(context.console, spec, campaign=draft.name, person=draft.starter)
            problem = await self._outcome(draft, command)
        except CampaignError as error:
            problem = str(error)
        if problem:
            await asyncio.to_thread(context.store.change, draft.id, with_problem(problem))
            return
        await audit_log.set_owner(context.console.store, draft.name, draft.owner)
        await asyncio.to_thread(context.store.change, draft.id, lambda found: replace(found, stage=Stage.SENT, changed_at=time.time()))

    async def _outcome(self, draft: Draft, command: RunningCommand) -> str:
        """Empty as soon as the whole campaign is in the ledger; the command's output if it ended before."""
        while True:
            running = await asyncio.to_thread(command.running)
            try:
                record = await asyncio.to_thread(self._record, draft.name)
            except CampaignError as error:
                # Without the ledger it is not known that nothing was sent, so the draft must not be sent under another name.
                structlog.get_logger().warning("ledger_not_read", campaign=draft.name, problem=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if _is_its_own(record, draft, self.context.folder(draft)):
                return ""
            if not running:
                return without_paths(output_of(command), self.context.names(draft))
            await asyncio.sleep(LOOK_SECONDS)

    def _check_files(self, draft: Draft) -> None:
        """Check that the files are those that were checked and approved; raises UsageError if a file has changed."""
        folder = self.context.folder(draft)
        uploads = [upload for upload in (draft.list, *draft.excludes) if upload is not None]
        if any(_is_other(folder, upload) for upload in uploads):
            raise UsageError("A file of this draft has changed since its upload. Nothing was sent. Upload it again.", code="changed_file")
        if draft.words is MessageSource.WRITTEN and (folder / MESSAGE).read_bytes() != draft.message.encode():
            raise UsageError(
                "The message's file has changed since it was saved. Nothing was sent. Save the message again.", code="changed_file"
            )


def options_of(context: DraftContext, draft: Draft) -> tuple[str, ...]:
    folder = context.folder(draft)
    return (
        f"--name={draft.name}",
        *message_options(context, draft),
        *(f"--exclude={folder / upload.file}" for upload in draft.excludes),
        *(f"--{name.replace('_', '-')}{'' if name in FLAGS else f'={value}'}" for name, value in draft.controls.items()),
        f"--results={folder / RESULTS}",
        "--yes",
    )


def message_options(context: DraftContext, draft: Draft) -> tuple[str, ...]:
    """The options for this draft's list and message, the same for every command."""
    template = (f"--template={context.folder(draft) / MESSAGE}",) if draft.words is MessageSource.WRITTEN else ()
    header = (f"--header-row={draft.header_row}",) if draft.header_row else ()
    return (f"--id-column={draft.column}", *header, *template)


def output_of(command: RunningCommand) -> str:
    """The last output of a command that ended, or a sentence that there is none."""
    files = [file for file in (command.said, command.printed) if file.exists()]
    text = "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)
    return text.strip()[-SAID_CHARACTERS:] or "The command ended at once without a message. Nothing was sent. Try again."


def _is_its_own(record: CampaignRecord | None, draft: Draft, folder: Path) -> bool:
    """Whether a campaign belongs to the draft, and its whole list is staged."""
    if record is None or draft.list is None:
        return False
    if record.spec.list_sha256 != list_fingerprint(draft.list.sha256, draft.header_row or None):
        return False
    # Only the draft's run has this results file: another command may have begun the same list under the same name with another text.
    own = Path(record.spec.settings.get("results", "")).absolute() == (folder / RESULTS).absolute()
    return own and record.desired_state is not DesiredState.STAGING


def _is_other(folder: Path, upload: Upload) -> bool:
    try:
        with (folder / upload.file).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() != upload.sha256
    except FileNotFoundError:
        return True
