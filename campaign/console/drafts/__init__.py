"""The wizard, for a promotion that is not sent yet: list, column, message, checks, controls, test, and sending."""
