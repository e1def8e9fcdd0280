"""Maps aiohttp's exceptions to `Fault`, in one table. The reasons are in ledgers and results, so they don't change."""

import os
import ssl
from enum import StrEnum
from typing import Final

import aiohttp
from multidict import MultiMapping

from campaign.domain.verdict import Fault
from campaign.sender.api.api_url import ApiUrl, is_loopback
from campaign.sender.api.http import NotConnectedError, describe
from campaign.sender.api.network import Proxy
from campaign.sender.api.responses import excerpt

_SENTENCES: Final = {
    "connect": "The API could not be reached",
    "timeout": "The API did not answer in time",
    "disconnected": "The API broke the connection off before its answer was complete",
    "bad_reply": "The API's answer was not whole or not HTTP",
}


class Cause(StrEnum):
    """Why there was no connection, as a person has to check it."""

    DNS = "dns"
    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    TLS_NAME = "tls_name"
    TLS_UNKNOWN_CA = "tls_unknown_ca"
    TLS_EXPIRED = "tls_expired"
    PROXY = "proxy"
    PROXY_REFUSED = "proxy_refused"
    PROXY_AUTH = "proxy_auth"

    @property
    def reason(self) -> str:
        """The reason in a row's outcome."""
        match self:
            case Cause.TLS_NAME | Cause.TLS_UNKNOWN_CA | Cause.TLS_EXPIRED:
                return Cause.TLS.value
            case Cause.PROXY_REFUSED:
                return Cause.PROXY.value
            case _:
                return self.value


NO_PROXY_IS_SET: Final = " No proxy is set: where one is needed, set HTTPS_PROXY or --proxy."

# Short, as a row keeps only the beginning of a sentence.
_OF_CAUSES: Final = {
    Cause.DNS: "The name {host} can't be resolved ({detail}). Check the DNS, {look}",
    Cause.CONNECT: "The API could not be reached: {api}{through}: {detail}. Check {look}",
    Cause.CONNECT_TIMEOUT: "The API could not be reached: no connection to {api}{through} in time. Check {look}",
    Cause.TLS: "No secure connection to {peer}{through}: {detail}. Check PASSENTRY_API_URL, --proxy and --ca-file.",
    Cause.TLS_NAME: "{peer}{through} is another server: {detail}. Check PASSENTRY_API_URL, the DNS, and that no login page is in between.",
    Cause.TLS_UNKNOWN_CA: (
        "The certificate of {peer}{through} is not trusted here: {detail}. If your company has an authority of its own, name its "
        "file by --ca-file, CAMPAIGN_CA_FILE or SSL_CERT_FILE."
    ),
    Cause.TLS_EXPIRED: "The certificate of {peer}{through} is not valid now: {detail}. Check the date and time of this machine.",
    Cause.PROXY: "The proxy {proxy} could not be reached: {detail}. Check its address and the network.",
    Cause.PROXY_REFUSED: (
        "The proxy {proxy} made no connection to {api}: HTTP {status}. Have it allowed there, or {without} to go without it."
    ),
    Cause.PROXY_AUTH: "The proxy {proxy} {login}",
}

# X509_V_ERR_*: versions of OpenSSL change the texts, but not the numbers.
_EXPIRED: Final = frozenset({9, 10})
_UNKNOWN_CA: Final = frozenset({2, 7, 18, 19, 20, 21})
_OTHER_NAME: Final = frozenset({62, 64})


def fault_of(error: Exception, *, written: bool, token: str, api: ApiUrl, proxy: Proxy | None, http_status: int | None = None) -> Fault:
    """The fault for an exception of `Wire`, or of reading its answer, of which `http_status` is known if that much of it came.

    `written` says whether any byte of the request may have left. The token is masked wherever the exception repeats it.
    """
    if (cause := _cause(error, written=written, proxied=proxy is not None)) is not None:
        why = error.why if isinstance(error, NotConnectedError) else error
        sentence = excerpt(_sentence(cause, why, api, proxy), secret=token)
        return Fault(reason=cause.reason, written=written, error=sentence, cause=cause.value)
    reason = _reason(error, written=written)
    sentence = _SENTENCES[reason] if http_status is None else f"{_SENTENCES[reason]} (HTTP {http_status})"
    detail = "" if isinstance(error, TimeoutError | aiohttp.ServerDisconnectedError) else describe(error)
    return Fault(reason=reason, written=written, error=excerpt(f"{sentence}: {detail}" if detail else f"{sentence}.", secret=token))


