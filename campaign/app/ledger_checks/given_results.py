"""Checks results that are to be sent as a campaign of their own: they may be those of one that this ledger may still send."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from campaign.app.lists.list_source import CheckedList, ListSource
from campaign.app.results.comparison import outcome_columns
from campaign.app.results.places import is_list
from campaign.app.results.sending_marker import RESULTS_OF
from campaign.app.session import Session
from campaign.domain.errors import UsageError
from campaign.domain.lists.locations import place_of
from campaign.domain.lists.near_ids import is_of_a_spreadsheet
from campaign.domain.lists.outcomes import read_outcome, row_number
from campaign.domain.lists.pass_ids import ids_of, pass_key
from campaign.domain.lists.sheet import place as row_in_words
from campaign.domain.model import RESULT_COLUMNS, Outcome, ResultRow
from campaign.domain.row_state import RowState, is_another_attempt, is_overtaken, same_attempt
from campaign.domain.status import ENDED, Status
from campaign.domain.text.formula_escape import unescape_formula
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.domain.verdict import same_text
from campaign.insights import command_line
from campaign.ledger.port import CampaignRecord, DesiredState, LedgerReader
from campaign.reporter.files.target import failed_path

_MOST_COMPARED: Final = 1_000
"""How many rows of results show whose they are."""

_ENDED: Final = ENDED | {Status.NOT_DELIVERED}
"""The statuses of rows that only a person sends again who asks for it."""


def check_whose_results(work: Session, given: CheckedList, source: ListSource) -> None:
    """Check that results which are to be sent as a campaign of their own are not those of one that this ledger may still send.

    Their rows show whose they are, whatever name they or the command give.
    """
    said = _first_rows(given)
    if work.settings.name is not None and not _sends_the_same(given, said):
        return
    owners = _campaigns_of(said, work.reader, given.results_of)
    if not owners and work.settings.name is None:
        owners = _written_to(source, work.reader)
    for record in owners:
        if problem := _problem(work, given, source, record):
            code, why = problem
            own = sanitize_for_terminal(record.spec.name)
            raise UsageError(
                f"{given.table.name} holds results of this ledger's campaign “{own}”, {why}", code=code, campaign=record.spec.name
            )


def check_own_results(work: Session, given: CheckedList, record: CampaignRecord) -> None:
    """Check that results which name a campaign of this ledger are not those of another ledger's campaign of that name."""
    if _is_of_another_ledger(_with_rows(_first_rows(given), work.reader, record)):
        name = sanitize_for_terminal(record.spec.name)
        raise UsageError(
            f"{given.table.name} holds results of a campaign “{name}”, but not of the one of that name in the ledger {work.reader.place}. "
            "Nothing was sent. Name the ledger that it was sent from with --ledger or CAMPAIGN_LEDGER.",
            code="results_of_another_ledger",
            campaign=record.spec.name,
            option="--ledger",
        )


def _problem(work: Session, given: CheckedList, source: ListSource, record: CampaignRecord) -> tuple[str, str] | None:
    """Why results of a campaign can't be sent as another one, with a code; None if they can."""
    name, ledger = record.spec.name, work.settings.ledger_to_name
    own, told, other = map(sanitize_for_terminal, (name, given.results_of, given.spec.name))
    twice = f"rows would be sent as “{own}” and as “{other}”. Nothing was sent."
    newest = command_line("report", name, "--output", "FILE", ledger=ledger)
    if record.purged_at:
        return "campaign_forgotten", (
            "whose rows this ledger has forgotten, so that which of them were sent since can't be seen. Nothing was sent. To send to "
            "everybody again, run the list itself under another name."
        )
    if work.settings.name is None:
        retry = _of_file("retry", name, "--rows", file=source, ledger=ledger)
        if record.spec.settings.get(RESULTS_OF) == given.results_of:
            return "campaign_renamed", (
                f"which went on from rows of “{told}”: {twice} Give --name {shlex.quote(name)} again, or take the rows that are in "
                f"“{own}” out of the file.{retry}"
            )
        return "campaign_renamed", (
            f"but its delivery_campaign says “{told}”: {twice} A spreadsheet may have changed it: write “{own}” there again, or keep "
            f"results as .xlsx, where it stays. If the file was run under another name before, give that --name again.{retry}"
        )
    is_cancelled = record.desired_state is DesiredState.CANCELLED
    if not is_cancelled and not work.reader.pending_work(record.id).finished:
        again, end = command_line("resume", name, ledger=ledger), command_line("cancel", name, ledger=ledger)
        return "campaign_goes_on", (
            f"of which rows are left: {twice} To send them: {again}. To send them as another campaign instead: {newest}, then {end}, "
            "then run FILE under the other name."
        )
    if (overtaken := _overtaken_row(given, work.reader, record)) is not None:
        row, status = overtaken
        where = row_in_words(row, record.spec.lines.of(row))
        rest = " That campaign was cancelled: to send the rest, make a list of the passes that are skipped there." if is_cancelled else ""
        return "results_overtaken", (
            f"but older ones: {where} is {status.info.label} there, and was sent since: {twice} The newest results: {newest}.{rest} If the "
            "file is of another ledger, name that one with --ledger."
        )
    if not is_cancelled and _has_rows_to_send(given, work.reader, record):
        return "campaign_goes_on", f"of which rows may be sent again: {twice}{_of_file('retry', file=source, ledger=ledger)}"
    return None


