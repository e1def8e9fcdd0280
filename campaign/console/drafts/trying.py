"""A test: one row's message to one's own pass, by the command that a person would give."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from campaign.console import trail
from campaign.console.access import Person
from campaign.console.drafts.draft import Draft
from campaign.console.drafts.room import Room
from campaign.console.drafts.sending import message_options, said
from campaign.console.drafts.wording import without_paths
from campaign.console.launch import Errand, launch
from campaign.domain.errors import UsageError
from campaign.domain.model import Status
from campaign.reporter.reasons import reason_in_words

MOST_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.1
MOST_OF_A_PERSON: Final = 40
"""Tests in a day: one after the other they could reach everybody, and nobody would have agreed to that."""

DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How a test ended: `status` is the message's, None where there is only a `sentence`, or nothing known yet."""

    status: Status | None
    sentence: str = ""


async def try_out(room: Room, draft: Draft, person: Person, *, to: str, row: int | None) -> Tried:
    """Send it, and wait for what becomes of it, for a minute at most.

    Raises:
        UsageError: this person has sent many tests lately.
    """
    options = (
        *message_options(room, draft),
        f"--to={to}",
        *(() if row is None else (f"--row={row}",)),
        "--yes",
        "--json",
        f"--timeout={MOST_SECONDS / 2:.0f}s",
    )
    errand = Errand(verb="test", arguments=(str(room.list_path(draft)),), options=options)
    deed = room.console.pages.text("drafts.deed.test")
    # Noted first, so that tests of many drafts at once are counted, too.
    if not await trail.note_if_few(room.console.store, person.name, deed, draft.name, most=MOST_OF_A_PERSON, seconds=DAY_SECONDS):
        raise UsageError(room.console.pages.text("drafts.test.too_many", most=MOST_OF_A_PERSON), code="too_many_tests")
    launched = await launch(room.console, errand, campaign=f"test of {draft.id}", person=person.name)
    for _ in range(int(MOST_SECONDS / LOOK_SECONDS)):
        if not await asyncio.to_thread(launched.running):
            break
        await asyncio.sleep(LOOK_SECONDS)
    else:
        return Tried(status=None)
    text = await asyncio.to_thread(said, launched)
    answer = _answer(text)
    if answer is None:
        return Tried(status=None, sentence=without_paths(text, room.names(draft)))
    await trail.own(room.console.store, str(answer["campaign"]), person.name)
    status = next((Status(name) for name, count in answer["by_status"].items() if count), None)
    reasons = {**answer["failed_by_reason"], **answer["skipped_by_reason"]}
    return Tried(status=status, sentence="; ".join(map(reason_in_words, reasons)))


def _answer(text: str) -> dict[str, Any] | None:
    """The object that the command printed, whatever else it said before."""
    start = text.find("{\n")
    try:
        found = json.loads(text[start:]) if start >= 0 else None
    except ValueError:
        return None
    return found if isinstance(found, dict) and "by_status" in found else None
