"""When a run must stop or back off by itself: plain arithmetic over the ends of its attempts."""

import math
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from campaign.domain.verdict import ACCEPTED, REFUSALS, AttemptOutcome, Evidence, Fault, PassReading, Reply, foreign, quiet_after

T = TypeVar("T")

RECENT: Final = 100
FEWEST_FOR_A_SHARE: Final = 20
TROUBLES_IN_A_ROW: Final = 5
LONGEST_PAUSE_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 900.0
LOGINS_REFUSED: Final = 3
"""In a row, by a proxy: it does not change its mind, and might lock the user out."""

PROXY_AUTH: Final = "proxy_auth"
"""The reason of an attempt, and the cause of a reading, whose proxy did not accept the user and password (407)."""

FORGOTTEN_SECONDS: Final = 400.0
"""Longer than any pause: if nothing was sent for so long beyond the quiet period, two errors are not one lasting outage."""

FIRST_REFUSED: Final = 10
"""This many refusals with no other answer before suggest that the API refuses everything."""

LAST_ANSWERS: Final = 40
MOST_REFUSED: Final = 36
"""This many refusals among the last answers suggest that the API refuses everything, though there were other answers before."""

_CHECK: Final = "Check the token (PASSENTRY_API_KEY or PASSENTRY_API_KEY_FILE)"
_WHAT_TO_DO: Final = f"{_CHECK}, or leave these passes out with --exclude."
_WHAT_TO_DO_ABOUT_ONE: Final = f"{_CHECK}. If it is right and one pass is refused each time, leave it out with --exclude."

MOST_HELD: Final = 100
"""At most this many refusals are held before the runner finds out their cause; those of messages under way come on top."""

MOST_OWN: Final = 200
"""If more rows than this fail again, and no message is accepted between them, it is an outage that came when only such rows were left."""

MOST_REMEMBERED: Final = 10_000
"""At most this many rows are remembered as failed; a row that is not remembered is treated as one that fails for the first time."""

FOREIGN_ANSWERS: Final = 5
"""This many answers of somebody else in a row, and none of PassEntry before, show that it is not PassEntry that answers."""

FOREIGN_SENDS: Final = 10
"""The same for messages while PassEntry answers reads: it is there, and a gateway between may let only reads through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """`--halt`: stop at this share of failures among the last 100 sends, or at this total number. At most one of the two is set."""

    share: float | None = None
    count: int | None = None

    def __str__(self) -> str:
        """The text that `parse_halt` reads; empty if nothing is set."""
        if self.share is not None:
            return f"{self.share * 100:.10g}%"
        return "" if self.count is None else str(self.count)


def parse_halt(text: str) -> Halt:
    """The limit in a text such as `20%` or `500`. Raises ValueError if it is neither."""
    if found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text):
        share = float(found[1]) / 100
        if 0 < share <= 1:
            return Halt(share=share)
    elif (found := re.fullmatch(r"\s*(\d+)\s*", text)) and int(found[1]) > 0:
        return Halt(count=int(found[1]))
    raise ValueError(f"“{text}” is not a limit of failures; write a share such as 20%, or a number such as 500")


@dataclass(slots=True)
class RowErrors:
    """Tells an error that PassEntry has with one row from an outage, as `Refusals` does for refusals.

    A failure is the row's own if the row failed before, and a message was accepted that was sent after that failure: sending worked, and
    only this row fails again. Times are seconds on one monotonic clock.
    """

    _failed_at: dict[int, float] = field(default_factory=dict)
    _sent_at: float = -math.inf

    def fail(self, row: int, *, answered_at: float) -> None:
        """Record a failure that counts. The first of a row is kept."""
        self._failed_at.setdefault(row, answered_at)
        if len(self._failed_at) > MOST_REMEMBERED:
            del self._failed_at[next(iter(self._failed_at))]

    def accept(self, row: int, *, sent_at: float) -> None:
        """Record that the row's message, sent at `sent_at`, was accepted."""
        self._failed_at.pop(row, None)
        self._sent_at = max(self._sent_at, sent_at)

    def is_own(self, row: int) -> bool:
        """Whether a failure of the row, at present, is its own."""
        return self._failed_at.get(row, math.inf) <= self._sent_at


