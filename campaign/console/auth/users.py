"""Users and their roles; passwords: Argon2id in PHC strings, a few at a time, so that log-ins can't exhaust the machine."""

import asyncio
import os
import time
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import apsw
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from campaign.console.access import Role
from campaign.console.store import Store
from campaign.domain.errors import UsageError

LEAST_CHARACTERS: Final = 10
MOST_BYTES: Final = 1024
AT_ONCE: Final = 2
MOST_WAITING: Final = 32
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of one hash. OWASP's minimum is 19 MiB and two rounds."""

    memory_kib: int = 32_768
    rounds: int = 2
    lanes: int = 1


class Passwords:
    """Hashes passwords, and verifies them. `compared` counts the comparisons by cost, which is the same for an unknown user."""

    def __init__(self, cost: Cost | None = None) -> None:
        self._cost = cost or Cost()
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="console-passwords")
        self._waiting = 0
        self._nobodys = self.hashed(os.urandom(_SALT_BYTES).hex())
        self.compared: Counter[Cost] = Counter()

    @property
    def busy(self) -> bool:
        """Whether so many log-ins wait that another one must come later."""
        return self._waiting >= MOST_WAITING

    def hashed(self, password: str) -> str:
        """A PHC string with a new salt. It is slow on purpose."""
        cost = self._cost
        kdf = Argon2id(
            salt=os.urandom(_SALT_BYTES), length=_HASH_BYTES, iterations=cost.rounds, lanes=cost.lanes, memory_cost=cost.memory_kib
        )
        return kdf.derive_phc_encoded(_bytes(password))

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether the password matches the hash. None is for an unknown user: never, after the same work."""
        self._waiting += 1
        try:
            same = await asyncio.wrap_future(self._threads.submit(self._compare, password, hashed or self._nobodys))
        finally:
            self._waiting -= 1
        return same and hashed is not None

    async def stronger(self, password: str, hashed: str) -> str | None:
        """A new hash of the same password, if this hash has a lower cost than required now; else None."""
        cost = cost_of(hashed)
        target = replace(
            self._cost,
            memory_kib=max(cost.memory_kib, self._cost.memory_kib),
            rounds=max(cost.rounds, self._cost.rounds),
            lanes=cost.lanes,
        )
        if target == cost:
            return None
        return await asyncio.wrap_future(self._threads.submit(self.hashed, password))

    def close(self) -> None:
        self._threads.shutdown()

    def _compare(self, password: str, hashed: str) -> bool:
        self.compared[cost_of(hashed)] += 1
        try:
            Argon2id.verify_phc_encoded(_bytes(password), hashed)
        except InvalidKey:
            return False
        return True


def cost_of(hashed: str) -> Cost:
    """The cost in a PHC string."""
    said = dict(part.split("=") for part in hashed.split("$")[3].split(","))
    return Cost(memory_kib=int(said["m"]), rounds=int(said["t"]), lanes=int(said["p"]))


def check_password(password: str) -> None:
    """Check a new password; raises UsageError if it is too short, or too long."""
    if len(password) < LEAST_CHARACTERS:
        raise UsageError(
            f"A password needs at least {LEAST_CHARACTERS} characters; this one has {len(password)}. Nothing was changed.",
            code="password_too_short",
        )
    if is_too_long(password):
        raise UsageError(
            f"A password may have at most {MOST_BYTES} bytes; this one is longer. Nothing was changed.", code="password_too_long"
        )


def is_too_long(password: str) -> bool:
    """Whether a password is longer than any valid one, so that hashing it would only cost time."""
    return len(password) > MOST_BYTES or len(_bytes(password)) > MOST_BYTES


def _bytes(password: str) -> bytes:
    # Another keyboard may produce other code points for the same letters.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


OWNER: Final = "owner"
"""The name of somebody who came by the link of a console without users."""

MOST_CHARACTERS: Final = 64
ROLES: Final = {"viewer": Role.VIEWER, "sender": Role.SENDER, "approver": Role.APPROVER}
_COLUMNS: Final = "id, name, role, password, since"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`since` is Unix seconds; `password` is a PHC string."""

    id: int
    name: str
    role: Role
    password: str
    since: float


def key_of(name: str) -> str:
    """The form of a name for comparisons."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


async def add(store: Store, name: str, role: str, password: str) -> None:
    """Add a user; `password` is a PHC string. Raises UsageError if the name is not valid, or is taken."""
    name = name.strip()
    if not name or len(name) > MOST_CHARACTERS or not name.isprintable() or key_of(name) == OWNER:
        raise UsageError(
            f"“{name}” can't be a user's name. Choose 1 to {MOST_CHARACTERS} printable characters, other than “{OWNER}”.",
            code="bad_user_name",
        )
    row = (key_of(name), name, role, password, time.time())
    try:
        await store.do(lambda db: db.execute("INSERT INTO users (key, name, role, password, since) VALUES (?, ?, ?, ?, ?)", row).fetchall())
    except apsw.ConstraintError:
        raise UsageError(
            f"The user “{name}” exists already. To change it: campaign user role, campaign user password", code="user_exists"
        ) from None


async def find(store: Store, name: str) -> User | None:
    """The user of this name, in any case and Unicode form; None if there is none."""
    key = key_of(name)
    rows = await store.do(lambda db: db.execute(f"SELECT {_COLUMNS} FROM users WHERE key = ?", (key,)).fetchall())  # noqa: S608 - columns
    return _user(rows[0]) if rows else None


async def everyone(store: Store) -> list[User]:
    """All users, by name."""
    rows = await store.do(lambda db: db.execute(f"SELECT {_COLUMNS} FROM users ORDER BY key").fetchall())  # noqa: S608 - columns
    return [_user(row) for row in rows]


async def set_role(store: Store, name: str, role: str) -> None:
    """Set a user's role, which counts from their next request on. Raises UsageError if there is no such user."""
    await _change(store, name, "UPDATE users SET role = ?2 WHERE key = ?1 RETURNING id", role)


async def set_password(store: Store, name: str, password: str) -> None:
    """Set a new password, and end the user's sessions. Raises UsageError if there is no such user."""
    await _change(store, name, "UPDATE users SET password = ?2 WHERE key = ?1 RETURNING id", password, ends_sessions=True)


async def strengthen(store: Store, user: User, password: str) -> User:
    """Store a stronger hash of the same password; returns the user with it."""
    change = (password, user.id, user.password)
    await store.do(lambda db: db.execute("UPDATE users SET password = ? WHERE id = ? AND password = ?", change).fetchall())
    return User(id=user.id, name=user.name, role=user.role, password=password, since=user.since)


async def remove(store: Store, name: str) -> None:
    """Remove a user and end their sessions; their entries stay in the audit log. Raises UsageError if there is no such user."""
    await _change(store, name, "DELETE FROM users WHERE key = ?1 RETURNING id")


async def _change(store: Store, name: str, statement: str, *values: str, ends_sessions: bool = False) -> None:
    key = key_of(name)

    def change(db: apsw.Connection) -> bool:
        changed = db.execute(statement, (key, *values)).fetchall()
        if changed and ends_sessions:
            db.execute("DELETE FROM sessions WHERE user = ?", changed[0])
        return bool(changed)

    if not await store.do(change):
        raise UsageError(f"There is no user “{name}”. To see all users: campaign user list", code="unknown_user")


def _user(row: tuple[Any, ...]) -> User:
    number, name, role, password, since = row
    return User(id=number, name=name, role=ROLES[role], password=password, since=since)
