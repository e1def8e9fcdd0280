"""The vendor's batches: one call messages up to 500 passes, asynchronously and outside the rate limit.

What the vendor does not document is assumed here: the JSON of a recipient, the columns and words of the CSV files.
"""
