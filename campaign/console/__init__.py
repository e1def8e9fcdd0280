"""The console: a promotion from a browser. It sends nothing itself; it starts the same command that a person would, and watches."""
