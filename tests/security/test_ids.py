"""Whatever stands in the id column, it stays one segment of one request's path, or is refused in words."""

import re
from pathlib import Path
from urllib.parse import unquote

from tests.integration.gateway.rawserver import answer, serving
from tests.security.command import Command

SENT = [
    "../../admin",
    "a/b?x=1#y",
    "%2e%2e",
    "%2e%2e%2fadmin",
    "..;/admin",
    "..\\..\\admin",
    "//evil.example/a",
    "http://evil.example/",
    "a HTTP/1.1",
    "ä\u202e🎁",
    "．．／admin",  # noqa: RUF001 - full width is meant
    "%00",
    "%0d%0aX-Evil: 1",
    "a" * 255,
]
REFUSED = {
    ".": "web address",
    "..": "web address",
    "a\r\nX-Evil: 1": "control character",
    "a\x1b[2J": "control character",
    "a" * 8192: "characters long",
}


async def test_an_id_is_one_segment_or_refused(tmp_path: Path) -> None:
    async with serving(answer) as server:
        command = Command(folder=tmp_path, url=server.url)
        done = await command.run("run", command.make_list(*SENT, *REFUSED), "--message", "Hello", "--results", "out.csv")
        received = b"".join(wire.received for wire in server.wires).decode("ascii")
    assert done.code == 3, done.err
    paths = re.findall(r"POST (\S*) HTTP/1\.1\r\n", received)
    segments = [re.fullmatch(r"/api/v1/passes/([^/?#;\\]*)/notification", path) for path in paths]
    assert sorted(unquote(segment[1]) for segment in segments if segment) == sorted(SENT)
    assert len(segments) == len(SENT)
    assert "\r\nX-Evil" not in received
    told = (tmp_path / "out.failed.csv").read_text(encoding="utf-8-sig")
    for words in REFUSED.values():
        assert words in told
    assert "\x1b" not in done.told
