"""Compares results with the ledger, row by row: nothing else shows that a ledger is an old copy.

Which of two is newer is told by the rows, and never by a time: clocks differ and go back, and a copied file loses its time. The time of an
attempt only shows that it is the same one.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from campaign.app.results.owner import results_in_workbook
from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.columns import RESULT_NAMES, has_to_be_named, normalize_name
from campaign.domain.lists.locations import Location
from campaign.domain.lists.near_ids import is_of_a_spreadsheet
from campaign.domain.lists.outcomes import read_outcome, row_number
from campaign.domain.lists.pass_ids import ids_of
from campaign.domain.lists.sheet import place as row_in_words
from campaign.domain.model import RESULT_COLUMNS, Outcome
from campaign.domain.row_state import RowState, same_attempt, tells_more
from campaign.domain.status import ENDED, Status
from campaign.domain.text.formula_escape import unescape_formula
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.formats.file_format import EXCEL, FORMATS
from campaign.loader.source import Source
from campaign.loader.table import open_table

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE: Final = 50_000
"""How many rows' passes are searched in one scan of the campaign."""

_SENT: Final = frozenset({Status.DELIVERED, Status.ACCEPTED})
_ESCAPING: Final = frozenset(suffix for found in FORMATS.values() if found.is_spreadsheet for suffix in found.suffixes)


class Comparison:
    """Compares the rows of a results file, some at a time, with those of the ledger. The ledger is read last, as another process may
    send at the same time.

    Rows are found by number, or else by pass: another ledger may have gone on from some of the results, or in another order.
    """

    def __init__(
        self, place: Location, reader: LedgerReader, record: CampaignRecord, new_ids: Mapping[str, int], *, is_of_campaign: bool
    ) -> None:
        self.rows = 0
        self._is_of_campaign = is_of_campaign
        self._newer: tuple[Outcome, RowState] | None = None
        self._place = place
        self._new_ids = new_ids
        self._reader = reader
        self._record = record
        self._escaped = place.suffix.lower() in _ESCAPING
        self._elsewhere: list[tuple[str, Outcome]] = []

    def read(self, source: Source) -> None:
        """Compare a file, whose results may be below a title, or in another sheet than the first.

        Raises:
            InputError: it can't be read to its end. What it has said until then is compared all the same.
            UsageError: it knows more, and is the campaign's.
        """
        place = self._place
        try:
            try:
                open_table(source, each=self._add).close()
            except InputError as error:
                found = results_in_workbook(place) if isinstance(place, Path) and place.suffix.lower() in EXCEL.suffixes else None
                if found is not None:
                    self._add(found)
                elif error.header_row is not None:
                    open_table(place, header_row=error.header_row, each=self._add).close()
                else:
                    raise
        finally:
            self._compare_by_pass()
            self._refuse_if_newer()

    def _add(self, frame: "pd.DataFrame") -> None:
        if RESULT_NAMES.isdisjoint(map(normalize_name, frame.columns)):
            raise InputError("It has no column of results.", code="no_results")
        self.rows += len(frame)
        told = outcome_columns(frame)
        never_sent = (told["delivery_status"] == Status.PENDING) & told["delivery_attempts"].isin(["", "0"])
        ours = ~told["delivery_campaign"].isin(self._others(told["delivery_campaign"])) & ~never_sent
        rows = told[ours]
        numbers = [row_number(text) for text in rows["delivery_row"]]
        keys = self._keys(frame[ours])
        known = {one.row: one for one in self._reader.row_states(self._record.id, numbers)}
        keys = keys or [known[number].pass_key if number in known else "" for number in numbers]
        if not self._is_of_campaign:
            sent = [place for place, number in enumerate(numbers) if number in known and known[number].attempts]
            lines = zip(sent, rows.iloc[sent].to_dict("records"), strict=True)
            self._is_of_campaign = any(same_attempt(read_outcome(line), known[numbers[place]]) for place, line in lines)
        texts = zip(numbers, keys, *(rows[name].array.tolist() for name in ("delivery_status", "delivery_attempts")), strict=True)
        unlike = [place for place, (number, key, *said) in enumerate(texts) if not _is_as_told(known.get(number), key, said)]
        for place, row in zip(unlike, rows.iloc[unlike].to_dict("records"), strict=True):
            outcome, one = read_outcome(row), known.get(numbers[place])
            if one is not None and (one.pass_key == keys[place] or is_of_a_spreadsheet(keys[place], one.pass_key)):
                self._note_if_newer(outcome, one)
            elif one is None or not same_attempt(outcome, one):
                self._elsewhere.append((keys[place], outcome))
        if len(self._elsewhere) >= ROWS_AT_ONCE:
            self._compare_by_pass()

    def _others(self, names: "pd.Series[str]") -> list[str]:
        """Those that name another campaign of the ledger; any other name is one that a person has written over ours."""
        found = {name: unescape_formula(name) if self._escaped else name for name in names.unique()}
        return [name for name, own in found.items() if own != self._record.spec.name and self._reader.campaign(own) is not None]

    def _keys(self, frame: "pd.DataFrame") -> Sequence[str]:
        """The pass keys of the rows; empty if the column of the ids is gone."""
        asked = self._record.spec.id_column
        names = [unescape_formula(name) if self._escaped else name for name in frame.columns]
        found = [place for place, name in enumerate(names) if name == asked] or [
            place for place, name in enumerate(names) if normalize_name(name) == normalize_name(asked)
        ]
        if not found:
            return ()
        ids = frame.iloc[:, found[0]].array.tolist()
        return ids_of([unescape_formula(text) for text in ids] if self._escaped else ids)[1]

    def _compare_by_pass(self) -> None:
        """Compare the rows that were not found by number; each call searches the whole campaign."""
        rows, self._elsewhere = self._elsewhere, []
        by_pass = self._reader.rows_of_passes(self._record.id, sorted({key for key, _ in rows})) if rows else {}
        for key in {key for key, _ in rows} & self._new_ids.keys():
            by_pass[key] = [*by_pass.get(key, ()), self._new_ids[key]]
        numbers = [number for numbers in by_pass.values() for number in numbers]
        known = {one.row: one for one in self._reader.row_states(self._record.id, numbers)}
        for key, told in rows:
            ours = [known[number] for number in by_pass.get(key, ())]
            self._is_of_campaign = self._is_of_campaign or any(same_attempt(told, one) for one in ours)
            # If one row of the pass was sent, the others are not.
            if ours and not any(one.status in _SENT for one in ours):
                self._note_if_newer(told, max(ours, key=lambda one: (one.status not in ENDED, one.attempts)))

    def _note_if_newer(self, told: Outcome, known: RowState) -> None:
        if self._newer is None and tells_more(told, known):
            self._newer = told, known

    def _refuse_if_newer(self) -> None:
        if self._newer is None or not self._is_of_campaign:
            return
        told, known = self._newer
        spec = self._record.spec
        way = f" If another ledger sends only these rows, leave them out here: --exclude {shlex.quote(str(self._place))}"
        if self.rows >= self._record.rows and not self._place.stem.endswith(".failed"):
            go_on = resume_from(self._place, id_column=spec.id_column, columns=spec.columns, ledger="ANOTHER-FILE")
            way = f" If that ledger is lost, go on from the results, with a new one: {go_on}"
        raise UsageError(
            f"The ledger {self._reader.place} is older than the campaign's results, or another one: in {self._place}, "
            f"{row_in_words(known.row, spec.lines.of(known.row))} is {_in_words(told)}; in the ledger it is {_in_words(known)}. It would "
            "send again what was sent since. Name the ledger that it was sent from with --ledger or CAMPAIGN_LEDGER, or put the newer one "
            f"back. If the results are of something else, such as a rehearsal, move them away.{way}",
            code="ledger_behind_results",
            results=str(self._place),
        )


