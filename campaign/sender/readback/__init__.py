"""Reads passes back: what arrived, what was there before, and which passes can be reached."""
