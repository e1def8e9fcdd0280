"""The identity of a ledger file as it is stored in it, and as the file and its machine show it now."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import apsw

from campaign.domain.ledger_identity import LedgerIdentity, difference
from campaign.ledger.machine import adapters, created_ns, machine_id
from campaign.ledger.sqlite.connection import SQL


def identity_here(path: Path) -> LedgerIdentity:
    """What the file, and this machine, show now."""
    return LedgerIdentity(
        machine=machine_id(),
        adapters=adapters(),
        inode=path.stat().st_ino,
        created_ns=created_ns(path),
        host=socket.gethostname(),
        path=str(path.absolute()),
    )


def stored_identity(rows: list[tuple[Any, ...]]) -> LedgerIdentity | None:
    """What the statement `identity` has found; None of one that an earlier version made, and none has written since."""
    for machine, known_adapters, inode, created, host, path in rows:
        return LedgerIdentity(
            machine=machine,
            adapters=frozenset(json.loads(known_adapters)),
            inode=int(inode),
            created_ns=created,
            host=host,
            path=path,
        )
    return None


def store_identity(db: apsw.Connection, path: Path, *, move: bool) -> None:
    """Store where the file is now, unless it is shown to be another than the one that was stored, and is not to `move`."""
    known, here = stored_identity(db.execute(SQL["identity"]).fetchall()), identity_here(path)
    if known is not None:
        if difference(known, here) is None:
            here = known.seen(here)
        elif not move:
            return
    if here != known:
        values = {"machine": here.machine, "adapters": json.dumps(sorted(here.adapters)), "inode": str(here.inode)}
        db.execute(SQL["set_identity"], values | {"created_ns": here.created_ns, "host": here.host, "path": here.path})


def place(db: apsw.Connection, path: Path) -> bool:
    """Store where the file is if nothing is stored yet, or it was renamed; whether that was so."""
    known = stored_identity(db.execute(SQL["identity"]).fetchall())
    if known is not None and (os.path.exists(known.path) or difference(known, identity_here(path)) is not None):  # noqa: PTH110 - pathlib's raises in a shut folder
        return False
    store_identity(db, path, move=False)
    return True
