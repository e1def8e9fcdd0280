"""Stores drafts: a folder each, under a name that nobody can guess, readable only by this user."""

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from campaign.atomic import AtomicFile, sync_folder
from campaign.console.drafts.draft import Draft, Stage
from campaign.domain.errors import CampaignError, UsageError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file, readable only by this user, or leave it unchanged. Raises as `campaign.atomic.AtomicFile` does."""
    with AtomicFile(path) as draft:
        draft.file.write(content)
        draft.sync()
        draft.commit()


KEPT_SECONDS: Final = 30 * 86_400.0
MOST_OF_A_PERSON: Final = 50
"""Unsent drafts of one person; each may have a list of a gigabyte."""

LOCK_SECONDS: Final = 10.0
RECORD: Final = "draft.json"
MESSAGE: Final = "message.txt"

_ID: Final = re.compile(r"[0-9a-f]{32}")
_MAKING: Final = ".making-"


class DraftStore:
    """The drafts in the console's folder. Its methods block. Changes are serialized, also between processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "drafts"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._lock = self._folder / ".lock"

    def folder_of(self, draft: str) -> Path:
        if not _ID.fullmatch(draft):
            raise UsageError("There is no such draft.", code="no_draft")
        return self._folder / draft

    def find(self, draft: str) -> Draft | None:
        """The draft with this id; None if there is none."""
        if not _ID.fullmatch(draft):
            return None
        try:
            return Draft.of((self._folder / draft / RECORD).read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None

    def all(self) -> Iterator[Draft]:
        """Every draft, in any order."""
        for entry in self._folder.iterdir():
            if (found := self.find(entry.name)) is not None:
                yield found

    def unsent(self) -> list[Draft]:
        """The drafts that are not sent yet, last changed first."""
        return sorted((draft for draft in self.all() if draft.stage is not Stage.SENT), key=lambda draft: -draft.changed_at)

    def begin(self, owner: str) -> Draft:
        """A new, empty draft. Raises UsageError if this person has too many drafts."""
        with self._alone():
            if sum(draft.owner == owner for draft in self.unsent()) >= MOST_OF_A_PERSON:
                raise UsageError(
                    f"You have {MOST_OF_A_PERSON} campaigns that are not sent. Remove one, then start again.",
                    code="too_many_drafts",
                )
            now = time.time()
            draft = Draft(id=secrets.token_hex(16), owner=owner, created_at=now, changed_at=now, hands=(owner,))
            making = self._folder / f"{_MAKING}{draft.id}"
            making.mkdir(mode=0o700)
            write_atomically(making / RECORD, draft.as_json())
            making.rename(self._folder / draft.id)
            sync_folder(self._folder)
            return draft

    def change(self, draft: str, change: Callable[[Draft], Draft]) -> Draft:
        """Replace a draft by its changed version, under a lock; returns that. If `change` raises, the draft stays as it was.

        Raises:
            UsageError: there is no such draft.
        """
        with self._alone():
            found = self.find(draft)
            if found is None:
                raise UsageError("This draft no longer exists: somebody has removed it.", code="no_draft")
            changed = change(found)
            if changed.message != found.message:
                write_atomically(self.folder_of(draft) / MESSAGE, changed.message.encode())
            if changed != found:
                write_atomically(self.folder_of(draft) / RECORD, changed.as_json())
            return changed

    def remove(self, draft: str) -> None:
        """Remove a draft with all its files. Raises UsageError if it has become a campaign."""
        with self._alone():
            found = self.find(draft)
            if found is None:
                return
            if found.stage in {Stage.SENDING, Stage.SENT}:
                raise UsageError("This has been sent; its files stay with the campaign.", code="already_sent")
            self._take_away(self.folder_of(draft))

    def clear_away(self, draft: str) -> None:
        """Remove a draft with all its files, even if it has become a campaign."""
        with self._alone():
            if self.find(draft) is not None:
                self._take_away(self.folder_of(draft))

    def sweep(self, now: float) -> list[Draft]:
        """Remove drafts that nobody has changed for KEPT_SECONDS, and half-made folders; returns the removed drafts."""
        gone = []
        with self._alone():
            for entry in list(self._folder.iterdir()):
                if entry.name.startswith(_MAKING):
                    shutil.rmtree(entry, ignore_errors=True)
                elif (draft := self.find(entry.name)) is not None and _is_old(draft, now):
                    self._take_away(entry)
                    gone.append(draft)
        return gone

    def drop_parts(self) -> None:
        """Remove what the uploads of a killed console left. For the console's start, when there are no uploads."""
        for pattern in ("*/.part-*", "*/.campaign-results-*"):
            for part in self._folder.glob(pattern):
                part.unlink(missing_ok=True)
        with self._alone():
            for draft in self.unsent():
                if draft.list is None:
                    self._take_away(self.folder_of(draft.id))

    def _take_away(self, folder: Path) -> None:
        # After the rename it is no longer a draft, so that a kill leaves no half-removed one.
        going = folder.with_name(f"{_MAKING}{folder.name}")
        folder.rename(going)
        shutil.rmtree(going, ignore_errors=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            # A new lock for each call, so that threads wait for each other, too.
            with FileLock(self._lock, timeout=LOCK_SECONDS, mode=0o600, thread_local=False):
                yield
        except Timeout:
            raise CampaignError("Another console is changing the drafts. Try again in a moment.", code="busy") from None


def _is_old(draft: Draft, now: float) -> bool:
    return draft.stage in {Stage.EDITING, Stage.WAITING} and now - draft.changed_at > KEPT_SECONDS


def with_problem(problem: str) -> Callable[[Draft], Draft]:
    """A change that makes a draft that could not be started editable again."""
    return lambda draft: replace(draft, stage=Stage.EDITING, problem=problem, starter="")
