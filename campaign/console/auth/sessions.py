"""Sessions and one-time links. The store has their hashes, so that they can be ended; a session's cookie is also signed."""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import apsw

from campaign.console.access import Person, Role
from campaign.console.auth import users
from campaign.console.auth.users import OWNER, ROLES, User
from campaign.console.store import Store
from campaign.domain.errors import UsageError

END_SECONDS: Final = 12 * 3600.0
IDLE_SECONDS: Final = 2 * 3600.0
LINK_SECONDS: Final = 24 * 3600.0
MOST_OF_A_USER: Final = 50
"""Sessions of one user. If there are more, the oldest ends."""

NOTED_EVERY_SECONDS: Final = 60.0
_KEY_BYTES: Final = 32


class Sessions:
    """All sessions of a console. A browser's cookie is `id.signature`."""

    def __init__(self, store: Store, key: bytes, now: Callable[[], float]) -> None:
        self._store = store
        self._key = key
        self._now = now

    async def begin(self, user: User | None) -> str | None:
        """Begin a session; returns the cookie's value, None if the user was meanwhile removed, or got another password."""
        mark, now = secrets.token_urlsafe(32), self._now()

        def write(db: apsw.Connection) -> bool:
            db.execute("DELETE FROM sessions WHERE begun_at < ? OR seen_at < ?", (now - END_SECONDS, now - IDLE_SECONDS))
            if (
                user is not None
                and not db.execute("SELECT 1 FROM users WHERE id = ? AND password = ?", (user.id, user.password)).fetchall()
            ):
                return False
            row = (_hash(mark), user.id if user is not None else None, now, now)
            db.execute("INSERT INTO sessions (hash, user, begun_at, seen_at) VALUES (?, ?, ?, ?)", row)
            db.execute(
                "DELETE FROM sessions WHERE user IS ?1 AND rowid NOT IN"
                " (SELECT rowid FROM sessions WHERE user IS ?1 ORDER BY begun_at DESC, rowid DESC LIMIT ?2)",
                (row[1], MOST_OF_A_USER),
            )
            return True

        return f"{mark}.{self._signature(mark)}" if await self._store.do(write) else None

    async def find(self, held: str, *, owner: bool) -> Person | None:
        """The person of a cookie's session; None if it has ended, or never existed. `owner`: sessions without a user are allowed."""
        mark = self._mark(held)
        if mark is None:
            return None
        now, hashed = self._now(), _hash(mark)

        def read(db: apsw.Connection) -> Person | None:
            rows = db.execute(
                "SELECT s.user, s.begun_at, s.seen_at, u.name, u.role, EXISTS (SELECT 1 FROM users) FROM sessions s"
                " LEFT JOIN users u ON u.id = s.user WHERE s.hash = ?",
                (hashed,),
            ).fetchall()
            if not rows:
                return None
            row: tuple[Any, ...] = rows[0]
            user, begun_at, seen_at, name, role, has_users = row
            if begun_at + END_SECONDS <= now or seen_at + IDLE_SECONDS <= now or (user is None and (has_users or not owner)):
                return None
            if seen_at + NOTED_EVERY_SECONDS <= now:
                db.execute("UPDATE sessions SET seen_at = ? WHERE hash = ?", (now, hashed))
            name, role = (OWNER, Role.APPROVER) if user is None else (name, ROLES[role])
            return Person(name=name, role=role, csrf=self._token(held))

        return await self._store.do(read)

    async def end(self, held: str) -> None:
        mark = self._mark(held)
        if mark is not None:
            hashed = _hash(mark)
            await self._store.do(lambda db: db.execute("DELETE FROM sessions WHERE hash = ?", (hashed,)).fetchall())

    def _token(self, held: str) -> str:
        return hmac.new(self._key, b"csrf:" + held.encode(), hashlib.sha256).hexdigest()

    async def use_link(self, link: str) -> bool:
        """Use a link up; returns whether it was valid and unused."""
        hashed, now = _hash(link), self._now()
        used = await self._store.do(
            lambda db: db.execute("DELETE FROM links WHERE hash = ? RETURNING ends_at > ?", (hashed, now)).fetchall()
        )
        return bool(used) and bool(used[0][0])

    def _mark(self, held: str) -> str | None:
        mark, _, signature = held.partition(".")
        expected = self._signature(mark).encode()
        return mark if hmac.compare_digest(expected, signature.encode("utf-8", "surrogatepass")) else None

    def _signature(self, mark: str) -> str:
        return hmac.new(self._key, b"session:" + mark.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


async def make_link(store: Store, url: str, now: float) -> str:
    """A new link that lets one browser into the console at this address. Earlier links become invalid."""
    link = secrets.token_urlsafe(32)

    def write(db: apsw.Connection) -> None:
        db.execute("DELETE FROM links")
        db.execute("INSERT INTO links (hash, ends_at) VALUES (?, ?)", (_hash(link), now + LINK_SECONDS))

    await store.do(write)
    return f"{url}/enter?key={link}"


def key_in(file: Path) -> bytes:
    """The key that signs this console's cookies, made at its first start. If it is lost, everybody is logged out, nothing worse."""
    try:
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = file.read_bytes()
        if len(key) == _KEY_BYTES:
            return key
        # A start was interrupted.
        file.unlink()
        return key_in(file)
    with os.fdopen(made, "wb") as opened:
        opened.write(key := secrets.token_bytes(_KEY_BYTES))
    return key


def _hash(mark: str) -> bytes:
    return hashlib.sha256(mark.encode("utf-8", "surrogatepass")).digest()


async def another_link(store: Store) -> str:
    """A new link that lets one browser in.

    Raises:
        UsageError: this console has users, or was never served for this machine alone.
    """
    if await users.everyone(store):
        raise UsageError("This console has users, who log in with passwords. To change one: campaign user password NAME", code="has_users")
    rows = await store.do(lambda db: db.execute("SELECT url FROM served WHERE url <> ''").fetchall())
    if not rows:
        raise UsageError("No console without users was started from this folder. Start one: campaign serve", code="not_served")
    return await make_link(store, str(rows[0][0]), time.time())
