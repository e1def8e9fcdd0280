"""A cluster of Ray within a room, of as many nodes as are asked for, whose processes are known by the token that they were given."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from tests.acceptance.desk import ROOT

PATIENCE_SECONDS = 40.0
ACTOR = "ray::Worker"

# A node that is gone is known to be after a second or two, not half a minute; one that is only slow has its time.
WATCHFUL = {
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "3",
}


def wait_for(happens: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_of(variable: str, value: str) -> list[psutil.Process]:
    """Those that were started with it in their environment, and live."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(variable) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def named(processes: list[psutil.Process], name: str) -> list[psutil.Process]:
    found = []
    for process in processes:
        with suppress(psutil.Error):
            if " ".join(process.cmdline()).startswith(name):
                found.append(process)
    return found


@dataclass
class RayHere:
    """The cluster; `mark` is in the environment of all its processes."""

    folder: Path
    mark: str
    address: str = ""
    nodes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to be let in."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.mark}

    def start_node(self) -> None:
        joined = [f"--address={self.address}"] if self.address else ["--head", "--port=0", "--include-dashboard=false", "--no-monitor"]
        with self._said_by(len(self.nodes)).open("wb") as said:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats", *joined),
                    *("--node-ip-address=127.0.0.1", "--num-cpus=2", "--object-store-memory=80000000", f"--temp-dir={self.folder}"),
                    "--include-log-monitor=false",
                ],
                # What the workers need to find on a machine: the program, and a folder for locks.
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.folder),
                    "PYTHONPATH": str(ROOT),
                    "XDG_DATA_HOME": str(self.folder / "data"),
                    **self.environment,
                    **WATCHFUL,
                },
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.nodes.append(process)
        if not self.address:
            wait_for(self._found_address)

    def wait_until_started(self) -> None:
        for number in range(len(self.nodes)):
            wait_for(partial(self._has_started, number))

    def _found_address(self) -> bool:
        """Its first node takes a port that is free, and writes it down."""
        ports = [path.read_text(encoding="utf-8") for path in self.folder.glob("session_2*/gcs_server_port_*")]
        self.address = next((f"127.0.0.1:{port}" for port in ports if port.isdigit()), "")
        return bool(self.address)

    def _has_started(self, number: int) -> bool:
        return b"Ray runtime started" in self._said_by(number).read_bytes()

    def _said_by(self, number: int) -> Path:
        return self.folder / f"node{number}.out"

    def processes(self) -> list[psutil.Process]:
        return processes_of("RAY_AUTH_TOKEN", self.mark)

    def workers(self) -> list[psutil.Process]:
        """The processes that send."""
        return named(self.processes(), ACTOR)

    def stop(self) -> None:
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        for node in self.nodes:
            node.wait(timeout=15)


@contextmanager
def running(nodes: int) -> Iterator[RayHere]:
    with ExitStack() as stack:
        # The path of a socket may have about a hundred characters.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
        cluster = RayHere(folder=Path(folder), mark=os.urandom(32).hex())
        stack.callback(cluster.stop)
        for _ in range(nodes):
            cluster.start_node()
        cluster.wait_until_started()
        yield cluster
