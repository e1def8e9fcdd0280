"""Parses a page of the list of an organisation's passes, `GET /api/v1/passes?page=N`. Pure; no bytes make it raise.

The vendor's documentation shows no such answer. These assumptions are checked on every page; a page that does not fit is not used:

- `data` is a list of the objects that Show Pass returns, each with `id`, `attributes.status` and `attributes.extId` (null if it has none).
- `meta.currentPage` and `meta.totalPages` are as in the vendor's list of batches; `page` counts from 1.
- Only the last page may be empty. How many passes a page has does not matter, as long as the answer stays below 256 KiB.
- A pass may be missing, as when others are created while pages are read: a pass that is on no page is read by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from campaign.domain.reach import Reach, reach_of_status
from campaign.sender.api.responses import is_cached, parse_json, retry_after_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPage:
    """`passes` has the ids of each pass, and its reach.

    The external id is left out unless the pass is in a wallet: only among active passes it is unique, so another pass may have it, too.
    """

    passes: tuple[tuple[tuple[str, ...], Reach], ...]
    total_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReading:
    """The result of one GET of a page.

    `misfit` is a clause that says why the answer is not used; empty if there is a page, or if the request may be repeated. `cause` is as in
    `domain.verdict.Fault` if no answer came.
    """

    page: PassPage | None = None
    http_status: int | None = None
    misfit: str = ""
    cause: str = ""
    retry_after_seconds: float | None = None


def read_page(number: int, *, http_status: int, headers: Mapping[str, str], body: bytes, whole: bool, now: float) -> PageReading:
    """The content of page `number`; arguments as for `responses.read_reply`."""
    if http_status != 200:
        misfit = f"it was answered {http_status}" if 300 <= http_status < 500 and http_status != 429 else ""
        return PageReading(http_status=http_status, misfit=misfit, retry_after_seconds=retry_after_seconds(headers, now=now))
    if is_cached(headers):
        return PageReading(http_status=200, misfit="the answer comes from a cache")
    page = _page_of(parse_json(body) if whole else None, number)
    return PageReading(page=page, http_status=200, misfit="" if page is not None else "the answer has another form than expected")


def _page_of(document: Any, number: int) -> PassPage | None:
    match document:
        case {"data": list() as rows, "meta": {"currentPage": int() as current, "totalPages": int() as total}} if current == number:
            passes = tuple(found for row in rows if (found := _pass_of(row)) is not None)
            fits = len(passes) == len(rows) and (passes or number >= total)
            return PassPage(passes=passes, total_pages=total) if fits else None
        case _:
            return None


def _pass_of(row: Any) -> tuple[tuple[str, ...], Reach] | None:
    match row:
        case {"id": str() as own, "attributes": {"status": str() as status, "extId": str() | None as external}}:
            reach = reach_of_status(status)
            return (own, external) if external and reach is Reach.IN_WALLET else (own,), reach
        case _:
            return None
