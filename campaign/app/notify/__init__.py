"""Tells people and other programs about a run."""
