"""Checks results that are to be sent as a campaign of their own: they may be those of one that this ledger may still send."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from campaign.app.lists.list_source import CheckedList, ListSource
from campaign.app.results.comparison import outcome_columns, shares_attempt, tried_rows
from campaign.app.results.places import is_list
from campaign.app.session import Session
from campaign.domain.errors import UsageError
from campaign.domain.lists.locations import place_of
from campaign.domain.lists.outcomes import read_outcome, row_number
from campaign.domain.lists.sheet import place as row_in_words
from campaign.domain.model import RESULT_COLUMNS
from campaign.domain.row_state import is_overtaken, may_be_older
from campaign.domain.status import ENDED, Status
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.insights import command_line
from campaign.ledger.port import CampaignRecord, DesiredState, LedgerReader
from campaign.reporter.files.target import failed_path

if TYPE_CHECKING:
    import pandas as pd

_MOST_TRIED: Final = 1_000
"""How many rows of results show by their attempts whose they are."""


def check_whose_results(work: Session, given: CheckedList, source: ListSource) -> None:
    """Check that results which are to be sent as a campaign of their own are not those of one that this ledger may still send.

    Their attempts show whose they are, whatever name they or the command give.
    """
    owners = campaigns_of(given.table.frames(), work.reader, given.results_of)
    if not owners and work.settings.name is None:
        owners = _written_to(source, work.reader)
    for record in owners:
        if _sends_the_same(given, record) and (problem := _problem(work, given, source, record)):
            code, why = problem
            own = sanitize_for_terminal(record.spec.name)
            raise UsageError(f"{source} holds results of this ledger's campaign “{own}”, {why}", code=code, campaign=record.spec.name)


def _problem(work: Session, given: CheckedList, source: ListSource, record: CampaignRecord) -> tuple[str, str] | None:
    """Why results of a campaign can't be sent as another one, with a code; None if they can."""
    name, ledger = record.spec.name, work.settings.ledger_to_name
    own, told, other = map(sanitize_for_terminal, (name, given.results_of, given.spec.name))
    twice = f"rows would be sent as “{own}” and as “{other}”. Nothing was sent."
    if work.settings.name is None:
        again = command_line("retry", name, "--rows", str(source), ledger=ledger)
        return "campaign_renamed", (
            f"but its delivery_campaign says “{told}”: {twice} A spreadsheet may have changed it: write “{own}” there again, or keep "
            f"results as .xlsx, where it stays. If the file was run under another name before, give that --name again. To send the failed "
            f"rows that the file names, as they are in the ledger: {again}"
        )
    is_cancelled = record.desired_state is DesiredState.CANCELLED
    if not is_cancelled and not work.reader.pending_work(record.id).finished:
        again, end = command_line("resume", name, ledger=ledger), command_line("cancel", name, ledger=ledger)
        return "campaign_goes_on", (
            f"of which rows are left: {twice} To send them: {again}. To send them as another campaign, copy this file, end this one "
            f"({end}), and run the copy."
        )
    if (overtaken := overtaken_row(given.table.frames(), work.reader, record)) is not None:
        row, status = overtaken
        where, newest = row_in_words(row, record.spec.lines.of(row)), command_line("report", name, "--output", "FILE", ledger=ledger)
        return "results_overtaken", (
            f"but older ones: {where} is {status.info.label} there, and was sent since: {twice} The newest results: {newest}. If the file "
            "is another ledger's, go on from it with a new ledger, given with --ledger."
        )
    if not is_cancelled and has_rows_to_send(given.table.frames()):
        again = command_line("retry", str(source), ledger=ledger)
        return "campaign_goes_on", f"of which rows may be sent again: {twice} To do so: {again}"
    return None


def _sends_the_same(given: CheckedList, record: CampaignRecord) -> bool:
    """Whether a file of results has the messages of its campaign, and not other ones."""
    return given.messages is None or record.spec.message_sha256 in given.same_messages


def _written_to(source: ListSource, reader: LedgerReader) -> list[CampaignRecord]:
    """The campaigns that write their results to this file."""

    def writes_it(record: CampaignRecord) -> bool:
        own = record.spec.settings.get("results", "")
        return bool(own) and any(is_list(place, source) for place in (place_of(own), failed_path(place_of(own))))

    return list(filter(writes_it, reader.campaigns()))


def campaigns_of(frames: "Iterable[pd.DataFrame]", reader: LedgerReader, name: str) -> list[CampaignRecord]:
    """The campaigns of this ledger whose results these are, whatever they name, or that went on from them.

    Only their attempts show it. Without any, or if they may be earlier ones, it is the campaign of the `name` that they give.
    """
    whole = [one for one in reader.campaigns() if one.desired_state is not DesiredState.STAGING]
    named = [one for one in whole if one.spec.name == name]
    for frame in frames:
        tried = frame[~frame["delivery_attempts"].isin(["", "0"])][list(RESULT_COLUMNS)].head(_MOST_TRIED).to_dict("records")
        if tried:
            found = [one for one in whole if shares_attempt(tried, reader, one)]
            return found or [one for one in named if _may_be_older(tried, reader, one)]
    return named


def _may_be_older(rows: Iterable[Mapping[str, str]], reader: LedgerReader, record: CampaignRecord) -> bool:
    """Whether rows of results may be an earlier state of the campaign's."""
    in_file = tried_rows(rows)
    known = reader.row_states(record.id, list(in_file))
    return 0 < len(in_file) == len(known) and all(may_be_older(in_file[one.row], one) for one in known)


def has_rows_to_send(frames: "Iterable[pd.DataFrame]") -> bool:
    """Whether results have rows that are sent with them, or by a `retry`."""
    return any(not frame["delivery_status"].isin(list(ENDED)).all() for frame in frames)


def overtaken_row(frames: "Iterable[pd.DataFrame]", reader: LedgerReader, record: CampaignRecord) -> tuple[int, Status] | None:
    """The first row that the ledger has sent since results were written, and its status there; None if there is none."""
    for frame in frames:
        rows = outcome_columns(frame)
        rows = rows[~rows["delivery_status"].isin(list(ENDED))]
        numbers = [row_number(text) for text in rows["delivery_row"]]
        known = {one.row: one for one in reader.row_states(record.id, numbers)}
        for number, row in zip(numbers, rows.to_dict("records"), strict=True):
            outcome = read_outcome(row)
            if number in known and is_overtaken(outcome, known[number]):
                return number, outcome.status
    return None
