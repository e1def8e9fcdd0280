"""Use cases before a campaign: a test message, a probe of the batch API, the reach of a list."""