@dataclass(slots=True, kw_only=True)
class FailureGuard:
    """Watches a run's attempts. `note` returns why to stop. `pause_seconds` is how long everyone should back off now, mostly 0.

    `quiet_seconds` is the longest wait of a row for its reading, so far.
    """

    halt: Halt = field(default_factory=Halt)
    quiet_seconds: float = 0.0
    pause_seconds: float = 0.0
    _failures: int = 0
    _in_a_row: int = 0
    _other_rows: set[int] = field(default_factory=set)
    _own_rows: set[int] = field(default_factory=set)
    _accepted: bool = False
    _pauses: int = 0
    _paused_until: float = -math.inf
    _trouble_since: float | None = None
    _trouble_last: float = -math.inf
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))

    @property
    def in_trouble(self) -> bool:
        """Whether the API fails rather than single rows: attempts made now are not counted against their rows, unless `counts` says so."""
        return self._in_a_row >= TROUBLES_IN_A_ROW

    def counts(self, *, own: bool) -> bool:
        """Whether an attempt that ends now counts against its row. `own` is as in `RowErrors`, and false if the API was not reached.

        A row's own failures count until so many rows fail, with no answer between, that it must be an outage.
        """
        return not self.in_trouble or (own and not self._many_rows)

    @property
    def _many_rows(self) -> bool:
        return len(self._other_rows) >= TROUBLES_IN_A_ROW or len(self._own_rows) > MOST_OWN

    def note(
        self,
        verdict: AttemptOutcome,
        *,
        failed: bool,
        now: float,
        latency_seconds: float = 0.0,
        row: int = 0,
        own: bool = False,
        again: bool = False,
    ) -> str:
        """Record the end of one attempt; returns why the run must stop, as a sentence, or an empty text.

        `failed` says whether the row failed or is unknown because of it. `now` is in seconds on any monotonic clock. `latency_seconds` says
        how long the attempt lasted. `own` is as in `counts`. `again` says whether the token was refused for this row before.
        """
        self.pause_seconds = 0.0
        self.quiet_seconds = quiet_after(latency_seconds, quiet_seconds=self.quiet_seconds)
        if verdict.proof is Evidence.TOKEN_REFUSED:
            return self._token_refused(verdict.reason.removeprefix("http_"), again=again)
        self._accepted |= verdict.proof in ACCEPTED
        if verdict.proof is Evidence.THROTTLED:
            return self._lasting(now, "answered only 429 (too many requests)")
        if verdict.proof is Evidence.ROW_OR_ALL and not failed:
            # Whether the row failed is not known yet, but the API is there.
            self._calm()
            return ""
        self._recent.append(failed)
        self._failures += failed
        # A refusal of a message's content shows that somebody answers, though perhaps not who.
        if verdict.proof in {Evidence.NOT_ACCEPTED, Evidence.AMBIGUOUS} and verdict.reason not in REFUSALS:
            if own and not self._many_rows:
                # It says nothing about the API, neither that it works nor that it does not.
                self._own_rows.add(row)
                return self._over_the_limit()
            self._in_a_row += 1
            if not own:
                self._other_rows.add(row)
            if self._in_a_row >= TROUBLES_IN_A_ROW and now >= self._paused_until:
                self.pause_seconds = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(self._pauses, 10))
                self._pauses += 1
                self._paused_until = now + self.pause_seconds
            why = verdict.error if verdict.proof is Evidence.NOT_ACCEPTED else ""
            return self._over_the_limit() or self._lasting(now, "could not be reached, or failed,", why)
        self._calm()
        return self._over_the_limit()

    def _calm(self) -> None:
        self._in_a_row = self._pauses = 0
        self._other_rows.clear()
        self._own_rows.clear()
        self._trouble_since = None

    def _token_refused(self, http_status: str, *, again: bool) -> str:
        if self._accepted:
            return f"The API accepted messages at first, and now refuses the token ({http_status}). {_WHAT_TO_DO_ABOUT_ONE}"
        what_to_do = _WHAT_TO_DO_ABOUT_ONE if again else f"{_CHECK}."
        return f"The API refused the token ({http_status}). {what_to_do}"

    def _lasting(self, now: float, what: str, why: str = "") -> str:
        if self._trouble_since is None or now - self._trouble_last > FORGOTTEN_SECONDS + self.quiet_seconds:
            self._trouble_since = now
        self._trouble_last = now
        if now - self._trouble_since < PATIENCE_SECONDS:
            return ""
        return f"The API {what} for {PATIENCE_SECONDS / 60:.0f} minutes. {why}".rstrip()

    def _over_the_limit(self) -> str:
        if self.halt.count is not None and self._failures >= self.halt.count:
            return f"{self._failures} sends failed, which is the limit set by --halt."
        if self.halt.share is None or len(self._recent) < FEWEST_FOR_A_SHARE:
            return ""
        share = sum(self._recent) / len(self._recent)
        if share >= self.halt.share:
            return f"{share:.0%} of the last {len(self._recent)} sends failed; --halt allows {self.halt.share:.0%}."
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held(Generic[T]):
    item: T
    row: int
    answered_at: float
    again: bool
    accepted_before: int


