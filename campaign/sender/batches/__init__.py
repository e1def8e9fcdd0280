"""Sending by the vendor's batches: many rows in one call, released when all of it is known to be right."""
