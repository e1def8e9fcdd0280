"""A network between a ledger and its server that can be cut at any moment, the worst ones included."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Self

BUFFER_BYTES = 65_536
# As it stands in the message, so that no data is mistaken for it.
COMMIT = b"COMMIT\0"


class Fate(Enum):
    """What becomes of the next COMMIT, and of its connection."""

    ARRIVES_AND_ITS_ANSWER_IS_LOST = auto()
    IS_LOST = auto()
    IS_LOST_AND_THE_SERVER_DOES_NOT_NOTICE = auto()
    ARRIVES_LATE = auto()


class Proxy:
    """Listens on loopback; `port` is where."""

    def __init__(self, server: Path) -> None:
        self._server = str(server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.fate: Fate | None = None
        self.struck = threading.Event()
        self._silent = threading.Event()
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._open = True
        threading.Thread(target=self._listen, daemon=True).start()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open = False
        self._silent.clear()
        self._listener.close()
        self.break_all()

    def break_all(self) -> None:
        """End all connections at once, as a router that was restarted."""
        with self._lock:
            for one in self._connections:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._connections.clear()

    def strike_next(self, fate: Fate) -> None:
        self.fate = fate

    def has_struck(self) -> bool:
        return self.fate is None

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nothing comes through, and nothing says so."""
        self._silent.set()
        try:
            yield
        finally:
            self._silent.clear()
            self.break_all()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(self._server)
                except OSError:
                    client.close()
                    server.close()
                    continue
                with self._lock:
                    self._connections += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(BUFFER_BYTES):
                if self._silent.is_set():
                    continue
                if COMMIT in data and self.fate is not None:
                    self._strike(client, server, data)
                    return
                server.sendall(data)
        self._end(client, server)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(BUFFER_BYTES):
                if not self._silent.is_set():
                    client.sendall(data)
        self._end(client, server)

    def _strike(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        fate, self.fate = self.fate, None
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
            match fate:
                case Fate.ARRIVES_AND_ITS_ANSWER_IS_LOST:
                    server.sendall(data)
                case Fate.ARRIVES_LATE:
                    threading.Timer(0.5, self._send_late, args=(server, data)).start()
                case Fate.IS_LOST:
                    server.shutdown(socket.SHUT_RDWR)
                case _:
                    pass
        self.struck.set()

    @staticmethod
    def _send_late(server: socket.socket, data: bytes) -> None:
        with suppress(OSError):
            server.sendall(data)

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
