"""Plain values and decisions: no asyncio, no files, no network, no clock."""
