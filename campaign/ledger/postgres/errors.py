"""What PostgreSQL says, in the error tree's words; and which of it means that the same may simply be tried again."""

from typing import Final

import psycopg
from psycopg import errors

from campaign.domain.errors import CampaignError, DiskFullError, LedgerDamagedError, LedgerError, LedgerPlaceError
from campaign.ledger.postgres.address import Address


class LostError(Exception):
    """The connection broke, or the database asked to try again; nothing was done, or `Line` finds out whether it was.

    Args:
        why: for people.
        good: whether the connection may be used further.
        made: whether there was one at all.
    """

    def __init__(self, why: str, *, good: bool = False, made: bool = True) -> None:
        super().__init__(why)
        self.good = good
        self.made = made


_OVERTAKEN: Final = errors.SerializationFailure | errors.DeadlockDetected | errors.LockNotAvailable
_AWAY: Final = (
    errors.AdminShutdown
    | errors.CrashShutdown
    | errors.CannotConnectNow
    | errors.TooManyConnections
    | errors.IdleInTransactionSessionTimeout
    # The connection leads to what was the primary server until now.
    | errors.ReadOnlySqlTransaction
)


def lost(error: psycopg.Error, address: Address, *, broken: bool) -> LostError | None:
    """What to raise where the transaction was undone for a reason that is not its own; None if it was."""
    if broken or isinstance(error, _OVERTAKEN | _AWAY):
        why = address.without_secrets(error.diag.message_primary or str(error))
        return LostError(why, good=not broken and isinstance(error, _OVERTAKEN))
    return None


def in_words(error: psycopg.Error, address: Address, *, opening: bool = False) -> CampaignError:
    """What an exception means to people.

    Args:
        error: psycopg's.
        address: the ledger's.
        opening: nothing was done with it yet, so that what it says about damage and place may promise that nothing was sent.
    """
    why = address.without_secrets(error.diag.message_primary or str(error)) or type(error).__name__
    match error:
        case errors.DiskFull():
            return DiskFullError(
                f"No space is left for the ledger {address.name} on its database server. Free some, then run the same command again."
            )
        case errors.InsufficientPrivilege():
            return _place(
                f"The ledger {address.name} may not be used like this: {why}. Ask its owner for the rights that postgres_role.sql gives.",
                code="ledger_forbidden",
                opening=opening,
            )
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.UndefinedFunction() | errors.InvalidSchemaName():
            sentence = f"{address.name} is not a ledger, or is damaged ({why}). Name another database with --ledger."
            return LedgerDamagedError(sentence) if opening else LedgerError(sentence, code=LedgerDamagedError.code)
        case errors.QueryCanceled():
            return LedgerError(f"The ledger {address.name} gave something up ({why}). Run the same command again.", code="ledger_busy")
        case psycopg.OperationalError():
            return unreachable(address, why, opening=opening)
        case _:
            return LedgerError(
                f"The ledger {address.name} refused what was to be written ({why}). Nothing of it was recorded.", code="ledger_refused"
            )


def given_up(address: Address, error: LostError, *, opening: bool = False) -> LedgerError:
    """What to say once trying again has not helped."""
    if error.good:
        return LedgerError(
            f"The ledger {address.name} is busy: others hold what this needs ({error}). Run the same command again in a minute.",
            code="ledger_busy",
        )
    return unreachable(address, str(error), opening=opening)


def unreachable(address: Address, why: str, *, opening: bool = False) -> LedgerError:
    return _place(
        f"The ledger {address.name} can't be reached: {address.without_secrets(why)}. "
        "Check the address, the network and the database server, then run the same command again.",
        code="ledger_unreachable",
        opening=opening,
    )


def unknown_end(address: Address) -> LedgerError:
    return LedgerError(
        f"The connection to the ledger {address.name} broke at the very moment of writing, and did not come back: whether the last of "
        "it was recorded is not known here. The ledger knows; nothing is sent twice. Run the same command again.",
        code="end_unknown",
    )


def _place(sentence: str, *, code: str, opening: bool) -> LedgerError:
    return LedgerPlaceError(sentence, code=code) if opening else LedgerError(sentence, code=code)
