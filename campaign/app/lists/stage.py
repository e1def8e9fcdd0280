"""Stages a validated list as a campaign in the ledger; the same list again is the same campaign."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from campaign.app.lists.exclusions import Exclusions
from campaign.app.lists.list_source import CheckedList
from campaign.app.lists.message_warnings import Tell, ids_in_ledger, near_findings, near_to_send
from campaign.app.open_ledger import check_here
from campaign.domain.errors import OtherContentError, StoppedError, UsageError
from campaign.domain.lists.lint_findings import LintFinding
from campaign.domain.model import StagedRow
from campaign.domain.text.reasons import finding_in_words
from campaign.insights import command_line
from campaign.ledger.port import CampaignRecord, CampaignSpec, DesiredState, Ledger, LedgerReader

if TYPE_CHECKING:
    from campaign.loader.repeats import NearIdFinder

LOOK_SECONDS: Final = 0.2


NextBatch = Callable[[], Awaitable[Sequence[StagedRow] | None]]
"""Returns the next rows; None after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A staged campaign; `findings` are about ids that are near to each other, or to an excluded one."""

    record: CampaignRecord
    resumed: bool
    findings: tuple[LintFinding, ...] = ()


async def stage(
    ledger: Ledger,
    reader: LedgerReader,
    given: CheckedList,
    *,
    stop: asyncio.Event,
    quiet_seconds: float,
    ledger_name: str = "",
    exclusions: Exclusions | None = None,
    begin: Callable[[CampaignSpec], CampaignSpec] = lambda spec: spec,
    tell: Tell = lambda *_, **__: None,
) -> Staged:
    """The campaign of this list: found in the ledger, or staged now. A staging that is stopped, or fails, leaves nothing behind.

    `ledger_name` is the value of `--ledger` in a hint; empty if it needs none. `exclusions` also apply to a campaign that was found. If
    nothing of a campaign was ever sent, another list or message of its name replaces it. `tell` reports that, a guess at a new list's
    encoding, and near ids. `begin` makes the spec of a new campaign. Unknown rows are not read back until `quiet_seconds` after they are
    staged.

    Raises:
        OtherContentError: a campaign of this name has another list or message.
        StoppedError: `stop` was set.
    """
    begun: CampaignSpec | None = None
    while True:
        record = reader.campaign(given.spec.name)
        if record is None:
            try:
                record = await ledger.create(replace(begun or begin(given.spec), mark=secrets.token_hex(8)))
            except UsageError:
                # Another process was faster, perhaps with the same command.
                if reader.campaign(given.spec.name) is None:
                    raise
                continue
            if given.table.head.guessed:
                tell("encoding_guessed", f"“{given.table.name}” is read as {given.table.head.description}.")
            staged = await _fill(ledger, reader, record, given, stop=stop, quiet_seconds=quiet_seconds, exclusions=exclusions)
            warn(staged.findings, staged.record, tell)
            return staged
        if record.desired_state is not DesiredState.STAGING:
            check_here(record)
            if other := await _differences(record, given):
                begun = await _withdraw(ledger, record, given, other, ledger_name=ledger_name, begin=begin, tell=tell)
                continue
            return Staged(record=record, resumed=True, findings=await check_rest(ledger, reader, record, exclusions, tell=tell))
        if any(runner.alive for runner in reader.runners(record.id)):
            _check_not_stopped(stop)
            await asyncio.sleep(LOOK_SECONDS)
        else:
            await ledger.abort_staging(record.id)


async def exclude(ledger: Ledger, record: CampaignRecord, exclusions: Exclusions | None, finder: "NearIdFinder | None" = None) -> bool:
    """Exclude passes from the campaign in the ledger, and in the finder; False if there are no files of exclusions."""
    if exclusions is None or not exclusions.files:
        return False
    batches = exclusions.keys()
    while (keys := await asyncio.to_thread(next, batches, None)) is not None:
        await ledger.exclude(record.id, keys)
        if finder is not None:
            finder.exclude(keys)
    return True


async def check_rest(
    ledger: Ledger, reader: LedgerReader, record: CampaignRecord, exclusions: Exclusions | None, *, tell: Tell
) -> tuple[LintFinding, ...]:
    """Exclude passes from a staged campaign, and warn about rows that are left though their ids are near to others."""
    if await exclude(ledger, record, exclusions):
        await ledger.apply_exclusions(record.id)
        record = replace(record, near_ids=True)
    if not record.near_ids or reader.pending_work(record.id).finished:
        return ()
    found = await asyncio.to_thread(near_to_send, reader, record)
    warn(found, record, tell)
    return found


def warn(findings: Iterable[LintFinding], record: CampaignRecord, tell: Tell, *, among: str = "") -> None:
    """Report the findings, each under the name of its kind. `among` says which rows were examined, if not all."""
    for finding in findings:
        what = finding_in_words(finding, lock_screen=0)
        sentence = f"{among}{what}: {finding.where(record.spec.lines)}. {finding.example}."
        tell(finding.kind.value, sentence, count=finding.count, rows=list(finding.rows))


async def _withdraw(
    ledger: Ledger,
    record: CampaignRecord,
    given: CheckedList,
    differences: str,
    *,
    ledger_name: str,
    begin: Callable[[CampaignSpec], CampaignSpec],
    tell: Tell,
) -> CampaignSpec:
    """Delete a campaign of which nothing was ever sent; returns the spec of the new one."""
    # A results file has the outcomes of its campaign's rows, perhaps only of some, and is no correction of the list.
    if given.layout.results:
        raise _other_content(record, given, differences, ledger_name)
    begun = begin(given.spec)
    if not await ledger.delete_if_unsent(record.id):
        raise _other_content(record, given, differences, ledger_name)
    tell("replaced", f"Nothing of the campaign “{record.spec.name}” was ever sent: this one takes its place, as {differences}.")
    return begun


async def _fill(
    ledger: Ledger,
    reader: LedgerReader,
    record: CampaignRecord,
    given: CheckedList,
    *,
    stop: asyncio.Event,
    quiet_seconds: float,
    exclusions: Exclusions | None,
) -> Staged:
    from campaign.loader.repeats import NearIdFinder

    # An excluded row counts as excluded even if it is a duplicate. Only the ledger knows both, so with exclusions it marks the duplicates.
    stager = given.stager(duplicates=exclusions is None or not exclusions.files)
    try:
        with NearIdFinder() as finder:
            async with _read_ahead(finder.watching(stager.batches(given.table.frames()))) as next_batch:
                await _store(ledger, record.id, next_batch, stop)
            _check_not_stopped(stop)
            await exclude(ledger, record, exclusions, finder)
            near = await asyncio.to_thread(finder.found)
        marked = stager.repeated is not None
        await ledger.finish_staging(
            record.id,
            content_sha256=stager.content_sha256,
            duplicates_marked=marked,
            near_ids=bool(near.duplicates or near.excluded),
            quiet_seconds=quiet_seconds,
        )
    except BaseException:
        await asyncio.shield(ledger.abort_staging(record.id))
        raise
    found = reader.campaign(given.spec.name)
    if found is None:
        raise UsageError(
            f"The campaign “{given.spec.name}” was removed while it was being staged.", code="removed_meanwhile", campaign=given.spec.name
        )
    ids, keys = ids_in_ledger(reader, found), exclusions.keys if exclusions is not None else list
    findings = await asyncio.to_thread(near_findings, near, ids=ids, excluded=keys, lines=found.spec.lines)
    return Staged(record=found, resumed=False, findings=findings)


async def _store(ledger: Ledger, campaign: int, next_batch: NextBatch, stop: asyncio.Event) -> None:
    """Write the batches. While one is written, the next one waits, so that the ledger always has work."""
    writing: deque[asyncio.Task[None]] = deque()
    try:
        while (batch := await next_batch()) is not None:
            _check_not_stopped(stop)
            writing.append(asyncio.create_task(ledger.stage(campaign, batch)))
            if len(writing) > 1:
                await writing.popleft()
        while writing:
            await writing.popleft()
    finally:
        # What fails here comes after the first failure. But no batch may be written after the campaign is discarded.
        await asyncio.gather(*writing, return_exceptions=True)


@asynccontextmanager
async def _read_ahead(batches: Iterator[Sequence[StagedRow]]) -> AsyncIterator[NextBatch]:
    """Prepares the next rows while the ones before are being written; leaves no thread running."""
    loop = asyncio.get_running_loop()
    # Always the same thread: for each other one the allocator keeps memory of its own.
    with ThreadPoolExecutor(1) as thread:
        ahead = loop.run_in_executor(thread, next, batches, None)

        async def next_batch() -> Sequence[StagedRow] | None:
            nonlocal ahead
            batch = await asyncio.shield(ahead)
            if batch is not None:
                ahead = loop.run_in_executor(thread, next, batches, None)
            return batch

        try:
            yield next_batch
        finally:
            # Its result no longer matters, but the thread must have ended.
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                ahead.exception()


def _check_not_stopped(stop: asyncio.Event) -> None:
    if stop.is_set():
        raise StoppedError("Interrupted while the list was being staged; nothing was sent. Run the same command again.", code="interrupted")


async def _differences(record: CampaignRecord, given: CheckedList) -> str:
    """How a list and its message differ from the campaign of their name, in words; empty if they do not."""
    if given.layout.results and (record.rows, record.spec.columns) == (given.table.rows, given.layout.columns):
        return ""
    differences = []
    if record.spec.list_sha256 != given.spec.list_sha256 and record.content_sha256 != await asyncio.to_thread(_content, given):
        same_number = record.rows == given.table.rows
        differences.append(
            "the list was changed" if same_number else f"the list has other rows ({record.rows:,} then, {given.table.rows:,} now)"
        )
    if record.spec.message_sha256 not in given.same_messages:
        differences.append("the message, or the column of the pass, is another")
    return " and ".join(differences)


def _other_content(record: CampaignRecord, given: CheckedList, differences: str, ledger_name: str) -> OtherContentError:
    name = record.spec.name
    resume, retry = (command_line(command, name, ledger=ledger_name) for command in ("resume", "retry"))
    instead = (
        "To send this as a new campaign, give it another --name; everyone who got the first gets this one too. "
        "If you only corrected rows, correct them in its failed-rows file instead: campaign retry FILE."
    )
    if record.desired_state is DesiredState.CANCELLED:
        go_on = "That one was cancelled, and nothing more of it is sent."
    elif given.layout.results:
        go_on = f"To send its failed rows again: {retry}." if record.finished_at else f"To go on with that one: {resume}."
        instead = "If they are results of another ledger, go on from them with a new one, given with --ledger."
    elif record.finished_at:
        go_on = "That one is finished."
    else:
        go_on = f"To go on with that one: {resume}."
    return OtherContentError(f"There is a campaign named “{name}” already, and {differences}. {go_on} {instead}", campaign=name)


def _content(given: CheckedList) -> str:
    stager = given.stager()
    for _ in stager.batches(given.table.frames()):
        pass
    return stager.content_sha256
