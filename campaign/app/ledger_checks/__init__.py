"""Checks of the ledger at hand before anything is sent: whether it knows what was sent, and what else it has sent."""
