"""Where a cluster is, looked at before Ray is asked: it would try for minutes, and say nothing, where nobody listens."""

import socket
from typing import Final

from campaign.domain.errors import UsageError

AUTO: Final = "auto"
"""The cluster that this machine is part of."""

REACHING_SECONDS: Final = 5.0

_WRITE: Final = "write the address of the cluster itself, such as 10.0.0.1:6379, or auto on a machine of it"


def check_address(address: str) -> None:
    """See that somebody listens there.

    Raises:
        UsageError: it is no address, or nobody does.
    """
    if address == AUTO:
        return
    host, _, port = address.removeprefix("[").replace("]:", ":").rpartition(":")
    # Anything else, too, that Ray understands: by “local” it would start a cluster that is open to others.
    if not host or "/" in host or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise UsageError(
            f"--address: “{address}” is not where a cluster of Ray can be; {_WRITE}. ray:// addresses are not for this.",
            code="bad_value",
            option="--address",
        )
    try:
        socket.create_connection((host, int(port)), timeout=REACHING_SECONDS).close()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"There is no cluster of Ray at {address}: {why}. Nothing was sent. Check that its first node runs, and its port (ray start "
            "--port, 6379 without it).",
            code="no_cluster",
            option="--address",
        ) from error