def _of_file(*words: str, file: ListSource, ledger: str) -> str:
    """The command that sends the failed rows of the file, in a sentence; empty if it has no name that a command can give."""
    if not isinstance(file, str) or file == "-":
        return ""
    return f" To send the failed rows that the file names, as they are in the ledger: {command_line(*words, file, ledger=ledger)}"


def _sends_the_same(given: CheckedList, said: "Sequence[_Said]") -> bool:
    """Whether results are to be sent with their own messages, and not with other ones."""
    texts = [one for one in said if one.text.strip()]
    if given.messages is None or not texts:
        return True
    return any(same_text(given.messages.render(one.cells).text, one.text) for one in texts)


def _written_to(source: ListSource, reader: LedgerReader) -> list[CampaignRecord]:
    """The campaigns that write their results to this file."""

    def writes_it(record: CampaignRecord) -> bool:
        own = record.spec.settings.get("results", "")
        return bool(own) and any(is_list(place, source) for place in (place_of(own), failed_path(place_of(own))))

    return list(filter(writes_it, reader.campaigns()))


class _Said(NamedTuple):
    """What a row of results says of itself. `number` is 0 if it has none; `cells` are its own columns."""

    number: int
    key: str
    text: str
    cells: tuple[str, ...]
    told: Outcome


def _first_rows(given: CheckedList) -> list[_Said]:
    """What the first rows of results say of themselves; those that a person has added say nothing."""
    clean = unescape_formula if given.layout.neutralised else str
    said: list[_Said] = []
    for frame, cells in zip(given.table.frames(), given.own_cells(), strict=True):
        told = frame[list(RESULT_COLUMNS)]
        has_said = told["delivery_row"].ne("") | told["delivery_message"].ne("")
        places = [place for place, one in enumerate(has_said) if one][: _MOST_COMPARED - len(said)]
        own = [cells[place] for place in places]
        keys = ids_of([one[given.layout.id_place] for one in own])[1] if own else ()
        for key, one, row in zip(keys, own, told.iloc[places].to_dict("records"), strict=True):
            line = {name: clean(text) for name, text in row.items()}
            said.append(_Said(row_number(line["delivery_row"]), key, line["delivery_message"], one, read_outcome(line)))
        if len(said) >= _MOST_COMPARED:
            break
    return said


def _campaigns_of(said: Sequence[_Said], reader: LedgerReader, name: str) -> list[CampaignRecord]:
    """The campaigns of this ledger whose results these are, whatever they name, or that went on from them."""
    return [one for one in reader.campaigns() if one.desired_state is not DesiredState.STAGING and _has_rows_of(said, reader, one, name)]


def _has_rows_of(said: Sequence[_Said], reader: LedgerReader, record: CampaignRecord, name: str) -> bool:
    """Whether results are a campaign's: the one of the `name` that they give, one that went on from some of these rows, or one that most of
    them show.

    Their times may prove that another ledger has sent them. Of a campaign of their name they still may be with other numbers.
    """
    pairs = _with_rows(said, reader, record)
    is_anothers = _is_of_another_ledger(pairs)
    if record.spec.name == name and not is_anothers:
        return True
    if name and name in {record.spec.name, record.spec.settings.get(RESULTS_OF)} and _shares_a_row(pairs):
        return True
    return not is_anothers and 2 * sum(_is_alike(one, row) for one, row in pairs) > len(said)


