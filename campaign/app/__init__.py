"""The one composition root: what the commands and the console do, put together from the parts below."""
