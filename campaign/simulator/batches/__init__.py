"""The vendor's batches: one request sends to up to 500 passes, asynchronously and outside the rate limit for single notifications.

The vendor doesn't document the JSON of a recipient, or the columns and words of the CSV files. They are assumptions.
"""
