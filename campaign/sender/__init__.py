"""Sends what a ledger holds: claims, sends once, settles, and reads back what may have arrived."""
