"""Why a ledger refuses a request, in the same words for every backend."""

from collections.abc import Sequence
from typing import Any

from campaign.domain.errors import LedgerError, LedgerPlaceError, UsageError
from campaign.domain.text.lines import day
from campaign.ledger.clock import DAY_SECONDS


def used_by_older(ledger: str) -> LedgerPlaceError:
    return LedgerPlaceError(
        f"The ledger {ledger} is of an older Campaign, which is still using it. Wait until it has ended, or stop it, then run the same "
        "command again. A process that was killed counts for up to 30 s.",
        code="ledger_used_by_older",
    )


def restored(ledger: str) -> LedgerError:
    return LedgerError(
        f"A dump was restored into the ledger {ledger} while this run was sending, or its server lacks what another run has written to it. "
        "It does not know all that was sent, so nothing more is sent. To send from it all the same, add --moved-here.",
        code="ledger_restored",
    )


def went_back(ledger: str) -> LedgerError:
    return LedgerError(
        f"The ledger {ledger} lacks what this run has written to it: a server took over without the last of it, or an earlier state was "
        "put back. It does not know all that was sent, so nothing more is sent from it. To send from it all the same, and to some perhaps "
        "twice, add --moved-here.",
        code="ledger_went_back",
    )


def replaced() -> UsageError:
    return UsageError(
        "The campaign is no longer in the ledger: meanwhile its name was given to another list or message. Nothing more of it is sent.",
        code="replaced",
    )


def name_taken(name: str) -> UsageError:
    return UsageError(f"There is a campaign named “{name}” already. Choose another --name.", code="name_taken", campaign=name)


def staged_by_another() -> UsageError:
    return UsageError("The list was staged by another process meanwhile. Run the same command again.", code="staged_by_another")


def being_staged() -> UsageError:
    return UsageError(
        "Another process is staging this list. Wait for it, or stop it, then run the same command again.", code="being_staged"
    )


def other_api(known: str, asked: str) -> UsageError:
    return UsageError(
        f"This campaign was started with {known}, not with {asked}. Give the new one another --name, or another --ledger.",
        code="other_api",
        known=known,
        asked=asked,
    )


def check_api(known: str | None, asked: str) -> None:
    """Check that a campaign may be sent to an API; `known` is the one that it was sent to, None if it is no longer in the ledger.

    Raises:
        UsageError: it may not.
    """
    if known is None:
        raise replaced()
    if known != asked:
        raise other_api(known, asked)


def cannot_change_state() -> UsageError:
    return UsageError("The campaign is cancelled, or its list is still being staged; nothing was changed.", code="not_now")


def not_ended() -> UsageError:
    return UsageError("The campaign has rows that are not sent yet. Let it end, or give it up with campaign cancel.", code="not_ended")


def too_recent() -> UsageError:
    return UsageError(
        "Something was sent or changed in the last 24 h, and what a pass was sent in that time is needed to hold the daily cap. "
        "Forget the campaign tomorrow.",
        code="too_recent",
    )


def unverified() -> UsageError:
    return UsageError(
        "Some of its messages may have arrived, and their passes are still to be read. Run campaign verify first.", code="in_doubt"
    )


def check_ended(pending_work: Sequence[Any], *, exported: bool, unchanged_seconds: float) -> None:
    """Check that a campaign has ended, and did not change for a day, by the result of the statement `pending_work`.

    Raises:
        UsageError: it has not ended, has unverified rows, or changed since.
    """
    desired_state, pending, sending, unverified_row = pending_work
    if desired_state == "staging" or ((pending is not None or sending) and not exported):
        raise not_ended()
    if sending or unverified_row is not None:
        raise unverified()
    if unchanged_seconds < DAY_SECONDS:
        raise too_recent()


def check_here(purged_and_exported: Sequence[Any]) -> None:
    """Check that this ledger may send a campaign, by the result of the statement `purged_or_exported`.

    Raises:
        UsageError: it was purged, or exported by an earlier version.
    """
    purged_at, exported_at, file = purged_and_exported
    if refusal := purged_or_exported(purged_at=purged_at, exported_at=exported_at, file=file):
        raise refusal


def purged_or_exported(*, purged_at: float | None, exported_at: float | None, file: str | None) -> UsageError | None:
    """Why this ledger may no longer send a campaign; None if it may."""
    if purged_at is not None:
        return UsageError(
            f"The campaign was forgotten on {day(purged_at)}: its rows are gone. Start a new one with campaign run.", code="forgotten"
        )
    if exported_at is not None:
        return UsageError(
            f"The campaign was exported to {file} on {day(exported_at)}, so that nothing of it is sent from this ledger: from two, people "
            "would get it twice. Resume it where the file was imported.",
            code="exported",
        )
    return None