def _with_rows(said: Sequence[_Said], reader: LedgerReader, record: CampaignRecord) -> list[tuple[_Said, ResultRow]]:
    """The rows of results that the campaign has: under the same numbers, or with the same passes, as a person may have sorted them."""
    numbered = reader.rows_numbered(record.id, [one.number for one in said if one.number])
    moved = {one.key for one in said if one.number not in numbered or not _is_row(one, numbered[one.number])} - {""}
    places = reader.rows_of_passes(record.id, sorted(moved)) if moved else {}
    others = reader.rows_numbered(record.id, [first for first, *_ in places.values()]).values()
    by_pass = {key: row for row in others if (key := pass_key(row.pass_id)) in moved}
    pairs = ((one, by_pass.get(one.key) or numbered.get(one.number)) for one in said)
    return [(one, row) for one, row in pairs if row is not None]


def _is_row(said: _Said, row: ResultRow) -> bool:
    key = pass_key(row.pass_id)
    # An id may have been corrected.
    return said.key == key or is_of_a_spreadsheet(said.key, key) or same_attempt(said.told, row.outcome)


def _is_of_another_ledger(pairs: Sequence[tuple[_Said, ResultRow]]) -> bool:
    is_another = any(is_another_attempt(one.told, row.outcome) for one, row in pairs)
    return is_another and not any(same_attempt(one.told, row.outcome) for one, row in pairs)


def _shares_a_row(pairs: Sequence[tuple[_Said, ResultRow]]) -> bool:
    """Whether at least one pass, and a text of these passes, is the campaign's."""
    same = [(one, row) for one, row in pairs if one.key == pass_key(row.pass_id)]
    return not {one.text for one, _ in same}.isdisjoint(row.message for _, row in same)


def _is_alike(said: _Said, row: ResultRow) -> bool:
    # A text may have been corrected.
    return _is_row(said, row) and (same_text(said.text, row.message) or same_attempt(said.told, row.outcome))


def _has_rows_to_send(given: CheckedList, reader: LedgerReader, record: CampaignRecord) -> bool:
    """Whether results have rows that the ledger, too, may send again by a `retry`."""
    return any(one.status not in _ENDED for _, one in _open_rows(given, reader, record))


def _overtaken_row(given: CheckedList, reader: LedgerReader, record: CampaignRecord) -> tuple[int, Status] | None:
    """The first row that the ledger has sent since results were written, and its status there; None if there is none."""
    return next(((one.row, told.status) for told, one in _open_rows(given, reader, record) if is_overtaken(told, one)), None)


def _open_rows(given: CheckedList, reader: LedgerReader, record: CampaignRecord) -> "Iterator[tuple[Outcome, RowState]]":
    """The rows of results that have not ended there, with their state in the ledger.

    They are found by pass where the row of their number has another one, as a person may have numbered them anew; or else by number, as
    ids get corrected.
    """
    for frame, cells in zip(given.table.frames(), given.own_cells(), strict=True):
        rows = outcome_columns(frame)
        places = [place for place, status in enumerate(rows["delivery_status"]) if status not in ENDED]
        keys = ids_of([cells[place][given.layout.id_place] for place in places])[1] if places else ()
        told = rows.iloc[places].to_dict("records")
        numbers = [row_number(row["delivery_row"]) for row in told]
        known = {one.row: one for one in reader.row_states(record.id, numbers)}
        moved = {key for number, key in zip(numbers, keys, strict=True) if number not in known or known[number].pass_key != key}
        by_pass = reader.rows_of_passes(record.id, sorted(moved)) if moved else {}
        found = {one.row: one for one in reader.row_states(record.id, [number for numbers in by_pass.values() for number in numbers])}
        for number, key, row in zip(numbers, keys, told, strict=True):
            for one in [found[other] for other in by_pass.get(key, ())] or filter(None, [known.get(number)]):
                yield read_outcome(row), one
