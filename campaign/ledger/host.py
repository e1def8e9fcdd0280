"""What people are told of the process that sends."""

import getpass


def username() -> str:
    """Who runs this; empty in a container whose user has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
