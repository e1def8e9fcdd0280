"""The token goes to the API, in one header, and nowhere else."""

import asyncio
import os
import stat
from pathlib import Path

import orjson
import psutil
import pytest

from campaign.sender.api.gateway import HttpGateway, Timeouts
from campaign.settings import Settings
from tests.examples import slow_after
from tests.integration.gateway.rawserver import DELIVERED, Wire, answer, http, in_turn, serving
from tests.security.command import TOKEN, Command, Done, files

BROKEN_INSIDE = """
import campaign.sender.api.responses as replies, campaign.sender.api.gateway as gateway
def broken(**given):
    local = dict(given)
    raise RuntimeError("a fault of the program")
gateway.read_reply = broken
from campaign.__main__ import main
main()
"""


def token_is_nowhere(done: Done, folder: Path, *, ledger: Path | None = None) -> None:
    assert TOKEN not in done.told
    found = files(folder)
    assert ledger is None or ledger in found
    for path in found:
        assert TOKEN.encode() not in path.read_bytes(), path


async def test_an_api_that_repeats_it_everywhere_gets_it_into_no_file_log_or_result(tmp_path: Path) -> None:
    echo = {"meta": {"notifications": {"status": TOKEN, "message": f"You said {TOKEN}"}}, "errors": [f"{TOKEN} is bad"]}
    pages = [
        http(200, orjson.dumps(echo)),
        http(422, orjson.dumps(echo), f"X-Echo: {TOKEN}"),
        http(500, f"<title>{TOKEN}</title>".encode()),
        f"HTTP/1.1 999 {TOKEN}\r\n\r\n".encode(),
        f"{TOKEN}\r\n\r\n".encode(),
    ]
    async with serving(in_turn(*pages * 4)) as server:
        command = Command(folder=tmp_path, url=server.url)
        words = ("run", command.make_list("a", "b", "c", "d", "e", "f"), "--message", "Hello", "--concurrency", "1", "--on-unknown", "hold")
        done = await command.run(*words, "--results", "out.jsonl", CAMPAIGN_LOG_LEVEL="debug", CAMPAIGN_TIMEOUT="1s")
        assert TOKEN.encode() in server.received
    assert "***" in (tmp_path / "out.jsonl").read_text()
    token_is_nowhere(done, tmp_path, ledger=tmp_path / "ledger" / "campaign.db")


async def test_while_it_runs_it_is_in_no_file_of_the_ledger_and_no_process_list(tmp_path: Path) -> None:
    seen = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        seen.set()
        await wire.rest()

    async with serving(script) as server:
        command = Command(folder=tmp_path, url=server.url)
        run = asyncio.create_task(
            command.run("run", command.make_list("a", "b"), "--message", "Hello", "--on-unknown", "hold", CAMPAIGN_TIMEOUT="1s")
        )
        await seen.wait()
        names = {path.name for path in files(tmp_path)}
        assert {"campaign.db", "campaign.db-wal", "campaign.db-shm"} <= names
        for path in files(tmp_path):
            assert TOKEN.encode() not in path.read_bytes(), path
        words = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
        assert any("campaign run" in line for line in words)
        assert TOKEN not in "".join(words)
        token_is_nowhere(await run, tmp_path)


async def test_a_fault_of_the_program_tells_where_it_was_and_not_the_token(tmp_path: Path) -> None:
    async with serving(answer) as server:
        command = Command(folder=tmp_path, url=server.url)
        words = ("run", command.make_list("a"), "--message", "Hello")
        done = await command.run(*words, entry=("-X", "dev", "-W", "ignore", "-c", BROKEN_INSIDE))
        assert done.code == 1
        assert "a fault of the program" in done.err
        assert "Traceback" in done.err
        token_is_nowhere(done, tmp_path)


