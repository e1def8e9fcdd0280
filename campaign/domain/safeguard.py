"""When a run must stop or back off by itself: plain arithmetic over how its attempts ended."""

import math
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from campaign.domain.verdict import Fault, Proof, Reading, Reply, Verdict, foreign

T = TypeVar("T")

RECENT: Final = 100
FEWEST_FOR_A_SHARE: Final = 20
TROUBLES_IN_A_ROW: Final = 5
LONGEST_PAUSE_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 900.0
LOGINS_REFUSED: Final = 3
"""By a proxy, in a row: it does not change its mind, and might lock the user out."""

PROXY_AUTH: Final = "proxy_auth"
"""The reason of an attempt whose proxy did not accept the user and password (407)."""

FORGOTTEN_SECONDS: Final = 400.0
"""Longer than any pause: with nothing sent for so long, two troubles are not one that lasts."""

FIRST_REFUSED: Final = 10
"""So many refusals, and no other answer before, are of everything."""

LAST_ANSWERS: Final = 40
MOST_REFUSED: Final = 36
"""So many refusals among the last answers are of everything, though there were others before."""

_WHAT_TO_DO: Final = "Check PASSENTRY_API_KEY, or leave these passes out with --exclude."

BURST: Final = 3
"""So many refusals in a row may be of a moment in which everything was refused."""

FOREIGN_ANSWERS: Final = 5
"""So many answers of somebody else in a row, and none of PassEntry's before, show that it is not PassEntry that answers."""

FOREIGN_SENDS: Final = 20
"""The same of messages where PassEntry answers reads: then it is there, and something between may let only reads through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """`--halt`: stop at this share of failures among the last 100 sends, or at this many in all; at most one of the two is set."""

    share: float | None = None
    count: int | None = None

    def __str__(self) -> str:
        """As `parse_halt` reads it; empty if nothing is set."""
        if self.share is not None:
            return f"{self.share * 100:.10g}%"
        return "" if self.count is None else str(self.count)


def parse_halt(text: str) -> Halt:
    """`20%` or `500`.

    Raises:
        ValueError: it is neither.
    """
    if found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text):
        share = float(found[1]) / 100
        if 0 < share <= 1:
            return Halt(share=share)
    elif (found := re.fullmatch(r"\s*(\d+)\s*", text)) and int(found[1]) > 0:
        return Halt(count=int(found[1]))
    raise ValueError(f"“{text}” is not a limit of failures; write a share such as 20%, or a number such as 500")


@dataclass(slots=True, kw_only=True)
class Safeguard:
    """Watches a run's attempts. `note` says why to stop, or nothing; `pause_seconds` how long everyone should back off now, mostly 0."""

    halt: Halt = field(default_factory=Halt)
    pause_seconds: float = 0.0
    _failures: int = 0
    _in_a_row: int = 0
    _pauses: int = 0
    _paused_until: float = -math.inf
    _trouble_since: float | None = None
    _trouble_last: float = -math.inf
    _logins_refused: int = 0
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))

    @property
    def in_trouble(self) -> bool:
        """Whether the API, and not this or that row, is what fails: attempts made now are not held against their rows."""
        return self._in_a_row >= TROUBLES_IN_A_ROW

    def note(self, verdict: Verdict, *, failed: bool, now: float) -> str:
        """Take in the end of one attempt.

        Args:
            verdict: what it proved.
            failed: whether the row failed or is in doubt because of it.
            now: seconds on any clock that only goes forward.

        Returns:
            A sentence on why the run must stop; empty if it need not.
        """
        self.pause_seconds = 0.0
        if verdict.proof is Proof.TOKEN_REFUSED:
            return f"The API refused the token ({verdict.reason.removeprefix('http_')}). Check PASSENTRY_API_KEY."
        self._logins_refused = self._logins_refused + 1 if verdict.reason == PROXY_AUTH else 0
        if self._logins_refused >= LOGINS_REFUSED:
            return verdict.error
        if verdict.proof is Proof.THROTTLED:
            return self._lasting(now, "answered only 429 (too many requests)")
        if verdict.proof is Proof.ROW_OR_ALL and not failed:
            # Whether the row failed is not known yet, but the API is there.
            self._calm()
            return ""
        self._recent.append(failed)
        self._failures += failed
        if verdict.proof in {Proof.NOT_ACCEPTED, Proof.AMBIGUOUS}:
            self._in_a_row += 1
            if self._in_a_row >= TROUBLES_IN_A_ROW and now >= self._paused_until:
                self.pause_seconds = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(self._pauses, 10))
                self._pauses += 1
                self._paused_until = now + self.pause_seconds
            why = verdict.error if verdict.proof is Proof.NOT_ACCEPTED else ""
            return self._over_the_limit() or self._lasting(now, "could not be reached, or failed,", why)
        self._calm()
        return self._over_the_limit()

    def _calm(self) -> None:
        self._in_a_row = self._pauses = 0
        self._trouble_since = None

    def _lasting(self, now: float, what: str, why: str = "") -> str:
        if self._trouble_since is None or now - self._trouble_last > FORGOTTEN_SECONDS:
            self._trouble_since = now
        self._trouble_last = now
        if now - self._trouble_since < PATIENCE_SECONDS:
            return ""
        return f"The API {what} for {PATIENCE_SECONDS / 60:.0f} minutes. {why}".rstrip()

    def _over_the_limit(self) -> str:
        if self.halt.count is not None and self._failures >= self.halt.count:
            return f"{self._failures} sends failed, which is the limit set by --halt."
        share = sum(self._recent) / max(len(self._recent), 1)
        if self.halt.share is not None and len(self._recent) >= FEWEST_FOR_A_SHARE and share >= self.halt.share:
            return f"{share:.0%} of the last {len(self._recent)} sends failed; --halt allows {self.halt.share:.0%}."
        return ""


