"""Where notices go in tests: a server on loopback that answers, refuses, fails, hangs or drips."""

import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar


class Mood(Enum):
    KIND = 200
    ANGRY = 500
    SILENT = 0
    DRIPPING = -1
    ELSEWHERE = 302


@dataclass
class Webhook:
    """`told` is every notice that came whole, `raw` the bytes of all that came."""

    port: int = 0
    mood: Mood = Mood.KIND
    secured: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"json{'s' if self.secured else ''}://user:S3cretPassword@127.0.0.1:{self.port}/S3cretPath"


@contextmanager
def webhook(mood: Mood = Mood.KIND, *, certificate: Path | None = None) -> Iterator[Webhook]:
    """One on http or, with a certificate and its key in one file, on https."""
    hook = Webhook(mood=mood, secured=certificate is not None)

    class Handler(BaseHTTPRequestHandler):
        timeout: ClassVar[float] = 30.0

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.raw.append(f"{self.requestline}\n{self.headers}".encode() + body)
            hook.told.append(json.loads(body))
            if hook.mood is Mood.ELSEWHERE:
                self.send_response(302)
                self.send_header("Location", "/login")
                self.end_headers()
                return
            if hook.mood is Mood.SILENT:
                hook.over.wait(60)
                return
            if hook.mood is Mood.DRIPPING:
                # Each byte comes in time; all of them never do.
                while not hook.over.wait(0.2):
                    self.wfile.write(b"H")
                return
            self.send_response(hook.mood.value)
            self.end_headers()

        def do_GET(self) -> None:
            # Where a redirection leads: a page for people, which swallows what comes.
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name the library gives it
            del format, args

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            # A notice that was given up closes its connection.
            del request, client_address

    with Server(("127.0.0.1", 0), Handler) as server:
        hook.port = server.server_address[1]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield hook
        finally:
            hook.over.set()
            server.shutdown()
            thread.join()
