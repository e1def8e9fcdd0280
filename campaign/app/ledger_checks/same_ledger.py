"""Checks, before a campaign goes on, that its ledger is the one that knows what was sent, and no copy of it."""

import asyncio
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import assert_never

from campaign.app.sending.access import other_token
from campaign.app.session import Session
from campaign.domain.errors import LedgerDamagedError
from campaign.domain.ledger_identity import Difference, Displaced
from campaign.domain.lists.locations import Location
from campaign.domain.text.lines import utc_minute
from campaign.ledger.port import CampaignRecord


async def check_same_ledger(
    work: Session,
    record: CampaignRecord,
    *,
    results: Location | None = None,
    new_ids: Mapping[str, int] | None = None,
) -> None:
    """Check that the ledger is no copy of one that may still be sent from; called before anything of the campaign is sent.

    `results` is where this run writes. `new_ids` are the rows whose ids are about to be corrected, by the key of their new pass.

    Raises:
        UsageError: it is a copy, and nobody agrees to send from it from now on; or another ledger is sending
            the campaign; or its results know more than the ledger.
        LedgerDamagedError: it is a copy, and lacks what was written to its original.
    """
    displaced = work.reader.displaced()
    if displaced is not None and displaced.newer_mark:
        raise LedgerDamagedError(_behind_in_words(displaced, work.reader.place), code="ledger_behind")
    if displaced is not None and displaced.matters(time.time()) and not work.settings.moved_here:
        work.require(
            _in_words(displaced, work.reader.place),
            "Send from this one from now on?",
            _move(work.ui.words),
            code="ledger_displaced",
            option="--moved-here",
        )
    if sentence := other_token(record, work.settings, lambda: work.reader.counts(record.id)):
        work.warn("other_token", sentence, count=1, example=record.spec.name, in_summary=True)
    for place, problem in (await asyncio.to_thread(work.check_not_behind, record, results, new_ids)).items():
        sentence = f"Whether the results know more than the ledger can't be seen, as they can't be read: {problem}"
        work.ui.tell("results_not_compared", sentence, results=str(place))
    if displaced is not None:
        before = displaced.before
        work.ui.tell(
            "ledger_moved_here",
            f"From now on the ledger is {work.reader.place}. Send nothing more from {before.path} on {before.host}: it can't know of this.",
            ledger=work.reader.place,
            difference=displaced.difference.value,
        )
    await work.ledger.move_here()


def _in_words(displaced: Displaced, place: str) -> str:
    before = displaced.before
    match displaced.difference:
        case Difference.OTHER_MACHINE:
            what = f"The ledger {place} comes from another machine or database server."
        case Difference.CLONED_MACHINE:
            what = f"The ledger {place} comes from another machine, of which this one is a clone."
        case Difference.COPIED_FILE:
            what = f"The ledger {place} is a copy, or was moved or restored."
        case _:
            assert_never(displaced.difference)
    return (
        f"{what} Until now it was {before.path} on {before.host}; its last run was at {utc_minute(displaced.last_run_at)}. If that one "
        "has sent since, this one does not know it, and would send the same again."
    )


def _behind_in_words(displaced: Displaced, place: str) -> str:
    before = displaced.before.path
    return (
        f"The ledger {place} is a copy of {before}, and lacks what was last written to that one: the copy is older, or came without the "
        f"{Path(before).name}-wal. It would send again what was sent then. Nothing was sent. Use --ledger {before}; or copy it again once "
        "nothing uses it, together with its -wal if there is one. Only if you know that nothing was sent in that time: remove "
        f"{displaced.newer_mark}, then add --moved-here."
    )


def _move(words: Sequence[str]) -> str:
    way = "If nothing is sent from that one any more, add --moved-here to the command, once"
    at = words.index("--") if "--" in words else len(words)
    return f"{way}: {shlex.join(['campaign', *words[:at], '--moved-here', *words[at:]])}" if words else f"{way}."