@dataclass(slots=True)
class _Burst:
    """Refusals that came with nothing accepted between them."""

    refusals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held(Generic[T]):
    item: T
    answered_at: float
    burst: _Burst
    again: bool

    @property
    def own(self) -> bool:
        return self.again or self.burst.refusals < BURST


@dataclass(slots=True)
class Refusals(Generic[T]):
    """Holds refusals back until it is known whether they are of single rows or of everything, as when the token was revoked.

    A token that is refused stays refused. So a refusal is its row's own as soon as a message is accepted that was sent after the refusal
    came. A message accepted later but sent before it proves nothing: the token may have been revoked between the two.

    What is released comes with whether it is its row's own. A token that is refused for a moment only would otherwise fail the rows of that
    moment: so of several refusals in a row none is a row's own before that row was refused again.

    Every time is of one clock that only goes forward.
    """

    stop: str = ""
    """Why the run must stop, as a sentence; empty if it need not."""

    _held: deque[_Held[T]] = field(default_factory=deque)
    _last: deque[bool] = field(default_factory=lambda: deque(maxlen=LAST_ANSWERS))
    _burst: _Burst = field(default_factory=_Burst)
    _accepted: bool = False
    _http_status: int = 403

    @property
    def any_held(self) -> bool:
        return bool(self._held)

    def refuse(self, item: T, *, answered_at: float, http_status: int, again: bool) -> None:
        """Take in a refusal, and hold it back; after it `stop` may be set. `again` is whether the row was refused before."""
        self._burst.refusals += 1
        self._held.append(_Held(item=item, answered_at=answered_at, burst=self._burst, again=again))
        self._last.append(True)
        self._http_status = http_status
        refused = sum(self._last)
        if not self.stop and refused == len(self._last) >= FIRST_REFUSED:
            self.stop = self._all_refused()
        elif not self.stop and refused >= MOST_REFUSED:
            self.stop = (
                f"The API did not refuse everything at first, and then refused {refused} of {len(self._last)} messages ({http_status}): "
                f"the token may have been revoked, or these passes belong to somebody else. {_WHAT_TO_DO}"
            )

    def answer(self) -> None:
        """Take in an answer about the content of a message: not everything is refused."""
        self._last.append(False)

    def accept(self, *, sent_at: float) -> list[tuple[T, bool]]:
        """Take in that a message was accepted which was sent then; returns what is decided by it."""
        self._accepted = True
        self._last.append(False)
        self._burst = _Burst()
        return [] if self.stop else [(held.item, held.own) for held in self._released(before=sent_at)]

    def asked(self, *, works: bool | None, asked_at: float) -> list[tuple[T, bool]]:
        """Decide on what is held where no more answers come that could; after it `stop` may be set.

        Args:
            works: whether the token was let in when it asked, at `asked_at`, for a pass that it had sent to before; None: not known.
            asked_at: when.
        """
        if self.stop or works is False or (True in self._last and not (works or self._accepted)):
            self.stop = self.stop or self._all_refused()
            return []
        return [(held.item, bool(works) and held.own) for held in self._released(before=asked_at)]

    def let_go(self) -> list[T]:
        """What is still held, which is held no longer: nobody knows whose it was."""
        return [held.item for held in self._released(before=math.inf)]

    def _released(self, *, before: float) -> list[_Held[T]]:
        if not self._held:
            return []
        # Answers are taken in in nearly the order in which they came, so all are looked at.
        released = [held for held in self._held if held.answered_at <= before]
        self._held = deque(held for held in self._held if held.answered_at > before)
        return released

    def _all_refused(self) -> str:
        return (
            f"The API refuses everything ({self._http_status}), the last {len(self._held)} messages among it: the token may not send, or "
            f"these passes belong to somebody else. {_WHAT_TO_DO}"
        )


@dataclass(slots=True, kw_only=True)
class Recognition:
    """Whether it is PassEntry that answers: each method says why to stop, or nothing.

    Args:
        origin: of whom the answers are, for the sentence.
    """

    origin: str
    _sends_known: bool = False
    _reads_known: bool = False
    _foreign_sends: int = 0
    _foreign_reads: int = 0

    @property
    def known(self) -> bool:
        """Whether PassEntry has answered."""
        return self._sends_known or self._reads_known

    def note_send(self, result: Reply | Fault) -> str:
        """Take in the end of a POST. A gateway that lets reads through may keep messages back, so answers to reads don't count here."""
        what = foreign(result) if isinstance(result, Reply) else ""
        self._sends_known |= isinstance(result, Reply) and result.signature.documented
        self._foreign_sends = self._foreign_sends + 1 if what else 0
        most = FOREIGN_SENDS if self._reads_known else FOREIGN_ANSWERS
        return "" if self._sends_known or self._foreign_sends < most else self._sentence(what)

    def note_read(self, reading: Reading) -> str:
        """Take in the end of a GET. Where messages are answered by PassEntry, they are sent, also if passes can't be read."""
        self._reads_known |= reading.signature.documented
        what = foreign(reading)
        self._foreign_reads = self._foreign_reads + 1 if what else 0
        return "" if self.known or self._foreign_reads < FOREIGN_ANSWERS else self._sentence(what)

    def _sentence(self, what: str) -> str:
        return (
            f"This is not PassEntry: {self.origin} answered {what}. Look for a login page of the network, a proxy or a firewall, and check "
            "PASSENTRY_API_URL."
        )
