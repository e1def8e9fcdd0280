"""The audit log: who did what to which campaign; the owner of each campaign; and the page of the log."""

import time
from dataclasses import dataclass
from typing import Any, Final

import apsw
from aiohttp import web

from campaign.console.access import Role, allow
from campaign.console.console import console_of
from campaign.console.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """`at` is Unix seconds; `subject` is the name of a campaign, draft or user; `number` grows with each entry."""

    at: float
    person: str
    action: str
    subject: str
    details: str
    number: int = 0


async def record(store: Store, person: str, action: str, subject: str = "", details: str = "") -> None:
    """Record an action of a person; never with a secret or a recipient's message."""
    row = (time.time(), person, action, subject, details)
    await store.do(lambda db: db.execute("INSERT INTO audit (at, person, action, subject, details) VALUES (?, ?, ?, ?, ?)", row).fetchall())


async def record_if_few(store: Store, person: str, action: str, subject: str, *, most: int, seconds: float) -> bool:
    """Record an action, unless the person has done it `most` times in the last `seconds`; returns whether it was recorded."""
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


async def entries(store: Store, subject: str | None = None, *, limit: int = 200, before: int | None = None) -> list[AuditEntry]:
    """The entries, newest first; of one subject, or of all. With `before`, only entries with lower numbers."""

    def read(db: apsw.Connection) -> list[AuditEntry]:
        found = db.execute(
            "SELECT at, person, action, subject, details, id FROM audit"
            " WHERE (?1 IS NULL OR subject = ?1) AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?2",
            (subject, limit, before),
        )
        return [
            AuditEntry(at=at, person=person, action=action, subject=about, details=details, number=number)
            for at, person, action, about, details, number in found
        ]

    return await store.do(read)


async def set_owner(store: Store, campaign: str, person: str) -> None:
    row = (campaign, person, time.time())
    await store.do(lambda db: db.execute("INSERT OR REPLACE INTO owners (campaign, person, at) VALUES (?, ?, ?)", row).fetchall())


async def owner_of(store: Store, campaign: str) -> str:
    """The owner of a campaign; empty if a command or a job began it."""
    found = await store.do(lambda db: db.execute("SELECT person FROM owners WHERE campaign = ?", (campaign,)).fetchall())
    return str(found[0][0]) if found else ""


A_PAGE: Final = 100


@allow(Role.APPROVER)
async def audit_page(request: web.Request) -> web.StreamResponse:
    console, given = console_of(request), request.query.get("before", "")
    before = int(given) if given.isdecimal() and given.isascii() and len(given) < 19 else None
    found = await entries(console.store, limit=A_PAGE + 1, before=before)
    older = found[A_PAGE - 1].number if len(found) > A_PAGE else None
    return console.pages.respond("audit_log.html", request, entries=found[:A_PAGE], older=older, newest=before is None)


def routes() -> list[web.RouteDef]:
    return [web.get("/trail", audit_page)]
