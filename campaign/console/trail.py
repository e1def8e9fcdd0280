"""The audit trail: who did what to which campaign, and whose each campaign is."""

import time
from dataclasses import dataclass
from typing import Any

import apsw

from campaign.console.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """`at` is Unix seconds; `subject` a campaign's, draft's or user's name; `number` grows with each deed."""

    at: float
    person: str
    action: str
    subject: str
    details: str
    number: int = 0


async def note(store: Store, person: str, action: str, subject: str = "", details: str = "") -> None:
    """Write down what somebody did; never a secret, nor what a recipient is told."""
    row = (time.time(), person, action, subject, details)
    await store.do(lambda db: db.execute("INSERT INTO audit (at, person, action, subject, details) VALUES (?, ?, ?, ?, ?)", row).fetchall())


async def note_if_few(store: Store, person: str, action: str, subject: str, *, most: int, seconds: float) -> bool:
    """The same, unless they have done it as often as this in the last seconds; whether it was noted."""
    now = time.time()

    def write(db: apsw.Connection) -> bool:
        query = "SELECT count(*) FROM audit WHERE person = ? AND action = ? AND at > ?"
        rows: list[tuple[Any, ...]] = db.execute(query, (person, action, now - seconds)).fetchall()
        few = int(rows[0][0]) < most
        if few:
            row = (now, person, action, subject)
            db.execute("INSERT INTO audit (at, person, action, subject) VALUES (?, ?, ?, ?)", row)
        return few

    return await store.do(write)


async def deeds(store: Store, subject: str | None = None, *, limit: int = 200, before: int | None = None) -> list[Deed]:
    """What was done, newest first; to one subject, or at all. `before` is the number of the deed to go on after."""

    def read(db: apsw.Connection) -> list[Deed]:
        found = db.execute(
            "SELECT at, person, action, subject, details, id FROM audit"
            " WHERE (?1 IS NULL OR subject = ?1) AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?2",
            (subject, limit, before),
        )
        return [
            Deed(at=at, person=person, action=action, subject=about, details=details, number=number)
            for at, person, action, about, details, number in found
        ]

    return await store.do(read)


async def own(store: Store, campaign: str, person: str) -> None:
    """From now on the campaign is this person's."""
    row = (campaign, person, time.time())
    await store.do(lambda db: db.execute("INSERT OR REPLACE INTO owners (campaign, person, at) VALUES (?, ?, ?)", row).fetchall())


async def owner_of(store: Store, campaign: str) -> str:
    """Whose the campaign is; empty if a command or a job began it."""
    found = await store.do(lambda db: db.execute("SELECT person FROM owners WHERE campaign = ?", (campaign,)).fetchall())
    return str(found[0][0]) if found else ""
