"""Sends with the processes of a Ray cluster."""
