"""The loopback of a network namespace, without the programs that a small machine may lack: bring it up, and give it another address."""

import ctypes
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ANOTHER: Final = "10.20.30.40"

# linux/sockios.h, net/if.h, linux/route.h
_SIOCADDRT: Final = 0x890B
_SIOCDELRT: Final = 0x890C
_SIOCSIFFLAGS: Final = 0x8914
_SIOCSIFADDR: Final = 0x8916
_UP: Final = 1
_LISTENING: Final = "0A"


def bring_up(name: str = "lo", flags: int = _UP) -> None:
    _ask(_SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), flags))


@contextmanager
def another_address() -> Iterator[str]:
    """An address as of a network that others are in, too: the one that a program would take to be the machine's."""
    _ask(_SIOCSIFADDR, struct.pack("16s16s8x", b"lo:1", _address(ANOTHER)))
    bring_up("lo:1")
    device, anywhere = ctypes.create_string_buffer(b"lo"), _address("0.0.0.0")  # noqa: S104 - of a route, which nobody listens at
    route = struct.pack("@L16s16s16sHhLPhPLLH", 0, anywhere, anywhere, anywhere, _UP, 0, 0, 0, 0, ctypes.addressof(device), 0, 0, 0)
    _ask(_SIOCADDRT, route)
    try:
        yield ANOTHER
    finally:
        _ask(_SIOCDELRT, route)
        bring_up("lo:1", 0)


def listening() -> set[str]:
    """The addresses that anything in this network namespace listens at."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == _LISTENING:
                found.add(_read(local.partition(":")[0]))
    return found


def _read(digits: str) -> str:
    """Words of 32 bits, each as the machine has them."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    address = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _address(text: str) -> bytes:
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))


def _ask(what: int, how: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        fcntl.ioctl(asked, what, how)


if __name__ == "__main__":
    bring_up()
