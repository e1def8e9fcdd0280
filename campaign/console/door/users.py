"""Users: who they are, their role, and the hash of their password."""

import time
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

import apsw

from campaign.console.access import Role
from campaign.console.store import Store
from campaign.domain.errors import UsageError

OWNER: Final = "owner"
"""Who came by the link of a console that has no users."""

MOST_CHARACTERS: Final = 64
ROLES: Final = {"viewer": Role.VIEWER, "sender": Role.SENDER, "approver": Role.APPROVER}
_COLUMNS: Final = "id, name, role, password, since"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`since` is Unix seconds; `password` a PHC string."""

    id: int
    name: str
    role: Role
    password: str
    since: float


def key_of(name: str) -> str:
    """A name as it is compared."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


async def add(store: Store, name: str, role: str, password: str) -> None:
    """A new user; `password` is a PHC string.

    Raises:
        UsageError: the name can't be, or is taken.
    """
    name = name.strip()
    if not name or len(name) > MOST_CHARACTERS or not name.isprintable() or key_of(name) == OWNER:
        raise UsageError(
            f"“{name}” can't be a user's name: it has 1 to {MOST_CHARACTERS} printable characters, and is not “{OWNER}”.",
            code="bad_user_name",
        )
    row = (key_of(name), name, role, password, time.time())
    try:
        await store.do(lambda db: db.execute("INSERT INTO users (key, name, role, password, since) VALUES (?, ?, ?, ?, ?)", row).fetchall())
    except apsw.ConstraintError:
        raise UsageError(
            f"There is a user “{name}” already. campaign user role and campaign user password change them.", code="user_exists"
        ) from None


async def find(store: Store, name: str) -> User | None:
    """The user of this name, however it is written."""
    key = key_of(name)
    rows = await store.do(lambda db: db.execute(f"SELECT {_COLUMNS} FROM users WHERE key = ?", (key,)).fetchall())  # noqa: S608 - columns
    return _user(rows[0]) if rows else None


async def everyone(store: Store) -> list[User]:
    """All users, by name."""
    rows = await store.do(lambda db: db.execute(f"SELECT {_COLUMNS} FROM users ORDER BY key").fetchall())  # noqa: S608 - columns
    return [_user(row) for row in rows]


async def set_role(store: Store, name: str, role: str) -> None:
    """What they may do from their next click on.

    Raises:
        UsageError: there is no such user.
    """
    await _change(store, name, "UPDATE users SET role = ?2 WHERE key = ?1 RETURNING id", role)


async def set_password(store: Store, name: str, password: str) -> None:
    """A new password; whoever is logged in with the old one is not any more.

    Raises:
        UsageError: there is no such user.
    """
    await _change(store, name, "UPDATE users SET password = ?2 WHERE key = ?1 RETURNING id", password, ends_sessions=True)


async def strengthen(store: Store, user: User, password: str) -> User:
    """The same password by a stronger hash."""
    change = (password, user.id, user.password)
    await store.do(lambda db: db.execute("UPDATE users SET password = ? WHERE id = ? AND password = ?", change).fetchall())
    return User(id=user.id, name=user.name, role=user.role, password=password, since=user.since)


async def remove(store: Store, name: str) -> None:
    """They are logged out, and can't come back; what they did stays in the trail.

    Raises:
        UsageError: there is no such user.
    """
    await _change(store, name, "DELETE FROM users WHERE key = ?1 RETURNING id")


async def _change(store: Store, name: str, statement: str, *values: str, ends_sessions: bool = False) -> None:
    key = key_of(name)

    def change(db: apsw.Connection) -> bool:
        changed = db.execute(statement, (key, *values)).fetchall()
        if changed and ends_sessions:
            db.execute("DELETE FROM sessions WHERE user = ?", changed[0])
        return bool(changed)

    if not await store.do(change):
        raise UsageError(f"There is no user “{name}”. campaign user list shows them all.", code="unknown_user")


def _user(row: tuple[Any, ...]) -> User:
    number, name, role, password, since = row
    return User(id=number, name=name, role=ROLES[role], password=password, since=since)
