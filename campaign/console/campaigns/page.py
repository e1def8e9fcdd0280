"""The page of one campaign: its state, live; its rows by outcome, with advice; the results of its last commands; and its history."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from campaign.app.campaigns import history
from campaign.console.access import Role, allow, can_control
from campaign.console.audit_log import entries, owner_of
from campaign.console.auth.authorization import AUTHENTICATION, is_still_allowed
from campaign.console.campaigns.broadcast import Snapshot, check_is_stream, stream
from campaign.console.campaigns.charts import FRESH_SECONDS
from campaign.console.campaigns.context import context_of, requested_campaign
from campaign.console.campaigns.view_model import ShownCampaign
from campaign.console.console import console_of
from campaign.console.subprocesses import RunningCommand, started_commands
from campaign.domain.model import CampaignState
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.domain.text.reasons import advice

TAIL_BYTES: Final = 65_536
MOST_SENTENCES: Final = 6
_VERBS: Final = {
    "run": "campaigns.verb.run",
    "resume": "campaigns.verb.resume",
    "retry": "campaigns.verb.retry",
    "verify": "campaigns.verb.verify",
    "test": "campaigns.verb.test",
    "cancel": "campaigns.verb.cancel",
}
_SPEAKER: Final = "campaign: "
_SUMMARY: Final = "Campaign "
_BAD: Final = frozenset({1, 2, 4})
"""Exit codes of commands that failed. A pause, a closed window or a Ctrl-C shows in the campaign's state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """`exit_code` is None for a command that runs, or was killed. `sentences` are its last ones; only for those who may read everything."""

    launch: RunningCommand
    running: bool
    exit_code: int | None
    sentences: tuple[str, ...]

    @property
    def verb_text(self) -> str:
        """The key of the command's name on pages."""
        return _VERBS[self.launch.verb]

    @property
    def failed(self) -> bool:
        """Whether the command failed or was killed."""
        return self.killed or self.exit_code in _BAD

    @property
    def killed(self) -> bool:
        """Whether the command ended without a word."""
        return not self.running and self.exit_code is None and not self.sentences


def command_result(launch: RunningCommand) -> CommandResult:
    """The result of a command that has ended, or still runs. Call it in a thread, as it reads files."""
    running = launch.running()
    code = None if running else _exit_code(_tail(launch.log))
    said = list(_said([*_tail(launch.said), *_tail(launch.printed)]))
    if not running and code is None and said:
        # Wrong options are reported before there is a log, and nothing was sent.
        code = 2
    return CommandResult(launch=launch, running=running, exit_code=code, sentences=tuple(said[-MOST_SENTENCES:]))


def _exit_code(lines: Iterable[str]) -> int | None:
    code = None
    for line in lines:
        try:
            event: Any = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict) and event.get("event") in {"run_ended", "run_broke_off"} and isinstance(event.get("exit_code"), int):
            code = event["exit_code"]
    return code


def _said(lines: Iterable[str]) -> Iterator[str]:
    """A command's sentences about problems and about what it did not do, without its summary, which the page shows itself."""
    summary = False
    for line in lines:
        # The summary begins with the campaign's name, and lasts to the end.
        summary = summary or line.startswith(_SUMMARY)
        if line.startswith(_SPEAKER):
            yield sanitize_for_terminal(line.removeprefix(_SPEAKER)).strip()
        elif line.strip() and not summary:
            yield sanitize_for_terminal(line).strip()


def _tail(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - TAIL_BYTES))
            return opened.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


AT_REST_SECONDS: Final = 2.0
SHOWN_LAUNCHES: Final = 3
LATELY_SECONDS: Final = 86_400.0
"""How long the page shows the result of a command."""
TABLE_ROWS: Final = 12
ENTRIES: Final = 50


@allow(Role.VIEWER)
async def one_campaign(request: web.Request) -> web.StreamResponse:
    asked = await requested_campaign(request)
    console, context = console_of(request), context_of(request)
    values = await _parts(request, asked.name)
    past = await context.ledger.run(lambda settings: history(asked.name, settings))
    drawn = await context.charts.soon(asked.shown.view.record, resting=not asked.shown.at_work)
    return console.pages.respond(
        "campaigns/one.html",
        request,
        **values,
        whole=asked.whole,
        owner=asked.owner,
        history=past,
        entries=await entries(console.store, asked.name, limit=ENTRIES),
        table=drawn.timeline.coarser(TABLE_ROWS) if drawn is not None and drawn.timeline.total else None,
    )


@allow(Role.VIEWER)
async def live(request: web.Request) -> web.StreamResponse:
    # A missing campaign is reported before a stream begins.
    asked = await requested_campaign(request)
    check_is_stream(request, asked.shown.page)
    name = asked.name
    pages = console_of(request).pages

    async def look() -> Snapshot:
        values = await _parts(request, name)
        shown: ShownCampaign = values["shown"]
        return Snapshot(
            whole=pages.part("campaigns/one_part.html", **values, whole=True),
            counts=pages.part("campaigns/one_part.html", **values, whole=False),
            over=not values["live"],
            state_key=values["state_key"],
            rest_seconds=1.0 if shown.at_work or values["working"] else AT_REST_SECONDS,
        )

    async def reads() -> bool | None:
        person = await request.app[AUTHENTICATION].person(request) if await is_still_allowed(request) else None
        return None if person is None else can_control(person, await owner_of(console_of(request).store, name))

    return await stream(request, f"campaign {name}", look, reads)


async def _parts(request: web.Request, name: str) -> dict[str, Any]:
    """The values of the page's live part; `live`: it may change by itself."""
    console, context = console_of(request), context_of(request)
    known = await started_commands(console, name)
    shown = ShownCampaign(await context.ledger.found(name))
    outcomes = await asyncio.to_thread(_results, known)
    working = [found for found in outcomes if found.running]
    return {
        "shown": shown,
        # A process that sends is shown by the campaign's state.
        "working": [found for found in working if found.launch.verb == "cancel" or not shown.at_work],
        "state_key": f"{shown.state} {len(working)}",
        "failures": [found for found in outcomes[:1] if found.failed],
        "notes": [found for found in outcomes[:1] if not found.running and not found.failed and found.sentences],
        "live": bool(working) or not shown.ended,
        "advice": partial(advice, cancelled=shown.view.state is CampaignState.CANCELLED),
        "chart": int(time.time() / FRESH_SECONDS) if shown.at_work else shown.done,
    }


def _results(known: list[Any]) -> list[CommandResult]:
    since = time.time() - LATELY_SECONDS
    return [command_result(launch) for launch in known[:SHOWN_LAUNCHES] if launch.at > since]


def routes() -> list[web.RouteDef]:
    return [web.get("/campaigns/{name}", one_campaign), web.get("/campaigns/{name}/live", live)]
