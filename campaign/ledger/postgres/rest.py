"""Whether a campaign is at rest, and still this ledger's: asked before it is sent or forgotten."""

from campaign.ledger import refusals
from campaign.ledger.periods import DAY_SECONDS
from campaign.ledger.postgres.connection import Session
from campaign.ledger.postgres.store import Store


class Rest(Store):
    def _check_ended(self, db: Session, campaign: int) -> None:
        """That nothing of the campaign is left to do, and that it was at rest for a day.

        Raises:
            UsageError: otherwise.
        """
        control, pending_in, sending, _doubt_in = db.all("outlook", campaign=campaign)[0]
        exported = db.all("not_here", campaign=campaign)[0][1] is not None
        if control == "staging" or ((pending_in is not None or sending) and not exported):
            raise refusals.not_ended()
        check_no_doubts(db, campaign)
        _when, seconds_ago = db.all("last_change", campaign=campaign)[0]
        if seconds_ago < DAY_SECONDS:
            raise refusals.too_young()


def check_no_doubts(db: Session, campaign: int) -> None:
    """That nothing is under way, or to be read back; what waits for a person may wait.

    Raises:
        UsageError: something is.
    """
    _control, _pending_in, sending, doubt_in = db.all("outlook", campaign=campaign)[0]
    if sending or doubt_in is not None:
        raise refusals.in_doubt()


def check_here(db: Session, campaign: int) -> None:
    """That the campaign is still this ledger's to be sent.

    Raises:
        UsageError: it was forgotten, or exported by an earlier version.
    """
    forgotten_at, exported_at, file = db.all("not_here", campaign=campaign)[0]
    if refusal := refusals.not_here(forgotten_at=forgotten_at, exported_at=exported_at, file=file):
        raise refusal
