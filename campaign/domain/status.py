"""The status of a row of the list: all that depends on it alone, and its transitions. `docs/developers/states.md` shows them."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final


class Status(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    INVALID = "invalid"

    @property
    def info(self) -> "StatusInfo":
        return _INFO[self]


class Phase(Enum):
    """OPEN: not finished. SENT: a message was sent, whatever its outcome. LEFT_OUT: none is, unless a person changes the row."""

    OPEN = auto()
    SENT = auto()
    LEFT_OUT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusInfo:
    """All that depends on a row's status alone. None has a default, so that the type checker asks for each.

    `label` follows a count in a sentence; `meaning` explains it, and `advice` says what to do about the rows, where that is needed.
    `colors` are for light and dark pages.
    """

    label: str
    colors: tuple[str, str]
    meaning: str
    advice: str
    phase: Phase
    on_pass: bool | None
    """Whether the pass holds the message; None if nobody knows."""
    needs_attention: bool
    """The row makes a finished run end with exit code 3, and is in the failed-rows file."""


_INFO: Final = {
    Status.DELIVERED: StatusInfo(
        label="delivered",
        colors=("#2f9e64", "#4cc38a"),
        meaning="",
        advice="",
        phase=Phase.SENT,
        on_pass=True,
        needs_attention=False,
    ),
    Status.ACCEPTED: StatusInfo(
        label="accepted",
        colors=("#7cc7a0", "#2b7d56"),
        meaning="the pass holds the message; whether it was pushed is not known",
        advice="Nothing to do.",
        phase=Phase.SENT,
        on_pass=True,
        needs_attention=False,
    ),
    Status.NOT_DELIVERED: StatusInfo(
        label="not delivered",
        colors=("#e0a32e", "#e8b04a"),
        meaning="the pass holds the message, but it was not pushed to a device",
        advice="They can be sent again once the passes are in wallets.",
        phase=Phase.SENT,
        on_pass=True,
        needs_attention=False,
    ),
    Status.FAILED: StatusInfo(
        label="failed",
        colors=("#d2453d", "#ff8178"),
        meaning="the message was refused, or could not be handed over",
        advice="Nothing of it arrived. Send these rows again later.",
        phase=Phase.SENT,
        on_pass=False,
        needs_attention=True,
    ),
    Status.UNKNOWN: StatusInfo(
        label="unknown",
        colors=("#8f6fd6", "#a98cf0"),
        meaning="the message may have arrived, so it is not sent again automatically",
        advice="Have the passes read back. For most rows, this shows whether the message arrived; nothing is sent.",
        phase=Phase.SENT,
        on_pass=None,
        needs_attention=True,
    ),
    Status.INVALID: StatusInfo(
        label="invalid",
        colors=("#b06a64", "#b5706a"),
        meaning="the rows can't be sent as they are",
        advice="Correct these rows in the failed-rows file, and give that file back.",
        phase=Phase.LEFT_OUT,
        on_pass=False,
        needs_attention=True,
    ),
    Status.SKIPPED: StatusInfo(
        label="skipped",
        colors=("#c9cbd2", "#4b4f5b"),
        meaning="left out on purpose",
        advice="Nothing to do.",
        phase=Phase.LEFT_OUT,
        on_pass=False,
        needs_attention=False,
    ),
    Status.SENDING: StatusInfo(
        label="being sent",
        colors=("#4548c8", "#a3a7ff"),
        meaning="",
        advice="",
        phase=Phase.OPEN,
        on_pass=None,
        needs_attention=False,
    ),
    Status.PENDING: StatusInfo(
        label="not sent yet",
        colors=("#a9adba", "#6b7080"),
        meaning="waiting to be sent",
        advice="",
        phase=Phase.OPEN,
        on_pass=False,
        needs_attention=False,
    ),
}
BY_OUTCOME: Final = tuple(_INFO)
"""The order in which people see them."""

_BY_PHASE: Final = {phase: frozenset(status for status in Status if status.info.phase is phase) for phase in Phase}
OPEN, SENT_TO, LEFT_OUT = _BY_PHASE[Phase.OPEN], _BY_PHASE[Phase.SENT], _BY_PHASE[Phase.LEFT_OUT]
BEGUN: Final = SENT_TO | {Status.SENDING}
MAY_HAVE_ARRIVED: Final = frozenset(status for status in SENT_TO if status.info.on_pass is not False)
WITHOUT_MESSAGE: Final = frozenset(Status) - OPEN - MAY_HAVE_ARRIVED
"""The passes of these rows neither got the campaign's message, nor will."""

NEEDS_ATTENTION: Final = frozenset(status for status in Status if status.info.needs_attention)
SEND_FAILED: Final = SENT_TO & NEEDS_ATTENTION
"""A send with one of these outcomes counts as a failure for `--halt` and `--canary`."""

_EXPLAINED: Final = [status for status in BY_OUTCOME if status.info.meaning and status not in OPEN]
EXPLAINED: Final = tuple(sorted(_EXPLAINED, key=lambda status: status not in NEEDS_ATTENTION))
"""The statuses whose reasons are worth a table, first those that need attention."""


class Event(StrEnum):
    CLAIMED = "claimed"
    SETTLED = "settled"
    RELEASED = "released"
    LOST = "lost"
    READ_BACK = "read_back"
    RETRIED = "retried"
    CORRECTED = "corrected"
    SKIPPED = "skipped"


TRANSITIONS: Final[dict[tuple[Status, Event], frozenset[Status]]] = {
    (Status.PENDING, Event.CLAIMED): frozenset({Status.SENDING}),
    (Status.PENDING, Event.SKIPPED): frozenset({Status.SKIPPED, Status.UNKNOWN}),
    (Status.SENDING, Event.SETTLED): frozenset(
        {Status.DELIVERED, Status.NOT_DELIVERED, Status.FAILED, Status.UNKNOWN, Status.PENDING, Status.SKIPPED}
    ),
    (Status.SENDING, Event.RELEASED): frozenset({Status.PENDING}),
    (Status.SENDING, Event.LOST): frozenset({Status.UNKNOWN}),
    (Status.UNKNOWN, Event.READ_BACK): frozenset({Status.ACCEPTED, Status.PENDING, Status.FAILED, Status.UNKNOWN}),
    (Status.UNKNOWN, Event.RETRIED): frozenset({Status.PENDING}),
    (Status.NOT_DELIVERED, Event.RETRIED): frozenset({Status.PENDING}),
    (Status.FAILED, Event.RETRIED): frozenset({Status.PENDING}),
    (Status.INVALID, Event.CORRECTED): frozenset({Status.PENDING}),
    (Status.FAILED, Event.CORRECTED): frozenset({Status.PENDING}),
}
RETRYABLE: Final = frozenset(status for status, event in TRANSITIONS if event is Event.RETRIED)
"""A person may have rows with these statuses sent again."""

CORRECTABLE: Final = frozenset(status for status, event in TRANSITIONS if event is Event.CORRECTED)
"""A person may have rows with these statuses sent after a change."""

MAY_BE_SENT: Final = RETRYABLE | {status for status, event in TRANSITIONS if event is Event.CLAIMED}
WITH_REASON: Final = RETRYABLE | LEFT_OUT
"""Rows that are counted by reason, because a person may ask why they did not arrive."""

ENDED: Final = frozenset(Status) - {status for status, _ in TRANSITIONS}
"""Rows with these statuses are never sent again, by anybody."""
