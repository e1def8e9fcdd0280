"""Sending by the vendor's batches: what a run needs for it, and undoing what was left scheduled."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from campaign.app.sending.access import network_of
from campaign.domain.batches import PLACEHOLDER, Batch, InBatches
from campaign.domain.errors import SafeguardError, StoppedError, UsageError
from campaign.domain.text.lines import capitalized, rows
from campaign.insights import command_line
from campaign.ledger.port import CampaignRecord, HeldPasses, LedgerReader, PassHolder
from campaign.sender.stop import End, StopReason, StopRequest
from campaign.settings import Engine, Settings, Via

if TYPE_CHECKING:
    from campaign.sender.batches.gateway import HttpBatchGateway

TAG: Final = "campaign"


def check_batch_settings(settings: Settings) -> None:
    """See that the settings say what batches need, before anything is staged.

    Raises:
        UsageError: there is no entity, or a cluster is to send.
    """
    if settings.via is not Via.BATCH:
        return
    entity_of(settings)
    if settings.baseline:
        raise UsageError(
            "--baseline reads each pass just before its message, which a batch can't do. Leave it out, or send with --via single.",
            code="batches_and_baseline",
            option="--baseline",
        )
    if settings.engine is not Engine.HERE:
        raise UsageError(
            "--via batch sends from this machine: PassEntry does the work, so that a cluster is of no use. Leave out --engine.",
            code="batches_and_engine",
            option="--engine",
        )


def entity_of(settings: Settings) -> str:
    """Raises UsageError where none is named."""
    if not settings.entity:
        raise UsageError(
            "Batches need the ID of your entity at PassEntry. Name it with --entity or CAMPAIGN_ENTITY.",
            code="no_entity",
            option="--entity",
        )
    return settings.entity


def check_texts(record: CampaignRecord, reader: LedgerReader) -> None:
    """See that a batch can say every message; raises UsageError if one holds what PassEntry would take for a variable."""
    if (row := reader.first_with_text(record.id, PLACEHOLDER)) is not None:
        raise UsageError(
            f"Row {row}: its message holds “{PLACEHOLDER}”, which PassEntry takes for a variable in a batch. Nothing was sent. "
            "Change the text, or send with --via single.",
            code="text_not_for_batches",
            row=row,
        )


def orphans(reader: LedgerReader, record: CampaignRecord) -> list[Batch]:
    """Batches of the campaign that nobody works on."""
    return [batch for batch in reader.batches(record.id) if not batch.worked_on]


def may_turn_up(reader: LedgerReader, record: CampaignRecord) -> bool:
    """Whether PassEntry may still create a batch that it gave no answer about, though all batches of the campaign have ended here."""
    return bool(reader.unidentified_batches(record.id, since=time.time())) and not reader.batches(record.id)


def is_in_batches(reader: LedgerReader, record: CampaignRecord) -> bool:
    """Whether PassEntry may have, or may still create, a batch of the campaign that has not ended."""
    return bool(reader.batches(record.id) or reader.unidentified_batches(record.id, since=time.time()))


def held_in_words(held: HeldPasses, *, ledger: str = "") -> str:
    """Whose batches hold the passes of pending rows, and what to do, in sentences. `ledger` is as in `command_line`."""
    return " ".join(_holder_in_words(holder, ledger) for holder in held.holders)


def _holder_in_words(holder: PassHolder, ledger: str) -> str:
    one = holder.rows == 1
    wait = "waits for its pass: it is in a batch" if one else "wait for their passes: these are in batches"
    start = f"{rows(holder.rows)} {wait} of the campaign “{holder.campaign}”, which"
    if holder.worked_on:
        return f"{start} a process works on."
    undo = f"undo {'it' if one else 'them'} ({command_line('cancel', holder.campaign, ledger=ledger)})"
    go_on = f"Go on with it ({command_line('resume', holder.campaign, ledger=ledger)}) or {undo}."
    return f"{start} no process works on. {f'{capitalized(undo)}.' if holder.cancelled else go_on}"


def check_can_undo(record: CampaignRecord, left: list[Batch], settings: Settings) -> None:
    """See that the batches of a cancelled campaign can be cancelled at PassEntry; raises UsageError if there is no token."""
    try:
        settings.token()
    except UsageError as error:
        again = "To cancel these, too, run the same command with a token."
        raise UsageError(f"{_left_in_words(record, left)} {again} {error}", code="batches_left", campaign=record.spec.name) from None


def check_undone(record: CampaignRecord, left: list[Batch], end: End, stop: StopRequest) -> None:
    """See that a cancellation leaves no batch that nobody works on, and that those that turned up late were looked for.

    Raises:
        SafeguardError: one is; or StoppedError, where a person broke it off.
    """
    if not left and end.ended in {StopReason.CANCELLED, StopReason.FINISHED, StopReason.LIMIT}:
        return
    why = f"{_left_in_words(record, left)} {end.why}".rstrip() + " Run the same command again."
    if end.ended is StopReason.INTERRUPTED:
        raise StoppedError(why, exit_code=stop.exit_code, code="batches_left", campaign=record.spec.name)
    raise SafeguardError(why, code="batches_left", campaign=record.spec.name)


def _left_in_words(record: CampaignRecord, left: list[Batch]) -> str:
    if not left:
        return f"The campaign “{record.spec.name}” has ended here, but a batch whose creation got no answer may turn up at PassEntry."
    found = InBatches.of(left, now=time.time())
    fate = "PassEntry sends them, if nobody cancels them there" if found.held else "what became of them was not read"
    return f"The campaign “{record.spec.name}” is cancelled here, but {rows(found.rows)} of it are in batches at PassEntry: {fate}."


def open_batches(settings: Settings, *, heard: Callable[[str, str, bytes, int, bytes], None] | None = None) -> "HttpBatchGateway":
    from campaign.sender.api.gateway import Timeouts
    from campaign.sender.batches.gateway import HttpBatchGateway

    return HttpBatchGateway(
        url=settings.api_url,
        token=settings.token(),
        timeouts=Timeouts(total_seconds=settings.timeout),
        network=network_of(settings),
        shape=settings.batch_shape,
        heard=heard,
    )
