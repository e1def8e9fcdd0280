"""The network between this machine and the API: which proxy, if any, and which certificates are trusted.

The standard library reads the environment, so the variables mean the same as in other tools: `docs/operations/network.md`.
"""

import ipaddress
import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

from campaign.domain.errors import UsageError
from campaign.sender.api.api_url import ApiUrl, is_loopback

_HOST: Final = re.compile(r"[\w.-]+|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII | re.IGNORECASE)
_VARIABLES: Final = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""The first one that is set counts."""
_AUTHORITIES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")

_CERTIFICATE: Final = re.compile(rb"-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----")
_PORTS: Final = {"http": 80, "https": 443}
_FORM: Final = "write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with the other characters of the password percent-encoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy. `url` has neither user nor password; `source` is the setting that names it."""

    url: str
    source: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str, *, source: str = "--proxy") -> Self:
        """A proxy as people write it.

        Raises:
            ValueError: it is no HTTP proxy. The message is the end of a sentence; it does not repeat the text, which may hold a password.
        """
        text = text.strip()
        url = _split(text)
        if url.scheme.startswith("socks"):
            raise ValueError(
                "this is a SOCKS proxy, and only HTTP proxies are supported; write http://HOST:PORT, or name the API's host in NO_PROXY to "
                "reach it directly"
            )
        try:
            host, port = url.hostname or "", _PORTS.get(url.scheme, 0) if url.port is None else url.port
        except ValueError:
            host, port = "", 0
        user, password = unquote(url.username or ""), unquote(url.password or "")
        odd = url.scheme not in _PORTS or url.path.strip("/") or url.query or url.fragment or ":" in user or not text.isprintable()
        if odd or not port or not _HOST.fullmatch(host):
            raise ValueError(f"this is not the address of a proxy; {_FORM}")
        return cls(url=f"{url.scheme}://{_bracketed(host)}:{port}", source=source, user=user, password=password)

    def __str__(self) -> str:
        """Its address and the setting that names it, for messages."""
        return f"{self.url} (from {self.source})"

    @property
    def has_login(self) -> bool:
        return bool(self.user or self.password)

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """`tls` verifies certificates; None is aiohttp's default, which trusts those of the system."""

    proxy: Proxy | None = None
    tls: ssl.SSLContext | None = None


DIRECT: Final = Network()


def network_to(url: str, *, proxy: str, ca_file: Path | None) -> Network:
    """The network to an API.

    An API with http is a simulator on this machine. The environment's proxies are not used for it, and a proxy on another machine never is:
    it would get the token unencrypted, and could not reach this machine. `proxy`, the value of `--proxy`, counts before the environment's.
    The certificates in `ca_file` are trusted besides those of the system.

    Raises:
        UsageError: the URL, the proxy or the certificates can't be used; the message names the setting.
    """
    endpoint = ApiUrl.of(url)
    found = _given_proxy(proxy, endpoint) if proxy else _proxy_of_environment(endpoint)
    of_environment = endpoint.scheme == "https" and any(map(os.environ.get, _AUTHORITIES))
    if of_environment and (file := os.environ.get("SSL_CERT_FILE")):
        # OpenSSL would ignore a wrong file without a message, and trust no certificate.
        _check_certificates(Path(file), setting="SSL_CERT_FILE")
    return Network(proxy=found, tls=_trusting(ca_file) if ca_file is not None or of_environment else None)


def _given_proxy(text: str, endpoint: ApiUrl) -> Proxy | None:
    try:
        proxy = Proxy.parse(text)
    except ValueError as error:
        raise UsageError(f"--proxy: {error}.", code="bad_value", option="--proxy") from None
    return proxy if endpoint.scheme == "https" or proxy.is_here else None


def _proxy_of_environment(endpoint: ApiUrl) -> Proxy | None:
    if endpoint.scheme == "http":
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - slow to load, and most commands send nothing

    proxies = getproxies()
    text = proxies.get("https") or proxies.get("all")
    # `proxy_bypass` does not know networks such as 10.0.0.0/8 in NO_PROXY.
    at = f"{_bracketed(endpoint.host)}:{endpoint.port}"
    if not text or proxy_bypass(at) or _is_in(endpoint.host, proxies.get("no", "")):
        return None
    source = next((name for name in _VARIABLES if os.environ.get(name)), "the system's settings")
    try:
        return Proxy.parse(text, source=source)
    except ValueError as error:
        raise UsageError(f"{source}: {error}.", code="bad_value", option=source) from None


def _is_in(host: str, networks: str) -> bool:
    """Whether a host is an address, and in one of these networks."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in map(_network, networks.split(",")) if network is not None)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip(" []"), strict=False)
    except ValueError:
        return None


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    """A context that trusts the certificates of the system or the environment, and those of `ca_file`."""
    context = ssl.create_default_context()
    if ca_file is not None:
        _load(context, ca_file)
    # Python 3.13 refuses certificates that do not meet RFC 5280, and those of many companies' own authorities do not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, ca_file: Path) -> None:
    setting = "--ca-file (or CAMPAIGN_CA_FILE)"
    _check_certificates(ca_file, setting=setting)
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as error:
        raise UsageError(
            f"{setting}: a certificate in {ca_file} is damaged ({error.reason or error}). Copy the file again.",
            code="bad_certificate",
            option=setting,
        ) from None


def _check_certificates(file: Path, *, setting: str) -> None:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{setting}: {file} can't be read: {os.strerror(error.errno or 0)}.", code="unreadable_file", option=setting
        ) from None
    if not _CERTIFICATE.search(content):
        raise UsageError(
            f"{setting}: {file} holds no certificate in PEM (-----BEGIN CERTIFICATE-----). One in DER becomes PEM by: "
            "openssl x509 -inform der -in FILE -out FILE.pem",
            code="bad_certificate",
            option=setting,
        )


def _split(text: str) -> SplitResult:
    """The parts of a URL that may lack its scheme, as in other tools; raises ValueError if it is no URL."""
    try:
        return urlsplit(text if "://" in text else f"http://{text}")
    except ValueError:
        raise ValueError(f"this is not the address of a proxy; {_FORM}") from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
