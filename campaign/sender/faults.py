"""What went wrong when no answer came: aiohttp's exceptions → `Fault`, in one table. The reasons are recorded, so they stay as they are."""

import aiohttp

from campaign.domain.verdict import Fault
from campaign.sender.excerpts import excerpt
from campaign.sender.wire import describe

_SENTENCES = {
    "dns": "The name of the API's host could not be resolved",
    "tls": "The API's identity could not be verified",
    "connect": "The API could not be reached",
    "connect_timeout": "No connection to the API came about in time",
    "timeout": "The API did not answer in time",
    "disconnected": "The API broke the connection off before its answer was complete",
    "bad_reply": "The API's answer was not whole or not HTTP",
}


def fault_of(error: Exception, *, written: bool, token: str, http_status: int | None = None) -> Fault:
    """The fault that an exception of a request, or of reading its answer, stands for.

    Args:
        error: as aiohttp raised it.
        written: whether any byte of the request may have left.
        token: masked wherever the exception repeats what came.
        http_status: of the answer, if that much of it came.
    """
    reason = _reason(error, written=written)
    sentence = _SENTENCES[reason] if http_status is None else f"{_SENTENCES[reason]} (HTTP {http_status})"
    detail = "" if isinstance(error, TimeoutError | aiohttp.ServerDisconnectedError) else describe(error)
    return Fault(reason=reason, written=written, error=excerpt(f"{sentence}: {detail}" if detail else f"{sentence}.", secret=token))


def _reason(error: Exception, *, written: bool) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "tls"
        case aiohttp.ConnectionTimeoutError():
            return "connect_timeout"
        case TimeoutError():
            return "timeout" if written else "connect_timeout"
        case aiohttp.ClientConnectorError():
            return "connect"
        case aiohttp.ClientConnectionError() | OSError() if written:
            return "disconnected"
        case _:
            return "bad_reply" if written else "connect"
