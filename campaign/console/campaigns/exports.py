"""Results and failed rows as files for download: made by the reporter, a few at once, kept for a while, and removed."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from campaign.app.open_ledger import reading
from campaign.app.results.report import find_kept, write_report
from campaign.domain.errors import CampaignError
from campaign.domain.model import Counts
from campaign.domain.status import NEEDS_ATTENTION
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.files.results import write_results
from campaign.reporter.files.target import Format
from campaign.settings import Settings

AT_ONCE: Final = 2
MOST_WAITING: Final = 8
KEPT_SECONDS: Final = 600.0
MOST_KEPT: Final = 6

_PREFIX: Final = "export-"


class Which(StrEnum):
    """The content: all rows, those that need attention, or the page about all of them."""

    RESULTS = "results"
    FAILED = "failed"
    PAGE = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A requested export; a page has no format."""

    name: str
    which: Which
    format: Format | None = None

    @property
    def suffix(self) -> str:
        return ".html" if self.format is None else self.format.value


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The state of a campaign. As long as it is the same, so is the export."""

    campaign: int
    changed_at: float
    counts: Counts
    attempts: int


@dataclass(slots=True, kw_only=True)
class _Made:
    """`state` is the campaign's state at the export; `users` counts the answers that still read the file."""

    wanted: Wanted
    file: Path
    state: _State
    until: float = 0.0
    users: int = 0


@dataclass(slots=True, kw_only=True)
class _Turn:
    """Lets one export per campaign run at a time."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Exports:
    """All exports of a console. The files are in a folder that only this user may read."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="console-export")
        self._made: list[_Made] = []
        self._turns: dict[str, _Turn] = {}
        for left in folder.glob(f"{_PREFIX}*"):
            # A console that was killed could not remove its files.
            left.unlink(missing_ok=True)

    @asynccontextmanager
    async def file(self, wanted: Wanted) -> AsyncIterator[Path]:
        """The file of an export, kept as long as the context is open.

        Raises:
            CampaignError: the export can't be made, or too many are being made.
        """
        made = await self._in_turn(wanted)
        made.users += 1
        try:
            yield made.file
        finally:
            made.users -= 1
            self._tidy()
            asyncio.get_running_loop().call_later(KEPT_SECONDS + 1, self._tidy)

    def close(self) -> None:
        """Remove every file, after running exports have finished."""
        self._threads.shutdown(cancel_futures=True)
        for made in self._made:
            made.file.unlink(missing_ok=True)
        self._made.clear()

    async def _in_turn(self, wanted: Wanted) -> _Made:
        if sum(turn.waiting for turn in self._turns.values()) >= MOST_WAITING:
            raise CampaignError("Too many files are being prepared. Try again in a minute.", code="busy")
        turn = self._turns.setdefault(wanted.name, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                loop = asyncio.get_running_loop()
                known = next((made for made in reversed(self._made) if made.wanted == wanted), None)
                made = await loop.run_in_executor(self._threads, self._make, wanted, known)
                if made is not known:
                    self._made.append(made)
                made.until = time.monotonic() + KEPT_SECONDS
                return made
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                self._turns.pop(wanted.name, None)

    def _make(self, wanted: Wanted, known: _Made | None) -> _Made:
        with reading(self._settings) as reader:
            record = find_kept(reader, wanted.name)
            state = _state(reader, record)
            if known is not None and known.state == state and known.file.exists():
                return known
            self._folder.mkdir(mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=wanted.suffix, dir=self._folder)
            os.close(handle)
            file = Path(name)
            try:
                if wanted.which is Which.PAGE:
                    write_report(reader, record, file)
                else:
                    statuses = NEEDS_ATTENTION if wanted.which is Which.FAILED else None
                    parts = reader.result_columns(record.id, statuses)
                    write_results(file, campaign=wanted.name, columns=record.spec.columns, parts=parts, failed=None)
            except BaseException:
                file.unlink(missing_ok=True)
                raise
        return _Made(wanted=wanted, file=file, state=state)

    def _tidy(self) -> None:
        """Remove files that nobody reads and that are replaced by a newer one, too old, or too many."""
        now = time.monotonic()
        kept: list[_Made] = []
        for made in reversed(self._made):
            replaced = any(newer.wanted == made.wanted for newer in kept)
            if made.users or not (replaced or now >= made.until or len(kept) >= MOST_KEPT):
                kept.append(made)
            else:
                with suppress(OSError):
                    made.file.unlink(missing_ok=True)
        self._made = kept[::-1]


def _state(reader: LedgerReader, record: CampaignRecord) -> _State:
    attempts = sum(reader.attempts_by_runner(record.id).values())
    return _State(campaign=record.id, changed_at=reader.last_change(record.id), counts=reader.counts(record.id), attempts=attempts)
