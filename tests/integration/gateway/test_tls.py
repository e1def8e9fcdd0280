"""The certificate of the API is verified, and nothing is written to a server that has no right one."""

import asyncio
import os
import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from campaign.domain.verdict import Fault, Latest
from tests.integration.gateway.rawserver import TOKEN, Wire, answer, gateway, http, replying, serving

CLIENT = """
import asyncio, sys
from campaign.sender.gateway import HttpGateway, Timeouts

async def main():
    async with HttpGateway(url=sys.argv[1], token=sys.argv[2], concurrency=1, timeouts=Timeouts()) as gateway:
        print(await gateway.send("a", "Hello"))

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    certificate: Path
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """A certificate for the name localhost, signed by nobody but itself."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.now(UTC), timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(Encoding.PEM))
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return Identity(certificate=certificate, server=server)


async def sent_by_a_client_that_trusts(identity: Identity, url: str) -> str:
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CLIENT,
        url,
        TOKEN,
        env={**os.environ, "SSL_CERT_FILE": str(identity.certificate)},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await client.communicate()
    assert client.returncode == 0
    return told.decode()


async def test_a_certificate_that_nobody_vouches_for_is_refused(localhost: Identity) -> None:
    async with serving(answer, tls=localhost.server) as server, gateway(f"https://localhost:{server.port}") as campaign:
        fault = await campaign.send("a", "Hello")
        assert isinstance(fault, Fault)
        assert (fault.reason, fault.written) == ("tls", False)
        assert "self-signed certificate" in fault.error
        assert (await campaign.read("a")).latest is Latest.UNREADABLE
        await server.ended()
        assert server.received == b""


async def test_a_trusted_certificate_is_good_for_its_own_name_only(localhost: Identity) -> None:
    async with serving(replying(http(404, b'{"errors": ["none"]}')), tls=localhost.server) as server:
        told = await sent_by_a_client_that_trusts(localhost, f"https://127.0.0.1:{server.port}")
        assert "reason='tls', written=False" in told
        assert server.received == b""
        told = await sent_by_a_client_that_trusts(localhost, f"https://localhost:{server.port}")
        assert "http_status=404" in told
        assert server.requests == 1


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
