"""The sixth step: sends the message of one row to the person's own pass, with the command that a person would give."""

import asyncio
import json
import time
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp import web

from campaign.console import audit_log
from campaign.console.access import Person, Role, allow, person_of
from campaign.console.console import console_of
from campaign.console.drafts import wizard
from campaign.console.drafts.context import DraftContext, context_of, draft_of
from campaign.console.drafts.draft import Decision, Draft, Stage
from campaign.console.drafts.inspection import without_paths
from campaign.console.drafts.sending import message_options, output_of
from campaign.console.drafts.wizard import Step
from campaign.console.subprocesses import CommandSpec, RunningCommand, start_command
from campaign.domain.errors import CampaignError, UsageError
from campaign.domain.lists.pass_ids import check_pass_id
from campaign.domain.status import Status
from campaign.domain.text.reasons import reason_in_words

MOST_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.1
MOST_OF_A_PERSON: Final = 40
"""Tests of one person in a day. Without a limit, tests could reach everybody without approval."""

DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """The result of a test. `status` is that of the message; None if there is only a `sentence`, or nothing is known yet."""

    status: Status | None
    sentence: str = ""


async def send_test(context: DraftContext, draft: Draft, person: Person, *, to: str, row: int | None) -> TestResult:
    """Send a test, and wait for its result, at most MOST_SECONDS.

    Raises:
        UsageError: this person has sent too many tests in a day.
    """
    options = (
        *message_options(context, draft),
        f"--to={to}",
        *(() if row is None else (f"--row={row}",)),
        "--yes",
        "--json",
        f"--timeout={MOST_SECONDS / 2:.0f}s",
    )
    spec = CommandSpec(verb="test", arguments=(str(context.list_path(draft)),), options=options)
    action = context.console.pages.text("drafts.action.test")
    # Recorded first, so that concurrent tests of several drafts count, too.
    if not await audit_log.record_if_few(
        context.console.store, person.name, action, draft.name, most=MOST_OF_A_PERSON, seconds=DAY_SECONDS
    ):
        raise UsageError(context.console.pages.text("drafts.test.too_many", most=MOST_OF_A_PERSON), code="too_many_tests")
    command = await start_command(context.console, spec, campaign=f"test of {draft.id}", person=person.name)
    for _ in range(int(MOST_SECONDS / LOOK_SECONDS)):
        if not await asyncio.to_thread(command.running):
            break
        await asyncio.sleep(LOOK_SECONDS)
    else:
        return TestResult(status=None)
    answer = await asyncio.to_thread(_answer, command)
    if answer is None:
        text = await asyncio.to_thread(output_of, command)
        return TestResult(status=None, sentence=without_paths(text, context.names(draft)))
    await audit_log.set_owner(context.console.store, str(answer["campaign"]), person.name)
    status = next((Status(name) for name, count in answer["by_status"].items() if count), None)
    reasons = {**answer["failed_by_reason"], **answer["skipped_by_reason"]}
    return TestResult(status=status, sentence="; ".join(map(reason_in_words, reasons)))


def _answer(command: RunningCommand) -> dict[str, Any] | None:
    """The JSON object that the command printed; None if it printed none."""
    try:
        found: dict[str, Any] = json.loads(command.printed.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    return await wizard.show(request, Step.TEST, draft, **_values(draft))


@allow(Role.SENDER)
async def send(request: web.Request) -> web.StreamResponse:
    """Send a test, and show its result. A reload sends another test, as the person then asks for."""
    draft = await draft_of(request)
    await wizard.looked_at(request, draft, Step.TEST)
    form = await wizard.form_of(request)
    row = wizard.whole(given_row) if (given_row := form.get("row", "").strip()) else None
    to, wrong, sentence = check_pass_id(form.get("to", "").strip())
    text = console_of(request).pages.text
    problem = ""
    if draft.stage not in {Stage.EDITING, Stage.WAITING}:
        problem = text("drafts.test.over")
    elif wrong is not None:
        problem = sentence if to else text("drafts.test.no_pass")
    elif given_row and row is None:
        problem = text("drafts.test.no_row")
    elif draft.id in context_of(request).testing:
        problem = text("drafts.test.under_way")
    if problem:
        return await wizard.show(
            request, Step.TEST, draft, status=422, **(_values(draft) | {"to": to, "row": given_row, "problem": problem})
        )
    person = person_of(request)
    context_of(request).testing.add(draft.id)
    try:
        tried = await send_test(context_of(request), draft, person, to=to, row=row)
    except CampaignError as error:
        tried = TestResult(status=None, sentence=str(error))
    finally:
        context_of(request).testing.discard(draft.id)
    mark = Decision(by=person.name, at=time.time(), content=draft.checkable, note=tried.status.value if tried.status is not None else "")
    changed = await wizard.apply(context_of(request), draft, lambda found: _noted(found, mark, to))
    return await wizard.show(request, Step.TEST, changed, **(_values(changed) | {"row": given_row, "tried": tried, "to": to}))


def _noted(draft: Draft, mark: Decision, to: str) -> Draft:
    """The draft with the test's result; its content stays the same."""
    return replace(draft, tested=mark, own_pass=to)


def _values(draft: Draft) -> dict[str, Any]:
    return {
        "to": draft.own_pass,
        "row": "",
        "problem": "",
        "tried": None,
        "Status": Status,
        "was_good": draft.test_arrived,
    }