def _reason(error: Exception, *, written: bool) -> str:
    match error:
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectionError() | OSError() if written:
            return "disconnected"
        case _:
            return "bad_reply" if written else "connect"


def _cause(error: Exception, *, written: bool, proxied: bool) -> Cause | None:
    """Why there was no connection; None if there was one."""
    if not isinstance(error, NotConnectedError):
        return Cause.CONNECT_TIMEOUT if isinstance(error, TimeoutError) and not written else None
    if refuses_login(error):
        return Cause.PROXY_AUTH
    match error.why:
        case aiohttp.ClientHttpProxyError():
            return Cause.PROXY_REFUSED
        case aiohttp.ClientSSLError(os_error=ssl.SSLCertVerificationError(verify_code=code)):
            return _of_certificate(code)
        case aiohttp.ClientSSLError():
            return Cause.TLS
        case TimeoutError():
            return Cause.CONNECT_TIMEOUT
        case aiohttp.ClientConnectorDNSError() if not proxied:
            return Cause.DNS
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientConnectorDNSError():
            return Cause.PROXY
        case aiohttp.ClientConnectorError():
            return Cause.CONNECT
        case _:
            # A connection that breaks while the tunnel is made was broken by the proxy.
            return Cause.PROXY if proxied else Cause.CONNECT


def refuses_login(error: NotConnectedError) -> bool:
    """Whether the proxy did not accept the user and password."""
    return isinstance(error.why, aiohttp.ClientHttpProxyError) and error.why.status == 407


def _of_certificate(code: int) -> Cause:
    if code in _UNKNOWN_CA:
        return Cause.TLS_UNKNOWN_CA
    if code in _EXPIRED:
        return Cause.TLS_EXPIRED
    return Cause.TLS_NAME if code in _OTHER_NAME else Cause.TLS


def _sentence(cause: Cause, error: Exception, api: ApiUrl, proxy: Proxy | None) -> str:
    # A simulator on this machine needs no proxy.
    needs_one = proxy is None and not is_loopback(api.host)
    look = "the network, its firewall and PASSENTRY_API_URL" if proxy is None else "that the proxy is up, and may go there"
    return _OF_CAUSES[cause].format(
        host=api.host,
        api=f"{api.host}:{api.port}",
        # The certificate may be that of the proxy.
        peer=f"{error.host}:{error.port}" if isinstance(error, aiohttp.ClientConnectorError) else f"{api.host}:{api.port}",
        through="" if proxy is None else f" through the proxy {proxy}",
        proxy=proxy,
        without="take --proxy or CAMPAIGN_PROXY away" if proxy is None or proxy.source == "--proxy" else f"put {api.host} into NO_PROXY",
        detail=_detail(error),
        look=f"{look}.{NO_PROXY_IS_SET}" if needs_one else f"{look}.",
        login=_about_login(error, proxy),
        status=error.status if isinstance(error, aiohttp.ClientResponseError) else 0,
    )


def _about_login(error: Exception, proxy: Proxy | None) -> str:
    headers = error.headers if isinstance(error, aiohttp.ClientResponseError) else None
    offered = ", ".join(headers.getall("Proxy-Authenticate", [])) if isinstance(headers, MultiMapping) else ""
    if offered and "basic" not in offered.lower():
        return "wants a login of a kind that is not supported here, such as NTLM (HTTP 407). Use a helper such as cntlm or px."
    asked = "does not accept the user and password" if proxy is not None and proxy.has_login else "asks for a user and a password"
    return f"{asked} (HTTP 407). Put them into CAMPAIGN_PROXY or HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT."


def _detail(error: Exception) -> str:
    """The message of the system or of OpenSSL, in a few words."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match inner:
        case ssl.SSLCertVerificationError():
            return inner.verify_message.rstrip(".")
        case ssl.SSLError():
            return (inner.reason or str(inner)).replace("_", " ").lower()
        case ConnectionError(errno=int(number)) | TimeoutError(errno=int(number)):
            return os.strerror(number)
        case OSError(strerror=str(text)):
            return text
        case _:
            return describe(inner)
