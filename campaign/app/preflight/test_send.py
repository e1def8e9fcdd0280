"""`test`: sends one row's message to one's own pass, as a separate campaign."""

import asyncio
import shlex
import time
from dataclasses import replace
from itertools import count
from typing import Final

from campaign.app.lists.list_source import CheckedList, find_list, opened, with_some_name
from campaign.app.open_ledger import find
from campaign.app.run import in_thread
from campaign.app.sending.access import check_access
from campaign.app.sending.batches import check_batch_settings
from campaign.app.session import CommandResult, UserInterface, session
from campaign.domain.errors import CampaignError, InputError, UsageError
from campaign.domain.lists.pass_ids import check_pass_id, pass_key
from campaign.domain.lists.sheet import place
from campaign.domain.model import Invalid, Outcome, StagedRow
from campaign.domain.status import Status
from campaign.domain.text.lines import capitalized
from campaign.domain.text.reasons import reason_in_words
from campaign.ledger.port import LedgerReader
from campaign.settings import Settings

_AT_ONCE: Final = dict.fromkeys(("window", "start_at", "not_after", "sample", "canary", "limit")) | {
    "daily_cap": 0,
    "only_reachable": False,
}
"""Settings that delay a campaign or skip passes. They do not apply to a test, as somebody is waiting for the message."""

_ABOUT_THE_ID: Final = frozenset({Invalid.NO_ID, Invalid.MANGLED_ID, Invalid.BAD_ID})


async def send_test(
    source: str, to: str, settings: Settings, ui: UserInterface, *, row: int | None = None, line: int | None = None
) -> CommandResult:
    """Send the message of one row of the list to one's own pass.

    The row is given by its number, or by its line in the sheet; without both it is the first row with a message.

    Raises:
        UsageError: `to` is no pass id, or row and line are both given.
        InputError: the row has no message, or no row has one.
    """
    stop = ui.listen()
    check_access(settings)
    check_batch_settings(settings)
    if row and line:
        raise UsageError("--row and --line each say whose message is sent. Give one of them.", code="row_and_line", option="--line")
    pass_id = own_pass(to)
    found = find_list(source, settings)
    settings = with_some_name(found, settings)
    async with in_thread(opened(found, settings), stop) as given:
        chosen = await asyncio.to_thread(_chosen, given, _row_on(given, line) if line else row)
        staged = StagedRow(row=1, pass_id=pass_id, pass_key=pass_key(pass_id), message=chosen.message, cells=chosen.cells)
        async with session(settings.model_copy(update=_AT_ONCE), ui, stop) as work:
            name = _free_name(work.reader, f"{given.spec.name} test {time.strftime('%Y-%m-%d %H:%M:%S')}")
            record = await work.ledger.create(replace(given.spec, name=name, settings={"results": "", "rate": "9"}, lines_text=""))
            await work.ledger.stage(record.id, [staged])
            await work.ledger.finish_staging(record.id, content_sha256="")
            record = find(work.reader, name)
            try:
                work.ask(record, 1, frozenset({Status.PENDING}), to=pass_id, instead=shlex.join(["campaign", *ui.words]))
            except CampaignError:
                await work.ledger.delete_if_unsent(record.id)
                raise
            finished = await work.send(record, None)
            became = next(iter(work.reader.rows(record.id))).outcome
            return replace(finished, note=_in_words(became, of=place(chosen.row, given.table.lines.of(chosen.row)), pass_id=pass_id))


def own_pass(to: str) -> str:
    """The pass id of `--to`; raises UsageError if it can't be one."""
    pass_id, problem, sentence = check_pass_id(to)
    if problem is not None:
        why = f"--to: {sentence}" if pass_id else "--to names no pass. Give the id of a pass of yours."
        raise UsageError(why, code="bad_value", option="--to")
    return pass_id


def _row_on(given: CheckedList, line: int) -> int:
    lines = given.table.lines
    if (row := lines.row_on(line)) is None or row > given.table.rows:
        ends = lines.of_all([1, given.table.rows])
        why = f"Its rows are on lines {ends[0]} to {ends[1]}." if ends else "Its lines are not known: say which row with --row."
        raise InputError(f"There is no row on line {line}. {why}", file=given.table.name, code="no_row", line=line)
    return row


def _chosen(given: CheckedList, row: int | None) -> StagedRow:
    """The row whose message is sent: the given one, or the first with a message.

    The row may have an invalid pass id, and any status if the list is a results file.
    """
    batches = given.stager().batches(given.table.frames())
    found = next((found for batch in batches for found in batch if (found.row == row if row else _has_message(found))), None)
    if found is None:
        why = f"There is no row {row}; it has {given.table.rows:,}." if row else "None of its rows has a message that can be sent."
    elif _has_message(found):
        return found
    else:
        where = place(found.row, given.table.lines.of(found.row))
        why = f"{capitalized(where)}: {found.outcome.error or 'It has no message.'}"
    raise InputError(f"It has no message to test with. {why}", file=given.table.name, code="no_message")


def _has_message(found: StagedRow) -> bool:
    return bool(found.message) and (found.outcome.status is not Status.INVALID or found.outcome.reason in _ABOUT_THE_ID)


def _free_name(reader: LedgerReader, name: str) -> str:
    """The name, or the name with a number if it is taken, as when two tests begin in one second."""
    return next(free for number in count(1) if reader.campaign(free := name if number == 1 else f"{name} ({number})") is None)


def _in_words(became: Outcome, *, of: str, pass_id: str) -> str:
    what = f"The message of {of}"
    why = reason_in_words(became.reason)
    match became.status, became.status.info.on_pass:
        case Status.DELIVERED, _:
            return f"{what} was delivered to the wallet of the pass {pass_id}. Look at the phone."
        case Status.NOT_DELIVERED, _:
            return f"{what} was taken for the pass {pass_id}, but not delivered: {why}. Add the pass to a wallet and test again."
        case _, True:
            return f"{what} is on the pass {pass_id}; whether its phone showed it is not known. Look at the phone."
        case _, None:
            return f"{what} may have reached the pass {pass_id}: {why}. Look at the phone."
        case status, _ if status.info.needs_attention:
            return f"{what} was not taken for the pass {pass_id}: {why}. Correct that and test again."
        case _:
            return f"{what} was not sent to the pass {pass_id}."
