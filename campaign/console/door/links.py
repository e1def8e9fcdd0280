"""Another one-time link for a console that runs."""

import time

from campaign.console.door import users
from campaign.console.door.sessions import make_link
from campaign.console.store import Store
from campaign.domain.errors import UsageError


async def another_link(store: Store) -> str:
    """The address that lets one browser in, once.

    Raises:
        UsageError: this console has users, or was never served for this machine alone.
    """
    if await users.everyone(store):
        raise UsageError("This console has users: they log in with their passwords. campaign user password changes one.", code="has_users")
    rows = await store.do(lambda db: db.execute("SELECT url FROM served WHERE url <> ''").fetchall())
    if not rows:
        raise UsageError("No console was served from this folder for this machine alone. Start one: campaign serve", code="not_served")
    return await make_link(store, str(rows[0][0]), time.time())