def shares_attempt(rows: Iterable[Mapping[str, str]], reader: LedgerReader, record: CampaignRecord) -> bool:
    """Whether rows of results, as in `FirstRows`, have had an attempt that the ledger knows of the campaign.

    A person may have renamed the campaign there, and sorted the rows before another ledger numbered them anew.
    """
    tried = [(row, outcome) for row in rows if (outcome := read_outcome(row)).attempts]
    by_number = {number: outcome for row, outcome in tried if (number := row_number(row.get("delivery_row", "")))}
    if any(same_attempt(by_number[known.row], known) for known in reader.row_states(record.id, list(by_number))):
        return True
    ids = [row.get(normalize_name(record.spec.id_column), "") for row, _ in tried]
    by_key = {key: outcome for key, (_, outcome) in zip(ids_of(ids)[1] if ids else (), tried, strict=True)}
    places = reader.rows_of_passes(record.id, sorted(by_key.keys() - {""})) if by_key else {}
    numbers = [number for numbers in places.values() for number in numbers]
    return any(same_attempt(by_key[known.pass_key], known) for known in reader.row_states(record.id, numbers))


def resume_from(results: Location, *, id_column: str, columns: Sequence[str], ledger: str) -> str:
    """The command that goes on from results alone; empty if the results do not have all rows. `columns` are those of the list."""
    if results.stem.endswith(".failed"):
        return ""
    again = ["campaign", "run", str(results)]
    if results.stem.endswith(".resumed"):
        again += ["--results", str(results.with_name(f"{results.stem}-again.csv"))]
    if has_to_be_named(id_column, columns):
        again += ["--id-column", id_column]
    if ledger:
        again += ["--ledger", ledger]
    return shlex.join(again)


def outcome_columns(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The columns of results, perhaps in other letters there; empty texts where someone has removed one."""
    import pandas as pd

    return pd.DataFrame({name: _column(frame, name) for name in RESULT_COLUMNS})


def _column(frame: "pd.DataFrame", name: str) -> "pd.Series[str]":
    import pandas as pd

    found = [place for place, one in enumerate(frame.columns) if one == name] or [
        place for place, one in enumerate(frame.columns) if normalize_name(one) == normalize_name(name)
    ]
    return frame.iloc[:, found[0]] if found else pd.Series("", index=frame.index, dtype="object")


def _is_as_told(known: RowState | None, key: str, told: list[str]) -> bool:
    """Whether a quick comparison shows that a row of the results knows no more than the ledger, as for nearly all rows."""
    if known is None or known.pass_key != key:
        return False
    return known.status in ENDED or [known.status, str(known.attempts)] == told


def _in_words(found: Outcome | RowState) -> str:
    return f"{found.status.info.label} (attempts: {found.attempts})"
