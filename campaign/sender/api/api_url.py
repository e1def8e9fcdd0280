"""The API's address: its validated URL and token, and the paths of its requests. Pure text: no name is resolved."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote

from campaign.domain.errors import UsageError

_PASSES: Final = "/api/v1/passes/"

# One strict form instead of a parser: each later reader of the URL then sees exactly what is validated here.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/(?!\.{1,2}(?:/|$))[\w.~-]+)*)/?",
    re.ASCII | re.IGNORECASE,
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]+")
_TOKEN: Final = re.compile(r"[!#-&(-~]+")
"""Printable ASCII without blanks and quotes, which a shell takes away but a file of variables or of the token keeps."""


class UnsendableIdError(ValueError):
    """No URL can name this pass; the text is the sentence of `id_problem`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiUrl:
    """`origin` is `scheme://host[:port]`; `passes` is the path of all passes, with the slash at its end."""

    origin: str
    passes: str

    @property
    def scheme(self) -> str:
        return self.origin.partition("://")[0]

    @property
    def host(self) -> str:
        """Without the brackets of an IPv6 address."""
        return str(_parts(self.origin)["host"]).strip("[]")

    @property
    def port(self) -> int:
        return int(_parts(self.origin)["port"] or (443 if self.scheme == "https" else 80))

    @classmethod
    def of(cls, url: str) -> Self:
        """The parts of a URL. Raises UsageError as `check_url` does."""
        found = _parts(url)
        port = "" if found["port"] is None else f":{int(found['port'])}"
        return cls(origin=f"{found['scheme']}://{found['host']}{port}".lower(), passes=found["path"] + _PASSES)

    @property
    def place(self) -> str:
        """The address by which a ledger tells one API from another; all simulators on this machine have the same."""
        found = _parts(self.origin)
        return "a simulator on this machine" if is_loopback(found["host"]) else self.origin + self.passes.removesuffix(_PASSES)

    def pass_path(self, pass_id: str) -> str:
        """The path of one pass, percent-encoded. Raises UnsendableIdError."""
        return self.passes + _segment(pass_id)

    def page_path(self, number: int) -> str:
        """The path of a page of the list of passes."""
        return f"{self.passes.removesuffix('/')}?page={number}"

    def notification_path(self, pass_id: str) -> str:
        """The path for a notification to one pass, percent-encoded. Raises UnsendableIdError."""
        return f"{self.passes}{_segment(pass_id)}/notification"


def id_problem(pass_id: str) -> str:
    """Why no URL can name this pass, as a sentence; empty if one can.

    `.` and `..` can't be encoded: `%2E` means the same as `.` (RFC 3986, 6.2.2.2), and servers that normalise paths, nginx among them,
    would drop the segment, and the request would reach another address.
    """
    if not pass_id:
        return "the pass id is empty"
    if pass_id in {".", ".."}:
        return f"the pass id “{pass_id}” can't be part of a URL"
    if not _is_text(pass_id):
        return "the pass id holds half a character, which can't be sent; correct the encoding of the list"
    return ""


def check_url(url: str) -> None:
    """Validate that requests with the token may go to a URL.

    Raises:
        UsageError: it is neither https nor loopback, or has other parts than a scheme, host, port and path.
    """
    _parts(url)


def check_token(token: str, *, source: str = "", option: str = "") -> str:
    """The token without the blanks around it. `source` and `option` say in the error where it came from.

    Raises:
        UsageError: it is empty or can't be a token; the message does not contain it.
    """
    token = token.strip()
    if not token:
        raise UsageError(
            "There is no API token. Put it into PASSENTRY_API_KEY, into a file named by PASSENTRY_API_KEY_FILE, or into .env.",
            code="no_token",
        )
    if not _TOKEN.fullmatch(token):
        raise UsageError(
            f"The API token{source and f' in {source}'} holds blanks, quotes or other characters that no token has. Copy it again, the "
            "token alone, without quotes and without “Bearer”.",
            code="bad_token",
            option=option,
        )
    return token


def _segment(pass_id: str) -> str:
    if _PLAIN.fullmatch(pass_id):
        return pass_id
    if problem := id_problem(pass_id):
        raise UnsendableIdError(problem)
    return quote(pass_id, safe="")


def _parts(url: str) -> re.Match[str]:
    url = url.strip()
    # No message repeats a URL with credentials or a query, as it may hold a secret.
    if "@" in url:
        raise UsageError(
            "The API URL must not hold a user name or password. Take them out of PASSENTRY_API_URL.",
            code="bad_url",
            option="PASSENTRY_API_URL",
        )
    if "?" in url or "#" in url:
        raise UsageError(
            "The API URL must end with its path. Take the “?” or “#” and what follows out of PASSENTRY_API_URL.",
            code="bad_url",
            option="PASSENTRY_API_URL",
        )
    found = _URL.fullmatch(url)
    if found is None or not 0 < int(found["port"] or 1) < 65536:
        # Not repeated either, as it may be the token in the wrong setting.
        raise UsageError(
            "The API URL is not a complete one. Set PASSENTRY_API_URL to a scheme, a host and perhaps a path: https://api.passentry.com.",
            code="bad_url",
            option="PASSENTRY_API_URL",
        )
    if found["scheme"].lower() != "https" and not is_loopback(found["host"]):
        raise UsageError(
            f"“{url}” would send the token unencrypted. Use https in PASSENTRY_API_URL; http is for 127.0.0.1, ::1 and localhost only.",
            code="not_https",
            option="PASSENTRY_API_URL",
        )
    if found["path"].endswith(_PASSES.removesuffix("/passes/")):
        raise UsageError(
            f"“{url}” holds the path of the API itself. Set PASSENTRY_API_URL to the part before /api/v1.",
            code="bad_url",
            option="PASSENTRY_API_URL",
        )
    return found


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine, by its name alone."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    # Whether a mapped address (::ffff:127.0.0.1) is loopback depends on the version of Python. Nobody needs one, so it never is here.
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
