"""The console: campaigns from a browser. It sends nothing itself; it starts the same command as a person, and watches it."""
