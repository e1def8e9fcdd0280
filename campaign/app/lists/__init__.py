"""Use cases about lists: reading, checking, staging and correcting them."""
