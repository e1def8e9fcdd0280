"""Through a proxy: what it may see, and that not one byte of a request is written unless it stands to its word."""

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from campaign.domain.verdict import Fault, Latest, Reply
from campaign.sender.api.gateway import HttpGateway, Timeouts
from campaign.sender.api.network import Network, Proxy, network_to
from campaign.sender.api.network_errors import Cause
from tests.authority import Authority
from tests.corporate import LOGIN, LOGIN_IN_URL, ConnectProxy, Fate, Tunnel, proxying
from tests.integration.gateway.rawserver import DELIVERED, OK, TOKEN, RawServer, Wire, answer, http, replying, serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.in_folder(tmp_path_factory.mktemp("authority"))


def login_in(url: str) -> str:
    return url.replace("://", f"://{LOGIN_IN_URL}@")


def always(fate: Fate) -> Callable[[Tunnel], Fate]:
    return lambda _: fate


class Told:
    """Why there was no connection, as it is told."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def __call__(self, fault: Fault) -> None:
        self.faults.append(fault)


def gateway(url: str, network: Network, *, told: Told | None = None, concurrency: int = 4, seconds: float = 10.0) -> HttpGateway:
    return HttpGateway(
        url=url,
        token=TOKEN,
        concurrency=concurrency,
        timeouts=Timeouts(connect_seconds=seconds / 2, total_seconds=seconds),
        network=network,
        on_unreachable=told,
    )


def through(proxy: ConnectProxy, authority: Authority, *, url: str = "https://localhost", login: bool = False) -> Network:
    return network_to(url, proxy=login_in(proxy.url) if login else proxy.url, ca_file=authority.file)


def https(server: RawServer) -> str:
    return f"https://localhost:{server.port}"


class TestTunnel:
    @pytest.mark.parametrize("secure", [False, True], ids=["http proxy", "https proxy"])
    async def test_the_api_gets_the_request_and_the_proxy_only_its_host(self, authority: Authority, *, secure: bool) -> None:
        async with (
            serving(answer, tls=authority.server()) as server,
            proxying(ConnectProxy(login=LOGIN), tls=authority.server() if secure else None) as proxy,
            gateway(https(server), through(proxy, authority, login=True)) as campaign,
        ):
            reply = await campaign.send("a", "Hello")
            reading = await campaign.read("a")
        assert isinstance(reply, Reply)
        assert (reply.notification_status, reading.latest, reading.text) == ("delivered", Latest.TEXT, "Hello")
        assert server.requests == 2
        assert server.received.startswith(b"POST /api/v1/passes/a/notification HTTP/1.1\r\n")
        assert b"proxy" not in server.received.lower()
        assert [tunnel.line for tunnel in proxy.tunnels] == 2 * [f"CONNECT localhost:{server.port} HTTP/1.1"]
        assert b"\r\nuser-agent: campaign/" in proxy.received.lower()
        for private in (TOKEN.encode(), b"authorization: bearer", b"Hello", b"passes"):
            assert private not in proxy.received
            assert private in server.received or private.islower()

    async def test_each_tunnel_is_used_again_but_only_by_one_request_at_a_time(self, authority: Authority) -> None:
        async with (
            serving(answer, tls=authority.server()) as server,
            proxying(ConnectProxy()) as proxy,
            gateway(https(server), through(proxy, authority)) as campaign,
        ):
            for _ in range(3):
                await asyncio.gather(*(campaign.send(str(number), "Hello") for number in range(4)))
        assert (len(proxy.tunnels), server.requests) == (4, 12)

    async def test_the_proxy_finds_the_host_that_is_unknown_here(self, authority: Authority) -> None:
        tls = authority.server("api.passentry.invalid")
        async with serving(answer, tls=tls) as server:
            places = {"api.passentry.invalid:443": server.port}
            async with proxying(ConnectProxy(places=places)) as proxy:
                url = "https://api.passentry.invalid"
                async with gateway(url, through(proxy, authority, url=url)) as campaign:
                    assert isinstance(await campaign.send("a", "Hello"), Reply)


REFUSALS: dict[str, tuple[Fate, Cause]] = {
    "an outdated gateway": (Fate(answer=http(502)), Cause.PROXY_REFUSED),
    "not available": (Fate(answer=http(503, b"x" * 70_000)), Cause.PROXY_REFUSED),
    "forbidden": (Fate(answer=http(403, b"<h1>No</h1>")), Cause.PROXY_REFUSED),
    "a redirect": (Fate(answer=http(302, b"", "Location: http://login.example/")), Cause.PROXY_REFUSED),
    "a login": (Fate(answer=http(407, b"", "Proxy-Authenticate: NTLM")), Cause.PROXY_AUTH),
    "closed": (Fate(answer=None), Cause.PROXY),
    "cut in its answer": (Fate(answer=b"HTTP/1.1 200 Conn"), Cause.PROXY),
    "not HTTP": (Fate(answer=b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), Cause.PROXY),
    "a tunnel to nowhere": (Fate(cut_after=0), Cause.CONNECT),
    "silent": (Fate(hangs=True), Cause.CONNECT_TIMEOUT),
}


@pytest.mark.parametrize(("fate", "cause"), REFUSALS.values(), ids=REFUSALS)
async def test_a_proxy_that_makes_no_tunnel_is_sent_nothing(authority: Authority, fate: Fate, cause: Cause) -> None:
    told = Told()
    async with (
        serving(answer, tls=authority.server()) as server,
        proxying(ConnectProxy(always(fate))) as proxy,
        gateway(https(server), through(proxy, authority, login=True), told=told, seconds=0.6) as campaign,
    ):
        fault = await campaign.send("a", "Hello")
        again = await campaign.send("a", "Hello")
        reading = await campaign.read("a")
        assert server.received == b""
        assert TOKEN.encode() not in proxy.received
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.written, fault.cause) == (cause.reason, False, cause)
    assert (reading.latest, reading.http_status) == (Latest.UNREADABLE, None)
    # It is told at once, and not with each attempt.
    assert told.faults == [fault]
    assert isinstance(again, Fault)
    for text in (fault.error, reading.error, repr(told.faults)):
        assert LOGIN[1] not in text
        assert LOGIN_IN_URL not in text


async def test_a_proxy_that_is_not_there(authority: Authority) -> None:
    proxy = ConnectProxy()
    async with proxying(proxy):
        pass
    for address, cause in ((proxy.url, Cause.PROXY), ("http://proxy.invalid:3128", Cause.PROXY)):
        network = network_to("https://localhost:1", proxy=address, ca_file=authority.file)
        async with gateway("https://localhost:1", network) as campaign:
            fault = await campaign.send("a", "Hello")
        assert isinstance(fault, Fault)
        assert (fault.reason, fault.written, fault.cause) == ("proxy", False, cause)


@pytest.mark.parametrize("login", [False, True], ids=["without a login", "with another"])
async def test_who_is_not_let_in_by_the_proxy(authority: Authority, *, login: bool) -> None:
    async with (
        serving(answer, tls=authority.server()) as server,
        proxying(ConnectProxy(login=("other", "person"))) as proxy,
        gateway(https(server), through(proxy, authority, login=login)) as campaign,
    ):
        fault = await campaign.send("a", "Hello")
        assert server.wires == []
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.written, fault.cause) == ("proxy_auth", False, Cause.PROXY_AUTH)


@pytest.mark.parametrize("name", ["Company CA", "Another CA"], ids=["renewed", "other"])
async def test_a_proxy_that_reads_along_gets_something_only_from_who_trusts_its_authority(
    authority: Authority, tmp_path: Path, name: str
) -> None:
    other = Authority.in_folder(tmp_path, name)
    async with (
        serving(answer, tls=other.server()) as server,
        proxying(ConnectProxy()) as proxy,
        gateway(https(server), through(proxy, authority)) as campaign,
    ):
        fault = await campaign.send("a", "Hello")
        async with gateway(https(server), through(proxy, other)) as trusting:
            assert isinstance(await trusting.send("a", "Hello"), Reply)
        assert server.requests == 1
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.written, fault.cause) == ("tls", False, Cause.TLS_UNKNOWN_CA)


class TestCut:
    """The tunnel ends somewhere between the greeting and the answer."""

    async def test_wherever_it_is_cut_unwritten_means_not_processed_and_nothing_is_repeated(self, authority: Authority) -> None:
        tls = authority.server()
        outcomes: set[tuple[bool, bool]] = set()
        whole = ConnectProxy()
        async with serving(answer, tls=tls) as server, proxying(whole), gateway(https(server), through(whole, authority)) as campaign:
            await campaign.send("a", "Hello")
        request = len(whole.tunnels[0].up) - 500
        # Finer where the request is; how long the greeting is differs by a few bytes.
        for cut_after in [*range(0, request, request // 10), *range(request, request + 600, 20)]:
            proxy = ConnectProxy(always(Fate(cut_after=cut_after)))
            async with (
                serving(answer, tls=tls) as server,
                proxying(proxy),
                gateway(https(server), through(proxy, authority), seconds=4.0) as campaign,
            ):
                result = await campaign.send("a", "Hello")
                written = not (isinstance(result, Fault) and not result.written)
                assert (len(proxy.tunnels), server.requests <= 1) == (1, True)
                assert written or server.requests == 0, cut_after
                outcomes.add((written, server.requests == 1))
        assert outcomes == {(False, False), (True, False), (True, True)}

    async def test_an_answer_that_is_lost_on_the_way_is_ambiguous(self, authority: Authority) -> None:
        async with (
            serving(answer, tls=authority.server()) as server,
            proxying(ConnectProxy(always(Fate(loses_answer=1)))) as proxy,
            gateway(https(server), through(proxy, authority)) as campaign,
        ):
            fault = await campaign.send("a", "Hello")
            reading = await campaign.read("a")
        assert isinstance(fault, Fault)
        assert (fault.reason, fault.written, fault.cause) == ("disconnected", True, "")
        assert reading.latest is Latest.UNREADABLE
        assert (server.received.count(b"POST "), server.received.count(b"GET "), len(proxy.tunnels)) == (1, 1, 2)

    async def test_so_is_one_in_a_tunnel_that_died_idle(self, authority: Authority) -> None:
        async def script(wire: Wire) -> None:
            await wire.request()
            await wire.write(OK)
            await wire.request()
            wire.reset()

        async with (
            serving(script, tls=authority.server()) as server,
            proxying(ConnectProxy()) as proxy,
            gateway(https(server), through(proxy, authority)) as campaign,
        ):
            assert isinstance(await campaign.send("a", "Hello"), Reply)
            fault = await campaign.send("b", "Hello")
        assert isinstance(fault, Fault)
        assert (fault.reason, fault.written, server.requests, len(proxy.tunnels)) == ("disconnected", True, 2, 1)


class TestOnThisMachine:
    """An API by http is a simulator here, and a proxy reads what is sent to it."""

    async def test_a_proxy_of_this_machine_is_told_the_whole_url(self) -> None:
        async with serving() as server, proxying(ConnectProxy(login=LOGIN)) as proxy:
            network = network_to(server.url, proxy=login_in(proxy.url), ca_file=None)
            async with gateway(server.url, network) as campaign:
                reply = await campaign.send("a/b", "Hello")
        assert isinstance(reply, Reply)
        assert (reply.notification_status, server.requests) == ("delivered", 1)
        assert proxy.tunnels[0].line == f"POST {server.url}/api/v1/passes/a%2Fb/notification HTTP/1.1"
        assert b"proxy-authorization" in proxy.received.lower()
        assert b"proxy-authorization" not in server.received.lower()

    def test_a_proxy_elsewhere_would_get_the_token_and_is_not_used(self) -> None:
        assert network_to("http://127.0.0.1:8080", proxy="http://proxy.example:3128", ca_file=None).proxy is None

    async def test_nor_does_a_name_make_it_another_machine(self) -> None:
        found = [{"hostname": "localhost", "host": "192.0.2.1", "port": 1, "family": 2, "proto": 6, "flags": 0}]
        with patch("aiohttp.ThreadedResolver.resolve", return_value=found):
            async with gateway("http://127.0.0.1:1", Network(proxy=Proxy.parse("http://localhost:1"))) as campaign:
                fault = await campaign.send("a", "Hello")
        assert isinstance(fault, Fault)
        assert (fault.reason, fault.written) == ("proxy", False)

    async def test_the_proxies_of_the_environment_are_for_elsewhere(self) -> None:
        async with serving() as server, proxying(ConnectProxy()) as proxy:
            environment = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "https_proxy"), proxy.url)
            with patch.dict(os.environ, environment | {"NO_PROXY": "", "no_proxy": ""}):
                network = network_to(server.url, proxy="", ca_file=None)
            async with gateway(server.url, network) as campaign:
                assert isinstance(await campaign.send("a", "Hello"), Reply)
            assert proxy.tunnels == []


async def test_two_causes_are_both_told(authority: Authority) -> None:
    fates = {1: Fate(answer=http(503)), 2: Fate(answer=None), 3: Fate(answer=http(503))}
    told = Told()

    def fate(tunnel: Tunnel) -> Fate:
        return fates[tunnel.number]

    async with (
        serving(replying(DELIVERED), tls=authority.server()) as server,
        proxying(ConnectProxy(fate)) as proxy,
        gateway(https(server), through(proxy, authority), told=told) as campaign,
    ):
        for _ in fates:
            await campaign.send("a", "Hello")
    assert [fault.cause for fault in told.faults] == [Cause.PROXY_REFUSED, Cause.PROXY]
    assert not any(re.search("pässwört|3128", fault.error) for fault in told.faults)
