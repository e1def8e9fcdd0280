"""Whether a campaign is at rest, and still this ledger's: asked before it is sent, forgotten or handed over."""

from datetime import UTC, datetime
from typing import Final

import apsw

from campaign.domain.errors import UsageError
from campaign.ledger.sqlite.store import Store, rows

KEPT_SECONDS: Final = 86400.0
"""How far back a cap on messages per pass looks: nothing younger is forgotten."""


class Rest(Store):
    def _check_idle(self, db: apsw.Connection, campaign: int | None) -> None:
        """That no live process works on the campaign, or (None) on any.

        Raises:
            UsageError: one does.
        """
        for runner, of_campaign, lease_until, *_ in rows(db, "runners_at_work"):
            if campaign in {None, of_campaign} and (runner in self._lifelines or not self._is_dead(runner, lease_until)):
                which = "The campaign" if campaign else "A campaign of this ledger"
                raise UsageError(f"{which} is being worked on by another process. Wait for its end, or pause it, then try again.")

    def _check_ended(self, db: apsw.Connection, campaign: int) -> None:
        """That nothing of the campaign is left to do, and that it was at rest for a day.

        Raises:
            UsageError: otherwise.
        """
        control, pending_at, sending, _doubt_at = rows(db, "outlook", campaign=campaign)[0]
        handed_over = bool(rows(db, "handed_over", campaign=campaign))
        if control == "staging" or ((pending_at is not None or sending) and not handed_over):
            raise UsageError("The campaign has rows that are not sent yet. Let it end, or give it up with campaign cancel.")
        check_no_doubts(db, campaign)
        last = rows(db, "last_change", campaign=campaign, wall=self._clock.wall())[0][0]
        if self._clock.wall() - last < KEPT_SECONDS:
            raise UsageError(
                "Something was sent or changed in the last 24 h, and what a pass was sent in that time is needed to hold the daily cap. "
                "Forget the campaign tomorrow."
            )


def check_no_doubts(db: apsw.Connection, campaign: int) -> None:
    """That nothing is under way, or to be read back; what waits for a person may wait.

    Raises:
        UsageError: something is.
    """
    _control, _pending_at, sending, doubt_at = rows(db, "outlook", campaign=campaign)[0]
    if sending or doubt_at is not None:
        raise UsageError("Some of its messages may have arrived, and their passes are still to be read. Run campaign verify first.")


def check_here(db: apsw.Connection, campaign: int) -> None:
    """That the campaign is still this ledger's to be sent.

    Raises:
        UsageError: it was forgotten, or handed over.
    """
    forgotten_at, exported_at, file = rows(db, "not_here", campaign=campaign)[0]
    if forgotten_at is not None:
        raise UsageError(f"The campaign was forgotten on {_day(forgotten_at)}: its rows are gone. Start a new one with campaign run.")
    if exported_at is not None:
        raise UsageError(
            f"The campaign was exported to {file} on {_day(exported_at)}, so that nothing of it is sent from this ledger: from two, people "
            "would be told twice. Go on where the file was imported, or import it here under another --name."
        )


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).date().isoformat()
