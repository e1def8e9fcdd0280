"""The certificate of the API is verified, and nothing is written to a server that has no right one."""

import asyncio
import os
import ssl
import sys
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from campaign.domain.errors import UsageError
from campaign.domain.verdict import Fault, Latest
from campaign.sender.api.gateway import HttpGateway, Timeouts
from campaign.sender.api.network import network_to
from campaign.sender.api.network_errors import Cause
from tests.authority import DAY, Authority
from tests.integration.gateway.rawserver import TOKEN, Wire, answer, gateway, http, replying, serving

CLIENT = """
import asyncio, ssl, sys
def strict(lax=ssl.create_default_context):
    context = lax()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context
ssl.create_default_context = strict
from campaign.sender.api.gateway import HttpGateway, Timeouts
from campaign.sender.api.network import network_to

async def main():
    network = network_to(sys.argv[1], proxy="", ca_file=None)
    async with HttpGateway(url=sys.argv[1], token=sys.argv[2], concurrency=1, timeouts=Timeouts(), network=network) as gateway:
        print(await gateway.send("a", "Hello"))

asyncio.run(main())
"""
"""Python 3.13 asks more of certificates than companies' own authorities give; here it does so, too."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.in_folder(tmp_path_factory.mktemp("tls"))


def trusting(url: str, authority: Authority) -> HttpGateway:
    network = network_to(url, proxy="", ca_file=authority.file)
    return HttpGateway(url=url, token=TOKEN, concurrency=1, timeouts=Timeouts(), network=network)


async def sent_by_a_client_that_trusts(authority: Authority, url: str) -> str:
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CLIENT,
        url,
        TOKEN,
        env={**os.environ, "SSL_CERT_FILE": str(authority.file)},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await client.communicate()
    assert client.returncode == 0
    return told.decode()


async def test_a_certificate_that_nobody_vouches_for_is_refused(authority: Authority) -> None:
    async with serving(answer, tls=authority.server()) as server, gateway(f"https://localhost:{server.port}") as campaign:
        fault = await campaign.send("a", "Hello")
        assert isinstance(fault, Fault)
        assert (fault.reason, fault.written, fault.cause) == ("tls", False, Cause.TLS_UNKNOWN_CA)
        assert (await campaign.read("a")).latest is Latest.UNREADABLE
        await server.ended()
        assert server.received == b""


async def test_the_environment_names_who_is_trusted(authority: Authority) -> None:
    async with serving(replying(http(404, b'{"errors": ["none"]}')), tls=authority.server()) as server:
        told = await sent_by_a_client_that_trusts(authority, f"https://localhost:{server.port}")
        assert "http_status=404" in told
        assert server.requests == 1


async def test_so_does_a_file_of_certificates_besides_those_of_the_system(authority: Authority) -> None:
    strict = ssl.create_default_context()
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    system = strict.cert_store_stats()["x509_ca"]
    async with serving(answer, tls=authority.server()) as server:
        with patch("ssl.create_default_context", return_value=strict):
            campaign = trusting(f"https://localhost:{server.port}", authority)
        async with campaign:
            assert not isinstance(await campaign.send("a", "Hello"), Fault)
        assert server.requests == 1
    assert strict.cert_store_stats()["x509_ca"] == system + 1


WRONG: dict[str, tuple[str, tuple[timedelta, timedelta], str, Cause]] = {
    "another name": ("localhost", (-DAY, DAY), "127.0.0.1", Cause.TLS_NAME),
    "another address": ("127.0.0.1", (-DAY, DAY), "localhost", Cause.TLS_NAME),
    "expired": ("localhost", (-2 * DAY, -DAY), "localhost", Cause.TLS_EXPIRED),
    "not valid yet": ("localhost", (DAY, 2 * DAY), "localhost", Cause.TLS_EXPIRED),
}


@pytest.mark.parametrize(("name", "ages", "asked", "cause"), WRONG.values(), ids=WRONG)
async def test_a_trusted_certificate_is_good_for_its_own_name_and_time_only(
    authority: Authority, name: str, ages: tuple[timedelta, timedelta], asked: str, cause: Cause
) -> None:
    async with (
        serving(answer, tls=authority.server(name, ages=ages)) as server,
        trusting(f"https://{asked}:{server.port}", authority) as campaign,
    ):
        fault = await campaign.send("a", "Hello")
        assert server.received == b""
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.written, fault.cause) == ("tls", False, cause)


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["silent", "talkative"])
async def test_a_server_without_tls_is_sent_nothing(greeting: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.write(greeting)
        await wire.rest()

    async with serving(script) as server, gateway(f"https://localhost:{server.port}", connect_seconds=0.2) as campaign:
        fault = await campaign.send("a", "Hello")
        assert isinstance(fault, Fault)
        assert (fault.reason, fault.written) == ("tls" if greeting else "connect_timeout", False)
        assert TOKEN.encode() not in server.received


class TestFile:
    """A file of certificates that is none."""

    @pytest.mark.parametrize(
        "content",
        [
            None,
            b"",
            b"no certificate",
            b"\x30\x82\x01\x0a",
            b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ],
        ids=["missing", "empty", "a text", "DER", "a key", "damaged"],
    )
    @pytest.mark.parametrize("url", ["https://api.passentry.com", "http://127.0.0.1:8080"])
    def test_it_is_refused(self, tmp_path: Path, content: bytes | None, url: str) -> None:
        file = tmp_path / "company.pem"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(UsageError) as refused:
            network_to(url, proxy="", ca_file=file)
        assert "--ca-file" in str(refused.value)
        assert str(file) in str(refused.value)

    def test_a_folder_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError):
            network_to("https://api.passentry.com", proxy="", ca_file=tmp_path)

    def test_so_is_one_that_the_environment_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
        with pytest.raises(UsageError) as refused:
            network_to("https://api.passentry.com", proxy="", ca_file=None)
        assert "SSL_CERT_FILE" in str(refused.value)
        # It is nothing to a simulator.
        assert network_to("http://127.0.0.1:8080", proxy="", ca_file=None).tls is None
