"""How long one place of a team is filled again and again, while who fills it fails."""

from dataclasses import dataclass
from typing import Final

from campaign.engine.orders import Broken

STRIKES: Final = 8
"""How often in a row a worker may fail while the campaign does not move."""

GOOD_LIFE_SECONDS: Final = 60.0
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 10.0
AWAY_PAUSE_SECONDS: Final = 2.0
AWAY_SECONDS: Final = 120.0
"""How long a cluster has to see that a node is lost, and to put its workers elsewhere. Ray may take a minute for the first."""


@dataclass(slots=True, kw_only=True)
class Patience:
    """Of one place; times are in seconds, by any clock that does not go back."""

    strikes: int = 0
    away: bool = False
    _open_rows: int = -1
    _since_seconds: float = 0.0

    def failed(self, told: Broken, *, began_seconds: float, now_seconds: float, open_rows: int) -> float | None:
        """Who has filled it since `began_seconds` has failed; returns the seconds until the next shall, None if none shall any more."""
        lived_well = now_seconds - began_seconds > GOOD_LIFE_SECONDS
        if lived_well or open_rows != self._open_rows:
            # A good life is no part of the trouble after it.
            self.strikes, self._since_seconds = 0, now_seconds if lived_well else began_seconds
        self.strikes += 1
        self.away, self._open_rows = told.away, open_rows
        if now_seconds - self._since_seconds >= AWAY_SECONDS if told.away else self.strikes >= STRIKES:
            return None
        return min(FIRST_PAUSE_SECONDS * (1 << self.strikes - 1), AWAY_PAUSE_SECONDS if told.away else LONGEST_PAUSE_SECONDS)
