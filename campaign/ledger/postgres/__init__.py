"""The ledger in PostgreSQL: for the processes of many machines."""

from campaign.ledger.postgres.ledger import PostgresLedger
from campaign.ledger.postgres.reader import PostgresReader

__all__ = ["PostgresLedger", "PostgresReader"]
