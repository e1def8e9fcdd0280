"""Whose a campaign is, and what a person may do with it."""

from dataclasses import dataclass

from aiohttp import web

from campaign.console.access import Person, Role, may_steer, person_of
from campaign.console.addresses import campaign_in
from campaign.console.campaigns.shown import Shown
from campaign.console.campaigns.watching import watching_of
from campaign.console.console import console_of
from campaign.console.store import Store
from campaign.console.trail import owner_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A campaign that somebody asks about; `whole` is that they may steer it, and read all of it."""

    shown: Shown
    name: str
    owner: str
    person: Person
    whole: bool


async def asked_about(request: web.Request) -> Asked:
    """The campaign of the address.

    Raises:
        HTTPNotFound: there is none.
    """
    name = campaign_in(request)
    seen = await watching_of(request).looking.campaign(name)
    if seen is None:
        raise web.HTTPNotFound(text=console_of(request).pages.text("campaigns.one.missing"))
    owner, person = await owner_of(console_of(request).store, name), person_of(request)
    return Asked(shown=Shown(seen), name=name, owner=owner, person=person, whole=may_steer(person, owner))


async def own(request: web.Request) -> Asked:
    """The same, for those who may steer it.

    Raises:
        HTTPForbidden: it is another's.
    """
    asked = await asked_about(request)
    if not asked.whole:
        raise web.HTTPForbidden(text=console_of(request).pages.text("campaigns.one.not_yours"))
    return asked


async def owners(store: Store) -> dict[str, str]:
    """Whose each campaign is; those that a command or a job began are not in it."""
    found = await store.do(lambda db: db.execute("SELECT campaign, person FROM owners").fetchall())
    return {str(campaign): str(person) for campaign, person in found}


def check_size(request: web.Request, asked: Asked, messages: int) -> None:
    """That this many recipients need no second person, or that whoever asks is one: an approver whose own campaign it is not.

    Raises:
        HTTPForbidden: an approver has to do it, another than its owner.
    """
    console, person = console_of(request), asked.person
    most = console.rules.approval_over
    if most is not None and messages > most and (person.role < Role.APPROVER or person.name == asked.owner):
        raise web.HTTPForbidden(text=console.pages.text("campaigns.one.needs_approver", count=f"{messages:,}", most=f"{most:,}"))
