"""What the pages of the way have at hand besides the console: the drafts, and what is under way for them."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from campaign.console.access import Person, Role, may_steer, person_of
from campaign.console.console import Console
from campaign.console.drafts.draft import Draft, Words
from campaign.console.drafts.findings import CHECKED, LOOKED, Found, Looked, as_json, kept_check, kept_look
from campaign.console.drafts.jobs import Job, Jobs
from campaign.console.drafts.order import Order
from campaign.console.drafts.shelf import Shelf
from campaign.console.drafts.whole import write_whole

_BROKE: Final = (
    "The list could not be looked through: it needs more memory or time than there is. Split it into several, or save it as .csv."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """`looked` and `found` give what is known of a draft, and have it found out if that is not under way yet.

    `testing` are the drafts of which a test is under way.
    """

    console: Console
    shelf: Shelf
    jobs: Jobs
    testing: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, console: Console) -> "Room":
        return cls(console=console, shelf=Shelf(console.folder), jobs=Jobs(console.settings, (sys.executable, "-P")))

    def folder(self, draft: Draft) -> Path:
        return self.shelf.folder_of(draft.id)

    def list_path(self, draft: Draft) -> Path:
        """Where its list is; only for drafts that have one."""
        if draft.list is None:
            raise ValueError("the draft has no list")
        return self.folder(draft) / draft.list.file

    def names(self, draft: Draft) -> dict[str, str]:
        """What people call its files, by path."""
        given = [upload for upload in (draft.list, *draft.excludes) if upload is not None]
        return {str(self.folder(draft) / upload.file): upload.name for upload in given}

    async def looked(self, draft: Draft) -> Looked | Job | None:
        """What its list is, or the look that is under way; None without a list."""
        if draft.list is None:
            return None
        key = draft.list_key
        if (found := await asyncio.to_thread(kept_look, self.folder(draft), key)) is not None:
            return found
        order = self._order(draft, "look", key, {"header_row": draft.header_row} if draft.header_row else {})
        return self.jobs.start(draft.id, order, self._broken(draft, LOOKED, Looked(key=key, error=_BROKE)))

    async def found(self, draft: Draft) -> Found | Job:
        """What a check of it says, or the check that is under way."""
        key = draft.checkable
        if (found := await asyncio.to_thread(kept_check, self.folder(draft), key)) is not None:
            return found
        order = self._order(draft, "check", key, self.flags(draft))
        return self.jobs.start(draft.id, order, self._broken(draft, CHECKED, Found(key=key, error=_BROKE, by_status={})))

    def look_through(self, draft: Draft, part: Path, name: str) -> Job:
        """Have a list of passes to leave out looked through; its `answer` says what is wrong with it."""
        order = Order(
            task=f"exclude {part.name}", folder="", source=str(part), key=part.name, flags=self.flags(draft), names={str(part): name}
        )
        return self.jobs.start(draft.id, order, lambda: None)

    def flags(self, draft: Draft) -> dict[str, Any]:
        """Its settings above the console's own, by name, for a check or a run; the message itself where it is written here."""
        flags: dict[str, Any] = {
            # Where it may hold a password it is named by the environment.
            "ledger": self.console.settings.public_ledger or None,
            "id_column": draft.column or None,
            "header_row": draft.header_row or None,
            "exclude": [str(self.folder(draft) / upload.file) for upload in draft.excludes] or None,
            "message": draft.message if draft.words is Words.WRITTEN else None,
            **draft.controls,
        }
        return {name: value for name, value in flags.items() if value is not None}

    def _order(self, draft: Draft, task: str, key: str, flags: dict[str, Any]) -> Order:
        source = str(self.list_path(draft))
        return Order(task=task, folder=str(self.folder(draft)), source=source, key=key, flags=flags, names=self.names(draft))

    def _broken(self, draft: Draft, name: str, instead: Looked | Found) -> Callable[[], None]:
        # Kept like an answer: to look at such a list again and again would break it again and again.
        return lambda: write_whole(self.folder(draft) / name, as_json(instead)) if self.folder(draft).is_dir() else None


ROOM: Final = web.AppKey("drafts", Room)


def room_of(request: web.Request) -> Room:
    return request.app[ROOM]


async def draft_of(request: web.Request) -> Draft:
    """The draft that a page is of.

    Raises:
        HTTPNotFound: there is none, or it is somebody else's: who may not see it need not know that it is there.
    """
    draft = await asyncio.to_thread(room_of(request).shelf.find, request.match_info["draft"])
    if draft is None or not may_see(person_of(request), draft):
        raise web.HTTPNotFound
    return draft


def may_see(person: Person, draft: Draft) -> bool:
    """Whether a draft is this person's to look at and to change."""
    return person.role >= Role.SENDER and may_steer(person, draft.owner)
