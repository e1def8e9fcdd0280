"""Servers on loopback, in processes of their own: nginx, as fast as one comes, and our own, which is slower and knows when what arrived."""

import shutil
import socket
import subprocess
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import ProxyHandler, build_opener

from tests.bench.children import environment, module, running
from tests.bench.server import BODY

STARTS_SECONDS: Final = 10.0
FIRST_SECONDS: Final = 120.0
NO_NGINX: Final = "There is no nginx here, so the server of tests/bench/server.py answered instead: apt-get install nginx-light."
CONFIGURATION: Final = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        default_type application/json;
        location / {{ return 200 '{body}'; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    name: str
    url: str
    note: str = ""


@contextmanager
def fastest(folder: Path) -> Iterator[Server]:
    """The one is nginx with one worker; where there is none, our own, and a note that says so."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    if program is None:
        with own() as url:
            yield Server(name="our own server", url=url, note=NO_NGINX)
        return
    port = _free_port()
    written = folder / "nginx.conf"
    written.write_text(CONFIGURATION.format(folder=folder, port=port, body=BODY.decode()), encoding="utf-8")
    words = (program, "-p", str(folder), "-c", str(written), "-e", str(folder / "error.log"))
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _await_listening(process, port)
        yield Server(name=_version(program), url=f"http://127.0.0.1:{port}")
    finally:
        # Told to end, it ends its worker, too; killed, it would leave it behind.
        process.terminate()
        process.communicate(timeout=STARTS_SECONDS)


def _version(program: str) -> str:
    said = subprocess.run((program, "-v"), capture_output=True, text=True, check=True).stderr
    return said.strip().rpartition(": ")[2].replace("/", " ")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_listening(process: "subprocess.Popen[str]", port: int) -> None:
    until = time.monotonic() + STARTS_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    process.terminate()
    raise RuntimeError(f"nginx did not begin to listen on port {port}: {process.communicate()[1]}")


@contextmanager
def own(latency_seconds: float = 0.0) -> Iterator[str]:
    """The URL of our own server, which answers after so long."""
    with running(module("server", str(latency_seconds)), environment(Path("unused")), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def first_arrival(url: str, processes: Sequence["subprocess.Popen[str]"], *, after: int = 0) -> float:
    """When the first POST came to our own server that is sent by these processes, of which `after` were there before.

    Raises:
        RuntimeError: none came, or one of the processes ended before.
    """
    until = time.monotonic() + FIRST_SECONDS
    while len(came := arrivals(url)) <= after:
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} ended with {process.returncode} before anything was sent.")
        if time.monotonic() > until:
            raise RuntimeError(f"{processes[0].args!r} sent nothing for {FIRST_SECONDS:.0f} s.")
        time.sleep(0.01)
    return came[after]


def arrivals(url: str) -> list[float]:
    """When each POST came to our own server, in order, on the clock of `time.monotonic`."""
    found = array("d")
    with build_opener(ProxyHandler({})).open(url, timeout=STARTS_SECONDS) as answer:
        found.frombytes(answer.read())
    return found.tolist()
