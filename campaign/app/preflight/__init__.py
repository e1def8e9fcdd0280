"""Use cases before a campaign: a check of its list, a test message, a probe of the batch API."""
