"""Decisions about lists: where they lie, their cells and lines, and what looks wrong in them."""
