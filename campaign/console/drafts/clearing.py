"""What a sent draft still has of the customers' data goes: with its campaign when that is forgotten, else some time after its end."""

import shutil
from dataclasses import replace
from enum import Enum
from typing import Final

from campaign.app.finding import reading
from campaign.console.drafts.draft import Draft, Stage
from campaign.console.drafts.room import Room
from campaign.console.drafts.shelf import RECORD
from campaign.domain.model import CampaignState
from campaign.insights import view
from campaign.ledger.port import LedgerReader

KEPT_SECONDS: Final = 30 * 86_400.0
_ENDED: Final = frozenset({CampaignState.FINISHED, CampaignState.CANCELLED})


class Fate(Enum):
    """`EMPTIED` loses its files and what it says of a person's own pass; its name stays taken."""

    STAYS = "stays"
    EMPTIED = "emptied"
    GONE = "gone"


def clear(room: Room, now: float) -> list[Draft]:
    """Remove the files of sent drafts that are needed no more; those drafts. Blocks.

    Raises:
        CampaignError: the ledger can't be read; nothing was removed.
    """
    sent = [draft for draft in room.shelf.all() if draft.stage is Stage.SENT]
    with reading(room.console.settings) as reader:
        fates = [(draft, _fate(reader, draft, now)) for draft in sent]
    for draft, fate in fates:
        if fate is Fate.GONE:
            room.shelf.clear_away(draft.id)
        elif fate is Fate.EMPTIED:
            room.shelf.change(draft.id, lambda found: replace(found, list=None, excludes=(), own_pass=""))
            _empty(room, draft)
    return [draft for draft, fate in fates if fate is not Fate.STAYS and (draft.list is not None or fate is Fate.GONE)]


def _fate(reader: LedgerReader, draft: Draft, now: float) -> Fate:
    record = reader.campaign(draft.name)
    if record is None:
        # Taken back, or in another ledger for now: who can't tell waits as long as for an end.
        return Fate.EMPTIED if now - draft.changed_at > KEPT_SECONDS else Fate.STAYS
    if record.forgotten_at:
        return Fate.GONE
    if any(runner.alive for runner in reader.runners(record.id)) or view(reader, record).state not in _ENDED:
        return Fate.STAYS
    return Fate.EMPTIED if now - reader.last_change(record.id) > KEPT_SECONDS else Fate.STAYS


def _empty(room: Room, draft: Draft) -> None:
    # The folder stays: a re-run writes its results there.
    for entry in room.folder(draft).iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != RECORD:
            entry.unlink(missing_ok=True)
