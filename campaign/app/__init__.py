"""The composition root: the use cases of the commands and the console, built from the packages below."""
