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
    record = campaign_of(given.table.frames(), work.reader, given.results_of)
    if work.settings.name is None:
        record = record or _written_to(source, work.reader)
    if record is None or not _sends_the_same(given, record):
        return
    name, ledger = record.spec.name, work.settings.ledger_to_name
    own, told, other = map(sanitize_for_terminal, (name, given.results_of, given.spec.name))
    twice = f"rows would be sent as “{own}” and as “{other}”. Nothing was sent."
    is_cancelled, has_ended = record.desired_state is DesiredState.CANCELLED, work.reader.pending_work(record.id).finished
    if work.settings.name is None:
        code, again = "campaign_renamed", command_line("retry", name, "--rows", str(source), ledger=ledger)
        why = (
            f"but its delivery_campaign says “{told}”: {twice} A spreadsheet may have changed it: write “{own}” there again, or keep "
            f"results as .xlsx, where it stays. If the file was run under another name before, give that --name again. To send the failed "
            f"rows that the file names, as they are in the ledger: {again}"
        )
    elif not is_cancelled and not has_ended:
        code, again, end = "campaign_goes_on", command_line("resume", name, ledger=ledger), command_line("cancel", name, ledger=ledger)
        why = (
            f"of which rows are left: {twice} To send them: {again}. To send them as another campaign, copy this file, end this one "
            f"({end}), and run the copy."
        )
    elif (overtaken := overtaken_row(given.table.frames(), work.reader, record)) is not None:
        code, newest = "results_overtaken", command_line("report", name, "--output", "FILE", ledger=ledger)
        row, status = overtaken
        where = row_in_words(row, record.spec.lines.of(row))
        why = (
            f"but older ones: {where} is {status.info.label} there, and was sent since: {twice} The newest results: {newest}. If the file "
            "is another ledger's, go on from it with a new ledger, given with --ledger."
        )
    elif not is_cancelled and has_rows_to_send(given.table.frames()):
        code, again = "campaign_goes_on", command_line("retry", str(source), ledger=ledger)
        why = f"of which rows may be sent again: {twice} To do so: {again}"
    else:
        return
    raise UsageError(f"{source} holds results of this ledger's campaign “{own}”, {why}", code=code, campaign=name)


def _sends_the_same(given: CheckedList, record: CampaignRecord) -> bool:
    """Whether a file of results has the messages of its campaign, and not other ones."""
    return given.messages is None or record.spec.message_sha256 in given.same_messages


def _written_to(source: ListSource, reader: LedgerReader) -> CampaignRecord | None:
    """The campaign that writes its results to this file."""
    for record in reader.campaigns():
        own = record.spec.settings.get("results", "")
        if own and any(is_list(place, source) for place in (place_of(own), failed_path(place_of(own)))):
            return record
    return None


def campaign_of(frames: "Iterable[pd.DataFrame]", reader: LedgerReader, name: str) -> CampaignRecord | None:
    """The campaign of this ledger whose results these are, whatever they name; None if there is none.

    Only their attempts show it. Without any, or if they may be earlier ones, it is the campaign of the `name` that they give.
    """
    whole = [one for one in reader.campaigns() if one.desired_state is not DesiredState.STAGING]
    named = next((one for one in whole if one.spec.name == name), None)
    for frame in frames:
        tried = frame[~frame["delivery_attempts"].isin(["", "0"])][list(RESULT_COLUMNS)].head(_MOST_TRIED).to_dict("records")
        if tried:
            others = (one for one in whole if named is None or one.id != named.id)
            found = next((one for one in (named, *others) if one is not None and shares_attempt(tried, reader, one)), None)
            return named if found is None and named is not None and _may_be_older(tried, reader, named) else found
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
