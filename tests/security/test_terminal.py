"""What others have written - file names, cells, an API's errors - never gives orders to a terminal or forges a line of a log."""

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import structlog

from campaign.cli.logs import setup as logs
from tests.integration.gateway.rawserver import http, replying, serving
from tests.security.command import Command
from tests.security.terminal import on_a_terminal

ORDER = "\x1b]0;owned\x07\x1b[2J\x9b31m"
EVIL_NAME = f"evil{ORDER}"
MARKUP = "[/red]"
FORGED = 'a\n{"event": "forged"}\r\u2028b'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def obeys(told: bytes | str) -> bool:
    """Whether one of the orders got through; the colours and the bar are the program's own."""
    text = told.decode(errors="replace") if isinstance(told, bytes) else told
    return re.search(r"\x1b\]|\x1b\[2J|\x07|\x9b", text) is not None


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_log_tells_one_line_an_event_and_no_orders(monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]) -> None:
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure("debug")
    structlog.get_logger().bind(campaign=EVIL_NAME).info("read_back", reason=FORGED, detail=ORDER, message="Dear Anna", row=3)
    told = written.getvalue()
    assert len(told.splitlines()) == 1
    assert not obeys(told)
    assert "Dear Anna" not in told
    assert "evil" in told


async def test_what_an_api_says_gives_no_orders(tmp_path: Path) -> None:
    said = orjson.dumps({"errors": [f"no{ORDER}", FORGED]})
    async with serving(replying(http(422, said), http(500, f"<title>{ORDER}</title>".encode()))) as server:
        command = Command(folder=tmp_path, url=server.url)
        words = ("run", command.make_list("a", "b"), "--message", "Hello", "--concurrency", "1", "--on-unknown", "hold")
        done = await command.run(*words, CAMPAIGN_LOG_LEVEL="debug")
        status = await command.run("status", "list")
    assert done.code == 3, done.err
    assert not obeys(done.told + status.told)
    assert [json.loads(line) for line in done.err.splitlines()]


async def test_a_file_name_in_an_error_gives_no_orders(tmp_path: Path) -> None:
    (tmp_path / f"{EVIL_NAME}.csv").write_text(f"id,pass_id,{ORDER}\n1,2,3\n")
    command = Command(folder=tmp_path, url="http://127.0.0.1:1")
    done = await command.run("run", f"{EVIL_NAME}.csv", "--message", "Hello")
    assert done.code == 2
    assert "evil" in done.err
    assert not obeys(done.told)
    assert len(done.err.splitlines()) == 1


async def test_a_file_name_in_what_was_checked_gives_no_orders(tmp_path: Path) -> None:
    quoted = FORGED.replace('"', '""')
    (tmp_path / f"{EVIL_NAME}.csv").write_text(f'pass_id,name\n1,{ORDER}\n2,"{quoted}"\n3,Anna\n')
    command = Command(folder=tmp_path, url="http://127.0.0.1:1")
    done = await command.run("check", f"{EVIL_NAME}.csv", "--message", "Hello {{ name }}")
    assert done.code == 3
    assert "evil" in done.out
    assert not obeys(done.told)


@pytest.mark.slow
async def test_on_a_terminal_a_file_name_gives_no_orders(tmp_path: Path) -> None:
    (tmp_path / f"{EVIL_NAME}.csv").write_text("pass_id\n1\n")
    environment = Command(folder=tmp_path, url="http://127.0.0.1:1").environment() | {"CAMPAIGN_YES": "false", "TERM": "xterm"}
    words = ("run", f"{EVIL_NAME}.csv", "--message", "Hello", "--max-attempts", "1", "--name", f"promo{MARKUP}")
    code, told = on_a_terminal(words, folder=tmp_path, environment=environment, answers={b"Send?": b"y\n"})
    assert b"Traceback" not in told
    assert code == 3
    assert not obeys(told)
