"""The ledger in one SQLite file: the default, for the processes of one machine."""

from campaign.ledger.sqlite.ledger import SqliteLedger
from campaign.ledger.sqlite.reader import SqliteReader

__all__ = ["SqliteLedger", "SqliteReader"]
