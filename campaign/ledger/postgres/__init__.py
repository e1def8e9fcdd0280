"""The ledger in PostgreSQL: for the processes of many machines."""

from campaign.ledger.postgres.ledger import PostgresLedger
from campaign.ledger.postgres.reader import PostgresReader
from campaign.ledger.postgres.schema import is_there

__all__ = ["PostgresLedger", "PostgresReader", "is_there"]
