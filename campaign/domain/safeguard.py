"""When a run must stop or back off by itself: plain arithmetic over how its attempts ended."""

import math
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from campaign.domain.verdict import Proof, Verdict

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
        self._in_a_row = self._pauses = 0
        self._trouble_since = None
        return self._over_the_limit()

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
