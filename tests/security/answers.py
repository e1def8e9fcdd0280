"""Answers that no API should give, and a second opinion on what each of them says."""

import gzip
import json
import zlib
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from typing import Any, BinaryIO, cast

from hypothesis import strategies as st

from tests.integration.gateway.rawserver import DELIVERED

NOT_DELIVERED = DELIVERED.replace(b"delivered", b"notDelivered", 1)
BODIES = st.one_of(
    st.sampled_from(
        [
            DELIVERED,
            DELIVERED,
            DELIVERED,
            NOT_DELIVERED,
            b"",
            b"null",
            b"[" * 100_000,
            b'{"meta":' * 5_000 + b"1" + b"}" * 5_000,
            b'{"meta": {"notifications": {"status": NaN}}}',
            b'{"meta": {"notifications": {"status": "delivered", "status": "no"}}}',
            b'{"meta": {"notifications": {"status": "no", "status": "delivered"}}}',
            b'{"meta": {"notifications": {"status": ["delivered"]}}}',
            b'{"meta": {"notifications": {"status": "delivered\xff"}}}',
            b'{"meta": {"notifications": {"status": "Delivered "}}}',
            b'{"errors": ["delivered"]}',
            b"\xef\xbb\xbf" + DELIVERED,
            DELIVERED + DELIVERED,
            DELIVERED[:-1],
            b"<html><title>delivered</title>" + b"<p>" * 1000,
            DELIVERED + b" " * 300_000,
        ]
    ),
    st.binary(max_size=200),
)
LINES = st.one_of(
    st.sampled_from(
        [b"HTTP/1.1 200 OK"] * 6 + [b"HTTP/1.0 200 OK", b"HTTP/1.1 200", b"HTTP/2 200 OK", b"HTTP/1.1  200 OK", b"200 OK", b""]
    ),
    st.sampled_from([100, 101, 103, 199, 201, 204, 206, 299, 301, 304, 307, 400, 401, 404, 418, 429, 500, 503, 600, 999, 0, 2000]).map(
        lambda status: b"HTTP/1.1 %d Some reason" % status
    ),
    st.binary(max_size=30),
)
HEADERS = st.sampled_from(
    [
        b"Connection: close",
        b"Connection: upgrade\r\nUpgrade: h2c",
        b"Content-Encoding: br",
        b"Content-Length: -1",
        b"Content-Length: 1e3",
        b"Content-Length: 5\r\nContent-Length: 7",
        b"Content-Type: text/html; charset=utf-7",
        b"Location: http://127.0.0.1:1/",
        b"Retry-After: Fri, 99 Foo 9999 25:61:61 GMT",
        b"Set-Cookie: session=1",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"X-Fold: a\r\n b",
        b"X-Huge: " + b"x" * 70_000,
        b"X-Many: 1\r\n" * 2_000 + b"X: 2",
        b"X-Nul: \x00",
        b"X-Bytes: \xff\xfe",
        b"no colon",
        b": no name",
        b"x-rate-limit-remaining: -99999999999999999999",
        b"x-rate-limit-retry-after: nan",
        b"x-rate-limit-retry-after: 1e308",
    ]
)
FRAMINGS = st.sampled_from(["length"] * 5 + ["none", "too short", "too long", "chunked", "chunked", "cut chunks", "gzip", "zip bomb"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server does with one request: these bytes in these pieces, then an end."""

    pieces: tuple[bytes, ...]
    end: str

    @property
    def raw(self) -> bytes:
        return b"".join(self.pieces)


def framed(body: bytes, framing: str) -> tuple[bytes, bytes]:
    """The headers that say how long a body is, truly or not, and its bytes."""
    match framing:
        case "length":
            return b"Content-Length: %d\r\n" % len(body), body
        case "too short":
            return b"Content-Length: %d\r\n" % max(len(body) - 2, 0), body
        case "too long":
            return b"Content-Length: %d\r\n" % (len(body) + 2), body
        case "chunked" | "cut chunks":
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:40], body[40:]) if part)
            return b"Transfer-Encoding: chunked\r\n", chunks + (b"0\r\n\r\n" if framing == "chunked" else b"")
        case "gzip" | "zip bomb":
            packed = gzip.compress(body if framing == "gzip" else body + b" " * 3_000_000)
            return b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(packed), packed
        case _:
            return b"", body


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    body = draw(BODIES)
    said, sent = framed(body, draw(FRAMINGS))
    headers = b"".join(header + b"\r\n" for header in draw(st.lists(HEADERS, max_size=2)))
    raw = draw(LINES) + b"\r\n" + headers + said + b"\r\n" + sent
    before = draw(st.sampled_from([b""] * 8 + [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" * 3, b"\r\n"]))
    after = draw(st.sampled_from([b""] * 8 + [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(DELIVERED), DELIVERED), b"x"]))
    raw = before + raw + after
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        place = draw(st.integers(0, len(raw)))
        raw = raw[:place] + draw(st.binary(max_size=3)) + raw[place + draw(st.integers(0, 3)) :]
    cut = draw(st.integers(0, len(raw))) if draw(st.integers(0, 5)) == 0 else len(raw)
    # In one piece where a second answer follows, which must be there before the next request is.
    places = sorted(draw(st.lists(st.integers(0, cut), max_size=3))) if not after else []
    pieces = tuple(raw[start:end] for start, end in zip([0, *places], [*places, cut], strict=True))
    return Answer(pieces=pieces, end=draw(st.sampled_from(["stay"] * 3 + ["close"] * 3 + ["reset"])))


class _Socket:
    def __init__(self, raw: bytes) -> None:
        self._file = BytesIO(raw)

    def makefile(self, _mode: str) -> BinaryIO:
        return self._file


def says_delivered(raw: bytes) -> bool:
    """Whether these bytes hold a whole, documented success, in the opinion of the standard library."""
    # Empty lines before an answer are skipped by aiohttp, and by RFC 9112 before a request.
    raw = raw.lstrip(b"\r\n")
    try:
        response = HTTPResponse(cast("Any", _Socket(raw)), method="POST")
        response.begin()
        while 100 <= response.status < 200:
            # Whatever announces an answer is not the answer.
            raw = raw[raw.index(b"\r\n\r\n") + 4 :]
            return says_delivered(raw)
        body = response.read()
        if "gzip" in cast("Message", response.headers).get("Content-Encoding", ""):
            body = gzip.decompress(body)
        said: Any = json.loads(body)
        return bool(200 <= response.status < 300 and said["meta"]["notifications"]["status"] == "delivered")
    except (HTTPException, OSError, ValueError, KeyError, TypeError, EOFError, zlib.error, RecursionError):
        return False
