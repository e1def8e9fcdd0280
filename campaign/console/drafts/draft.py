"""A promotion that is not sent yet, as a value: its list, its message, how it is to be sent, and how far it has come."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

import orjson
from pydantic import TypeAdapter

from campaign.domain.errors import UsageError
from campaign.domain.model import Status


class Stage(StrEnum):
    """`EDITING` can be changed; `WAITING` is for a second person; `SENDING` has a name of its own, and is being started."""

    EDITING = "editing"
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"


class Words(StrEnum):
    """Where the text comes from: written here, or in a column of the list."""

    WRITTEN = "written"
    COLUMN = "column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that somebody gave: `file` is the name that it has in the draft's folder, `name` what they called it, which is only text."""

    file: str
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Somebody's decision at a moment (Unix seconds) about a content, and what they said."""

    by: str
    at: float
    content: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All that is kept of a draft besides its files; times are Unix seconds.

    Attributes:
        id: its folder, and part of its addresses.
        owner: who began it.
        hands: who has changed it, so that nobody approves what is their own work.
        name: the campaign's.
        header_row: the line of the list's header; 0 is the first that holds something.
        column: which holds the passes; empty until somebody says it.
        settled: whether the message was found right for this list and column.
        controls: settings of the run by their names, as text.
        asked: who wants it approved.
        approved: who approved which content.
        returned: who sent it back, and why.
        problem: why it could not be started, or sent a test.
        starter: who had it sent.
        tested: who had it sent to a pass of theirs, what of (`checkable`), and what became of it.
        own_pass: that pass.
    """

    id: str
    owner: str
    created_at: float
    changed_at: float
    stage: Stage = Stage.EDITING
    hands: tuple[str, ...] = ()
    name: str = ""
    list: Upload | None = None
    excludes: tuple[Upload, ...] = ()
    header_row: int = 0
    column: str = ""
    words: Words = Words.WRITTEN
    message: str = ""
    settled: bool = False
    controls: Mapping[str, str] = field(default_factory=dict)
    asked: Mark | None = None
    approved: Mark | None = None
    returned: Mark | None = None
    problem: str = ""
    starter: str = ""
    tested: Mark | None = None
    own_pass: str = ""

    @property
    def list_key(self) -> str:
        """What a first look is of: the list's SHA-256, and the line of its header where that was said; empty without a list."""
        if self.list is None:
            return ""
        return f"{self.list.sha256} {self.header_row}" if self.header_row else self.list.sha256

    @property
    def content(self) -> str:
        """What an approval is of: SHA-256 over everything that decides who is told what, and how."""
        files = [[upload.sha256, upload.file] for upload in (self.list, *self.excludes) if upload is not None]
        said = [
            self.name,
            files,
            self.column,
            self.words,
            self.message if self.words is Words.WRITTEN else "",
            sorted(self.controls.items()),
            # What was approved before there was a line to say stays approved.
            *([self.header_row] if self.header_row else []),
        ]
        return hashlib.sha256(orjson.dumps(said)).hexdigest()

    @property
    def checkable(self) -> str:
        """What a check is of: it stays good while this does, whatever becomes of the pace and the hours."""
        files = [upload.sha256 for upload in (self.list, *self.excludes) if upload is not None]
        fixed = [self.controls.get("lock_screen", ""), bool(self.controls.get("window")) and not self.controls.get("time_zone")]
        said = [files, self.column, self.words, self.message if self.words is Words.WRITTEN else "", fixed]
        if self.header_row:
            said.append([self.header_row])
        return hashlib.sha256(orjson.dumps(said)).hexdigest()

    @property
    def is_approved(self) -> bool:
        """Whether a second person has agreed to what it is now."""
        return self.approved is not None and self.approved.content == self.content

    @property
    def test_arrived(self) -> bool:
        """Whether a test of exactly this message and list has reached its pass."""
        arrived = {Status.DELIVERED, Status.ACCEPTED}
        return self.tested is not None and self.tested.content == self.checkable and self.tested.note in arrived

    def changed(self, by: str, now: float, **changes: object) -> Self:
        """The same with other content, by somebody.

        Raises:
            UsageError: it is no longer to be changed.
        """
        if self.stage is not Stage.EDITING:
            if self.stage is Stage.WAITING:
                raise UsageError("This waits for a second person, so it can't be changed. Take it back first.", code="waiting_for_approval")
            raise UsageError("This has been sent, so it can't be changed any more. Begin a new campaign.", code="already_sent")
        hands = self.hands if by in self.hands else (*self.hands, by)
        return replace(self, changed_at=now, hands=hands, problem="", **changes)  # type: ignore[arg-type]  # named by callers of this package

    def as_json(self) -> bytes:
        return orjson.dumps(_DRAFTS.dump_python(self, mode="json"), option=orjson.OPT_INDENT_2)

    @staticmethod
    def of(content: bytes) -> "Draft":
        """The draft that `as_json` wrote; ValueError if it is none."""
        return _DRAFTS.validate_json(content)


_DRAFTS: TypeAdapter[Draft] = TypeAdapter(Draft)
