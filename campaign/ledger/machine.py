"""Identifies this machine, and a file on it, by fingerprints, since a machine's id is confidential."""

import ctypes
import getpass
import hashlib
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

MACHINE_IDS: Final = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
CONTAINER_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
ADAPTERS: Final = Path("/sys/class/net")
_HYPER_V: Final = "00:15:5d:"
"""WSL 2 has a new address under this prefix each time it starts."""

_AT_FDCWD: Final = -100
_STATX_BTIME: Final = 0x800
_STATX_BYTES: Final = 256
_STATX_BTIME_AT: Final = 80


def machine_id() -> str:
    """The id of this machine; empty if it has none that lasts: a container may have its image's id, or a new one at each start."""
    if "KUBERNETES_SERVICE_HOST" in os.environ or any(mark.exists() for mark in CONTAINER_MARKS):
        return ""
    for file in MACHINE_IDS:
        with suppress(OSError, UnicodeDecodeError):
            if text := file.read_text(encoding="ascii").strip():
                return _fingerprint(text)
    return ""


def adapters() -> frozenset[str]:
    """The wired network adapters that are built into this machine. One in a dock is shared; a wireless one may change its address."""
    found = set()
    with suppress(OSError):
        for adapter in ADAPTERS.iterdir():
            with suppress(OSError):
                bus = (adapter / "device" / "subsystem").resolve(strict=True).name
                address = (adapter / "address").read_text(encoding="ascii").strip()
                if bus != "usb" and not (adapter / "phy80211").exists() and address.strip("0:") and not address.startswith(_HYPER_V):
                    found.add(_fingerprint(address))
    return frozenset(found)


def created_ns(path: Path) -> int:
    """When a file was made, in Unix nanoseconds; 0 if the system or its file system does not say."""
    found = path.stat()
    if (born := getattr(found, "st_birthtime", None)) is not None:
        return int(born * 1_000_000_000)
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    try:
        if ctypes.CDLL(None).statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer) != 0:
            return 0
    except AttributeError:
        # The C library lacks `statx`.
        return 0
    mask = struct.unpack_from("=I", buffer)[0]
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, _STATX_BTIME_AT)
    return int(seconds * 1_000_000_000 + nanoseconds) if mask & _STATX_BTIME else 0


def _fingerprint(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16, key=b"campaign ledger").hexdigest()


def username() -> str:
    """The name of the user; empty in a container whose user has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
