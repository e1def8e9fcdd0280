"""Logs and metrics of a command."""
