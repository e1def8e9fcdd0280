"""The formats of lists: a module each, from a path to a header and batches of text, and what they share."""