@dataclass(slots=True)
class Refusals(Generic[T]):
    """Holds refusals back until it is known whether the API refuses single rows or everything, as after the token was revoked.

    A refusal concerns only its row in two cases. Either the row was refused twice, and between the two a message was accepted that was sent
    after the first refusal. (A message that was sent before the refusal and accepted later proves nothing: the token may have been revoked
    between the two.) Or the row's pass can't be read either, while a pass that a message was sent to can.

    Released items come as pairs: the item, and whether the refusal concerns only its row. If not, the row is to be sent once more. All
    times are seconds on one monotonic clock.
    """

    stop: str = ""
    """Why the run must stop, as a sentence; empty if it need not."""

    _held: deque[_Held[T]] = field(default_factory=deque)
    _last: deque[bool] = field(default_factory=lambda: deque(maxlen=LAST_ANSWERS))
    _accepted: int = 0
    _shown: bool = False
    _http_status: int = 403

    @property
    def held(self) -> list[tuple[int, T]]:
        """The held items, each with its row."""
        return [(held.row, held.item) for held in self._held]

    @property
    def refuse_everything(self) -> bool:
        """Whether the API seems to refuse everything, so that nothing may be sent before the cause is known."""
        refused = sum(self._last)
        first = not self._shown and refused == len(self._last) >= FIRST_REFUSED
        return first or refused >= MOST_REFUSED

    @property
    def must_ask(self) -> bool:
        """Whether to find out the cause now, though there is more to send."""
        return bool(self._held) and not self.stop and (self.refuse_everything or len(self._held) >= MOST_HELD)

    def refuse(self, item: T, *, row: int, answered_at: float, http_status: int, again: bool) -> None:
        """Hold a refusal back. `again` says whether the row was refused before."""
        self._held.append(_Held(item=item, row=row, answered_at=answered_at, again=again, accepted_before=self._accepted))
        self._last.append(True)
        self._http_status = http_status

    def answer(self) -> None:
        """Record an answer about the content of a message: not everything is refused."""
        self._last.append(False)

    def accept(self, *, sent_at: float) -> list[tuple[T, bool]]:
        """Record that a message that was sent at `sent_at` was accepted. Returns the items that this decides."""
        self._accepted += 1
        self._last.append(False)
        if self.stop or not self._held:
            return []
        # Answers are recorded only nearly in the order in which they came, so every item is compared.
        decided = [(held.item, held.again) for held in self._held if held.answered_at <= sent_at]
        self._held = deque(held for held in self._held if held.answered_at > sent_at)
        return decided

    def asked(self, *, works: bool | None, readable: Mapping[int, bool | None]) -> list[tuple[T, bool]]:
        """Decide on held rows, after their passes were read. May set `stop`.

        Args:
            works: whether the token can read a pass that it sent to before; None if unknown.
            readable: for each row to decide on, whether its pass can be read; None if unknown.

        Returns:
            The decided items.
        """
        if works is False or (not works and (self.refuse_everything or not self._accepted)):
            self.stop = self.stop or self._all_refused()
        elif sum(readable.get(held.row) is True for held in self._held if self._is_of_the_last(held)) >= FIRST_REFUSED:
            self.stop = self.stop or self._only_reads()
        if self.stop:
            return []
        decided = [(held.item, bool(works) and (held.again or readable[held.row] is False)) for held in self._held if held.row in readable]
        self._held = deque(held for held in self._held if held.row not in readable)
        if works:
            self._shown = True
            self._last.clear()
        return decided

    def _is_of_the_last(self, held: _Held[T]) -> bool:
        """Whether nothing shows that not everything was refused: no message was accepted since, and the row was not refused before."""
        return not held.again and held.accepted_before == self._accepted

    def release(self) -> list[T]:
        """Return and drop the items that are still held: their cause stays unknown."""
        left = [held.item for held in self._held]
        self._held.clear()
        return left

    def _all_refused(self) -> str:
        if self._accepted:
            return f"The API did not refuse everything at first, and now refuses the token ({self._http_status}). {_WHAT_TO_DO}"
        return (
            f"The API refuses everything ({self._http_status}), the last {len(self._held)} messages among it: the token may not send, or "
            f"these passes belong to somebody else. {_WHAT_TO_DO}"
        )

    def _only_reads(self) -> str:
        return (
            f"The API refuses the last {len(self._held)} messages ({self._http_status}), though the token may read their passes: it may "
            f"not send, or not to these. {_WHAT_TO_DO}"
        )


