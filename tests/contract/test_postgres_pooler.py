"""The ledger behind a real PgBouncer in transaction mode, over TLS: each transaction may run in another session; none keeps anything."""

import asyncio
import datetime as dt
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from campaign.domain.errors import LedgerPlaceError
from campaign.domain.status import Status
from campaign.ledger.postgres import PostgresLedger, PostgresReader
from tests.contract.given import campaign_of, ends, staged
from tests.contract.postgres_server import Server, other_user
from tests.errors import raises
from tests.programs import programs

pytestmark = pytest.mark.pgbouncer

PGBOUNCER = programs()["pgbouncer"].path
SESSIONS = 3
"""Fewer than the ledgers and readers of a test have connections."""


def certificate(folder: Path) -> Path:
    """A certificate for loopback, with its key beside it; returns its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / "certificate.pem"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    name = server.database()
    yield name
    server.drop(name)


@pytest.fixture
def url(server: Server, database: str) -> Iterator[str]:
    """Of the database, through PgBouncer."""
    assert PGBOUNCER is not None
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        trusted = certificate(folder)
        port = free_port()
        (folder / "users").write_text('"postgres" ""\n', encoding="ascii")
        (folder / "pgbouncer.ini").write_text(
            f"""
            [databases]
            * = host={server.folder}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            pool_mode = transaction
            default_pool_size = {SESSIONS}
            auth_type = trust
            auth_file = {folder}/users
            client_tls_sslmode = require
            client_tls_cert_file = {trusted}
            client_tls_key_file = {folder}/key.pem
            """.replace("            ", ""),
            encoding="ascii",
        )
        if os.getuid() == 0:
            for each in (folder, *folder.iterdir()):
                shutil.chown(each, "nobody")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([PGBOUNCER, folder / "pgbouncer.ini"], stdout=log, stderr=log, **other_user())
        deadline = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/{database}?sslmode=verify-full&sslrootcert={trusted}"
        finally:
            process.terminate()
            process.wait(10)


async def test_a_campaign_is_sent_by_many_through_few_sessions(url: str, server: Server, database: str) -> None:
    ledgers = [PostgresLedger(url) for _ in range(4)]
    reader = PostgresReader(url)
    record = await campaign_of(ledgers[0], *(staged(row) for row in range(1, 301)))
    taken: Counter[int] = Counter()

    async def work(ledger: PostgresLedger) -> None:
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        while claims := await ledger.claim(runner, 7):
            taken.update(claim.row for claim in claims)
            assert await ledger.heartbeat(runner, "sending")
            assert (await ledger.reserve_slots("token", rate_per_second=1e6, want=7)).interval_seconds > 0
            assert (
                await ledger.settle(runner, [ends(claim, Status.UNKNOWN if claim.row % 50 == 0 else Status.DELIVERED) for claim in claims])
                == []
            )
        await ledger.deregister_runner(runner, "finished")

    rows = reader.rows(record.id)
    next(rows)
    await asyncio.gather(*map(work, ledgers))
    assert {row.outcome.status for row in rows} == {Status.PENDING}, "it is of the moment of the call, whatever came then"
    assert taken == dict.fromkeys(range(1, 301), 1)
    assert reader.counts(record.id).by_status[Status.DELIVERED] == 294
    assert [unverified.claim.row for unverified in await ledgers[1].claim_unverified(record.id, 9)] == [50, 100, 150, 200, 250, 300]
    ((sessions,),) = server.run(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'")
    assert 0 < sessions <= SESSIONS
    for ledger in ledgers:
        await ledger.close()
    reader.close()


async def test_sessions_that_end_behind_the_pooler_lose_nothing(url: str, server: Server, database: str) -> None:
    ledger, reader = PostgresLedger(url), PostgresReader(url)
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 101)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    while claims := await ledger.claim(runner, 10):
        server.terminate(database)
        assert await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in claims]) == []
    assert reader.counts(record.id).by_status[Status.DELIVERED] == 100
    assert reader.attempts_by_runner(record.id) == {runner.id: 100}
    await ledger.close()
    reader.close()


def test_a_certificate_that_is_not_trusted_is_told(url: str) -> None:
    with raises(LedgerPlaceError, "ledger_unreachable"):
        PostgresReader(url.split("&sslrootcert", maxsplit=1)[0])
    with raises(LedgerPlaceError, "ledger_unreachable"):
        PostgresReader(url.split("?", maxsplit=1)[0] + "?sslmode=disable")
