"""The wizard for a campaign that is not sent yet: list, column, message, check, controls, test, and send."""
