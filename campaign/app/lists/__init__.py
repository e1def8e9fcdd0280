"""Use cases about lists: reading, staging and correcting them."""
