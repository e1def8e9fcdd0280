"""Sends a staged campaign: what one process does between its registration and its results."""
