"""Sends failed rows again: choose them, see how many they are, and start the command that a person would give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from campaign.console.access import Role, allow
from campaign.console.campaigns.context import RequestedCampaign, check_possible, check_size, context_of, controlled_campaign, token_note
from campaign.console.campaigns.control import start
from campaign.console.console import console_of
from campaign.console.subprocesses import CommandSpec
from campaign.domain.errors import UsageError
from campaign.domain.retry_selection import Selection, is_http_status
from campaign.domain.status import RETRYABLE, Status
from campaign.domain.text.lines import either


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Rows with one status, some reasons (none: all), and some HTTP statuses (none: all)."""

    status: Status
    reasons: tuple[str, ...]
    http_statuses: tuple[int, ...]

    @property
    def options(self) -> tuple[str, ...]:
        """The options of `campaign retry`."""
        reasons = [f"--reason={reason}" for reason in self.reasons]
        return (f"--status={self.status.value}", *reasons, *(f"--http-status={code}" for code in self.http_statuses))

    @property
    def selection(self) -> Selection:
        return Selection(statuses=frozenset({self.status}), reasons=frozenset(self.reasons), http_statuses=frozenset(self.http_statuses))

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields of the form for the same selection."""
        reasons = [(f"reason-{self.status.value}", reason) for reason in self.reasons]
        return [("status", self.status.value), *reasons, ("http", " ".join(map(str, self.http_statuses)))]


@allow(Role.SENDER)
async def choose(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    check_possible(request, possible=asked.shown.may_rerun)
    wanted = request.query.get("status", "")
    groups = [group for group in asked.shown.groups if group.status in RETRYABLE]
    wanted = wanted if wanted in {group.status for group in groups} else groups[0].status if groups else ""
    invalid = asked.shown.view.counts.by_status.get(Status.INVALID, 0)
    return console_of(request).pages.respond(
        "campaigns/again.html", request, shown=asked.shown, groups=groups, wanted=wanted, invalid=invalid
    )


@allow(Role.SENDER)
async def ask(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    check_possible(request, possible=asked.shown.may_rerun)
    chosen = _chosen(request, asked, request.query)
    count, is_open = await _count(request, asked, chosen), asked.shown.view.record.retry_is_open
    if not count and not is_open:
        raise UsageError(console_of(request).pages.text("campaigns.again.none"), code="nothing_to_retry")
    others = asked.shown.view.counts.open
    return console_of(request).pages.respond(
        "campaigns/again_sure.html",
        request,
        shown=asked.shown,
        chosen=chosen,
        count=count,
        others=others,
        is_open=is_open,
        token_note=token_note(request, asked),
    )


@allow(Role.SENDER)
async def send(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    check_possible(request, possible=asked.shown.may_rerun)
    form = await request.post()
    chosen = _chosen(request, asked, form)
    pages = console_of(request).pages
    if chosen.status is Status.UNKNOWN and form.get("twice") != "yes":
        raise UsageError(pages.text("campaigns.again.say_twice"), code="twice_not_agreed")
    count = await _count(request, asked, chosen)
    check_size(request, asked, count + asked.shown.view.counts.open)
    spec = CommandSpec(verb="retry", arguments=(asked.name,), options=("--yes", *chosen.options))
    return await start(request, asked, spec, action="campaigns.action.again", details=f"{chosen.selection.in_words()}: {count:,}")


async def _count(request: web.Request, asked: RequestedCampaign, chosen: Chosen) -> int:
    return await context_of(request).ledger.ask(lambda reader: reader.matching(asked.shown.view.record.id, chosen.selection))


def _chosen(request: web.Request, asked: RequestedCampaign, form: "MultiMapping[Any]") -> Chosen:
    text = console_of(request).pages.text
    status = form.get("status")
    if status not in RETRYABLE:
        statuses = either([status.info.label for status in sorted(RETRYABLE)])
        raise UsageError(text("campaigns.again.no_status", statuses=statuses), code="no_status")
    known = [reason for reason in asked.shown.view.counts.reasons(Status(status)) if reason]
    given = [reason for reason in form.getall(f"reason-{status}", []) if isinstance(reason, str)]
    if any(reason not in known for reason in given):
        raise UsageError(text("campaigns.again.no_reason"), code="no_reason")
    return Chosen(status=Status(status), reasons=_reasons(given, known), http_statuses=_codes(request, form.get("http", "")))


def _reasons(given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The reasons for the command; none if all are chosen, which also selects rows without a reason. The command splits them at commas."""
    return () if set(given) == set(known) else tuple(reason for reason in given if "," not in reason)


def _codes(request: web.Request, given: object) -> tuple[int, ...]:
    words = given.replace(",", " ").split() if isinstance(given, str) else []
    if odd := [word for word in words if not is_http_status(word)]:
        raise UsageError(console_of(request).pages.text("campaigns.again.odd_code", code=odd[0][:20]), code="bad_http_status")
    return tuple(map(int, words))


def routes() -> list[web.RouteDef]:
    return [
        web.get("/campaigns/{name}/again", choose),
        web.get("/campaigns/{name}/again/sure", ask),
        web.post("/campaigns/{name}/again", send),
    ]
