"""Use cases about results: where they lie, which are known, and what is made of them."""
