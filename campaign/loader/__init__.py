"""Lists and messages: from a file to rows in the ledger."""
