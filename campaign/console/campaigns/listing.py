"""All campaigns of the ledger, including those that jobs and commands began: newest first, with a search, a page at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from campaign.console.access import Role, allow
from campaign.console.auth.authorization import is_still_allowed
from campaign.console.campaigns.broadcast import Snapshot, check_is_stream, stream
from campaign.console.campaigns.context import context_of, owners
from campaign.console.campaigns.ledger_reads import LedgerReads
from campaign.console.campaigns.view_model import ShownCampaign
from campaign.console.console import console_of
from campaign.domain.lists.query import list_title
from campaign.ledger.port import CampaignRecord, LedgerReader

A_PAGE: Final = 20
AT_REST_SECONDS: Final = 2.0
_LONGEST_WORDS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A search: campaigns with all of these words in name, list or owner. `page` counts from 1."""

    words: str = ""
    page: int = 1

    @classmethod
    def of(cls, request: web.Request) -> "Asked":
        page = request.query.get("page", "")
        words = " ".join(request.query.get("words", "")[:_LONGEST_WORDS].split())
        return cls(words=words, page=int(page) if page.isascii() and page.isdecimal() and 0 < len(page) < 7 and int(page) else 1)

    def takes(self, record: CampaignRecord, owner: str) -> bool:
        text = f"{record.spec.name}\n{list_title(record.spec.list_name)}\n{owner}".casefold()
        return all(word in text for word in self.words.casefold().split())

    def query(self, page: int | None = None) -> str:
        """The query string with its question mark, for this page or a given one; empty for the first page without words."""
        page = self.page if page is None else page
        given = {"words": self.words} if self.words else {}
        return f"?{urlencode(given | ({'page': str(page)} if page > 1 else {}))}".rstrip("?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One page of the list. `found` counts the matches on all pages, `known` all campaigns of the ledger."""

    asked: Asked
    campaigns: tuple[tuple[ShownCampaign, str], ...]
    found: int
    known: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.found // A_PAGE))

    @property
    def before(self) -> str | None:
        """The query of the previous page; None on the first."""
        return self.asked.query(self.asked.page - 1) if self.asked.page > 1 else None

    @property
    def after(self) -> str | None:
        return self.asked.query(self.asked.page + 1) if self.asked.page < self.pages else None


@allow(Role.VIEWER)
async def all_campaigns(request: web.Request) -> web.StreamResponse:
    asked = Asked.of(request)
    return console_of(request).pages.respond("campaigns/list.html", request, listed=await _listed(request, asked))


@allow(Role.VIEWER)
async def live(request: web.Request) -> web.StreamResponse:
    check_is_stream(request, "/")
    asked = Asked.of(request)

    async def look() -> Snapshot:
        listed = await _listed(request, asked)
        drawn = console_of(request).pages.part("campaigns/list_part.html", listed=listed)
        at_work = any(shown.at_work for shown, _ in listed.campaigns)
        return Snapshot(whole=drawn, counts=drawn, over=False, rest_seconds=1.0 if at_work else AT_REST_SECONDS)

    async def reads() -> bool | None:
        return True if await is_still_allowed(request) else None

    return await stream(request, f"list {asked.page} {asked.words.casefold()}", look, reads)


async def _listed(request: web.Request, asked: Asked) -> Listed:
    whose = await owners(console_of(request).store)
    ledger = context_of(request).ledger
    return await ledger.ask(lambda reader: _read(reader, ledger, asked, whose))


def _read(reader: LedgerReader, ledger: LedgerReads, asked: Asked, whose: Mapping[str, str]) -> Listed:
    known = reader.campaigns()
    found = [record for record in known if asked.takes(record, whose.get(record.spec.name, ""))]
    shown = found[(asked.page - 1) * A_PAGE : asked.page * A_PAGE]
    campaigns = tuple((ShownCampaign(ledger.roughly(reader, record)), whose.get(record.spec.name, "")) for record in shown)
    return Listed(asked=asked, campaigns=campaigns, found=len(found), known=len(known))


def routes() -> list[web.RouteDef]:
    return [web.get("/", all_campaigns), web.get("/live", live)]