@pytest.mark.parametrize(
    "environment",
    slow_after(
        2,
        [
            {"PASSENTRY_API_URL": f"https://user:{TOKEN}@api.example"},
            {"PASSENTRY_API_URL": TOKEN},
            {"PASSENTRY_API_URL": f"https://api.example/?key={TOKEN}"},
            {"PASSENTRY_API_KEY": f"{TOKEN} {TOKEN}"},
            {"PASSENTRY_API_KEY": f"Bearer {TOKEN}"},
            {"PASSENTRY_API_KEY": f"{TOKEN}\r\nX-Evil: 1"},
            {"PASSENTRY_API_KEY": f"{TOKEN}ä"},
        ],
    ),
)
async def test_a_token_in_the_wrong_place_or_form_is_refused_without_being_repeated(tmp_path: Path, environment: dict[str, str]) -> None:
    command = Command(folder=tmp_path, url="http://127.0.0.1:1")
    done = await command.run("run", command.make_list("a"), "--message", "Hello", also=environment)
    assert "PASSENTRY_API" in done.err or "API token" in done.err
    token_is_nowhere(done, tmp_path)


def test_what_holds_it_does_not_show_it() -> None:
    settings = Settings.read(api_key=TOKEN)
    gateway = HttpGateway(url="https://api.example", token=TOKEN, concurrency=1, timeouts=Timeouts())
    told = f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}{gateway!r}{gateway}"
    assert TOKEN not in told
    assert settings.token() == TOKEN


@pytest.mark.parametrize("status", slow_after(1, [301, 302, 303, 307, 308]))
async def test_no_redirect_takes_it_elsewhere(tmp_path: Path, status: int) -> None:
    async with serving(answer) as elsewhere:
        headers = (f"Location: {elsewhere.url}/api/v1/passes/a/notification", f"Refresh: 0; url={elsewhere.url}")
        # The first request reads a pass, to see that PassEntry answers.
        async with serving(in_turn(http(200, DELIVERED), *[http(status, DELIVERED, *headers)] * 9)) as server:
            command = Command(folder=tmp_path, url=server.url)
            done = await command.run("run", command.make_list("a"), "--message", "Hello", "--json", "--on-unknown", "hold")
            assert server.requests == 2
        assert elsewhere.wires == []
    assert orjson.loads(done.out)["by_status"]["unknown"] == 1


async def test_no_proxy_or_netrc_gets_between(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\ndefault login a password b\n")
    (tmp_path / ".netrc").chmod(stat.S_IRUSR)
    async with serving(answer) as server, serving(answer) as proxy:
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "ws_proxy")
        environment = {**dict.fromkeys(names, proxy.url), "NETRC": str(tmp_path / ".netrc"), "no_proxy": ""}
        command = Command(folder=tmp_path, url=server.url)
        done = await command.run("run", command.make_list("a"), "--message", "Hello", also=environment)
        assert done.code == 0, done.err
        assert proxy.wires == []
        assert server.received.count(f"Authorization: Bearer {TOKEN}\r\n".encode()) == server.requests == 2


@pytest.mark.parametrize(
    "url", ["http://api.passentry.com", "http://192.168.1.1", "http://127.0.0.1.example", "http://0.0.0.0:1", "ftp://127.0.0.1"]
)
async def test_it_is_never_sent_unencrypted_over_a_network(tmp_path: Path, url: str) -> None:
    command = Command(folder=tmp_path, url=url)
    done = await command.run("run", command.make_list("a"), "--message", "Hello")
    assert done.code == 2
    assert "https" in done.err
    assert os.listdir(tmp_path) == ["list.csv"]  # noqa: PTH208 - names are what is compared


async def test_a_token_file_that_everyone_may_read_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o644)
    async with serving(answer) as server:
        command = Command(folder=tmp_path, url=server.url)
        environment = {"PASSENTRY_API_KEY": "", "PASSENTRY_API_KEY_FILE": str(file)}
        done = await command.run("run", command.make_list("a"), "--message", "Hello", also=environment)
        assert done.code == 0, done.err
        assert "chmod 600" in done.err
        file.chmod(0o600)
        done = await command.run("run", command.make_list("a"), "--message", "Hello", also=environment)
        assert "chmod" not in done.err