@dataclass(slots=True, kw_only=True)
class Recognition:
    """Whether PassEntry answers at `origin`, and whether a proxy lets anything through.

    The `note_*` methods return why to stop; empty if not.
    """

    origin: str
    _sends_known: bool = False
    _reads_known: bool = False
    _foreign_sends: int = 0
    _foreign_reads: int = 0
    _logins_refused: int = 0

    @property
    def known(self) -> bool:
        """Whether PassEntry has answered."""
        return self._sends_known or self._reads_known

    @property
    def must_identify(self) -> bool:
        """Whether to check who answers before more is sent: after PassEntry had answered, somebody else did several times in a row."""
        return self._sends_known and self._foreign_sends >= FOREIGN_ANSWERS

    def go_on(self) -> None:
        """Record that a check found no foreign answer."""
        self._foreign_sends = 0

    def note_send(self, result: Reply | Fault) -> str:
        """Record the end of a POST. Answers to reads don't count here, as a gateway may let reads through and hold messages back."""
        if why := self._login_refused(result.reason if isinstance(result, Fault) else "", result.error):
            return why
        what = foreign(result) if isinstance(result, Reply) else ""
        self._sends_known |= isinstance(result, Reply) and result.signature.documented
        self._foreign_sends = self._foreign_sends + 1 if what else 0
        most = FOREIGN_SENDS if self._reads_known else FOREIGN_ANSWERS
        return "" if self._sends_known or self._foreign_sends < most else self.sentence(what)

    def note_read(self, reading: PassReading) -> str:
        """Record the end of a GET. Once PassEntry has answered a message, foreign answers to reads don't stop the run."""
        if why := self._login_refused(reading.cause, reading.error):
            return why
        self._reads_known |= reading.signature.documented
        what = foreign(reading)
        self._foreign_reads = self._foreign_reads + 1 if what else 0
        return "" if self.known or self._foreign_reads < FOREIGN_ANSWERS else self.sentence(what)

    def _login_refused(self, cause: str, error: str) -> str:
        self._logins_refused = self._logins_refused + 1 if cause == PROXY_AUTH else 0
        return error if self._logins_refused >= LOGINS_REFUSED else ""

    def sentence(self, what: str) -> str:
        """Why to stop if somebody else answers. `what` is the answer in words."""
        return (
            f"This is not PassEntry: {self.origin} answered {what}. Look for a login page of the network, a proxy or a firewall, and check "
            "PASSENTRY_API_URL."
        )
