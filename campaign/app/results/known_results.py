"""Finds results of a campaign, and checks whether they know more than the ledger: nothing else shows that a ledger is an old copy.

The rows of both are compared, never times: clocks differ and go back, and a copied file loses its time.
"""

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from itertools import chain
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from campaign import object_store
from campaign.app.lists.list_source import ListSource, as_file_name, message_fingerprint, results_path
from campaign.app.results.results_path import may_hold_results_of, owner_of, results_in_workbook
from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.columns import normalize_name
from campaign.domain.lists.locations import Location, parse_location, place_of
from campaign.domain.lists.near_ids import is_of_a_spreadsheet
from campaign.domain.lists.outcomes import read_outcome
from campaign.domain.lists.pass_ids import ids_of
from campaign.domain.lists.query import is_query
from campaign.domain.lists.sheet import place as row_in_words
from campaign.domain.model import RESULT_COLUMNS, Outcome
from campaign.domain.row_state import RowState, is_overtaken, same_attempt, tells_more
from campaign.domain.status import ENDED, Status
from campaign.domain.text.formula_escape import unescape_formula
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.formats.file_format import EXCEL, FORMATS, UNPACKED_SUFFIXES
from campaign.loader.source import Source
from campaign.loader.table import open_table
from campaign.reporter.files.target import failed_path, same_file
from campaign.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

SENT_AGAIN: Final = "sent_again"
"""The campaign's setting with the hashes of results despite which a person has agreed to send again."""


class Belongs(Enum):
    """When the rows of a file count as a campaign's."""

    BY_PLACE = auto()
    """The campaign's results are written there: also if a person has removed or changed its name in them."""
    BY_NAME = auto()
    """If the file names the campaign."""
    BY_ATTEMPT = auto()
    """If it does, and shares an attempt with the ledger."""


ROWS_AT_ONCE: Final = 50_000
"""How many rows' passes are searched in one scan of the campaign."""

_SENT: Final = frozenset({Status.DELIVERED, Status.ACCEPTED})
_RESULT_NAMES: Final = frozenset(map(normalize_name, RESULT_COLUMNS))
_ESCAPING: Final = frozenset(suffix for found in FORMATS.values() if found.is_spreadsheet for suffix in found.suffixes)


def results_places(source: ListSource, settings: Settings, *, of_results: bool = False) -> Iterator[Location]:
    """The places where results of a list's campaign may be, the one that probably knows most first.

    With `of_results`, the list is a results file itself, so only results of a run that went on from it count.
    """
    unnamed = settings.model_copy(update={"results": None})
    resumed, beside = (results_path(source, unnamed, results_file=results_file) for results_file in (True, False))
    target = results_path(source, settings, results_file=of_results)
    if resumed is not None:
        yield from _in_any_format(resumed)
    if target is not None:
        yield target
        yield from _in_any_format(target)
    if not of_results and beside is not None:
        yield from _in_any_format(beside)
    if not of_results:
        yield from (failed_path(place) for place in (target, beside) if place is not None)


def _in_any_format(place: Location) -> Iterator[Location]:
    if isinstance(place, Path):
        return (place.with_suffix(suffix) for suffix in UNPACKED_SUFFIXES)
    # To list them takes one request, and to ask for each of them two.
    others = (url for url in object_store.named_like(place.with_name(place.stem)) if url.stem == place.stem)
    return chain([place], (url for url in others if url.suffix.lower() in UNPACKED_SUFFIXES))


def own_place(source: ListSource | None) -> list[Location]:
    """The place of the list itself, which may be a results file; empty if it has none."""
    return [parse_location(source)] if isinstance(source, str) and source != "-" else []


def is_list(place: Location, source: ListSource) -> bool:
    return any(same_file(place, own) for own in own_place(source))


def places_of_campaign(
    record: CampaignRecord, settings: Settings, *, source: ListSource | None = None, results: Location | None = None
) -> dict[Location, Belongs]:
    """The places where results of a campaign that the ledger knows may be.

    `source` is its list, or its rows in a file, if the person named them; `results` is where this run writes.
    """
    stored = record.spec.settings.get("results", "")
    named = settings.model_copy(update={"name": record.spec.name})
    known = record.spec.list_place or ("" if is_query(record.spec.list_name) or not stored else record.spec.list_name)
    lists = [one for one in (source, known) if one]
    written = [place.absolute() for place in (results, settings.results) if place] + ([place_of(stored)] if stored else [])
    is_of_results = record.spec.message_sha256 == message_fingerprint(record.spec.id_column, None)
    # What was named may be results, whatever its file is called; an object is read over the network.
    found: list[Location] = [
        place for one in lists for place in own_place(one) if is_of_results or (one == source and isinstance(place, Path))
    ]
    found += [place for one in lists for place in results_places(one, named)]
    for place in written:
        found += [place, *_in_any_format(place), failed_path(place)]
    unnamed = named.model_copy(update={"results": None})
    usual = {own.absolute() for one in lists if (own := results_path(one, unnamed)) is not None}
    is_apart = bool(settings.ledger) and not is_of_results and any(place.absolute() not in usual for place in written)
    return with_folders(found, is_apart=is_apart)


def with_folders(places: Iterable[Location], *, is_apart: bool = False) -> dict[Location, Belongs]:
    """These places, and all files in their folders that may be results: another ledger may have written its own under any name.

    The others count by name. With `is_apart`, as the person has named both the ledger and a place for its results, they count by attempt,
    but for those where runs from any results file have written, which are named after that file. Folders of a store may hold anything, so
    of these only such objects are listed, and only if their names begin as those of `places` do.
    """
    found = dict.fromkeys(places, Belongs.BY_PLACE)
    folders = dict.fromkeys(place.parent for place in found if isinstance(place, Path))
    begun = dict.fromkeys(place.with_name(place.name.split(".")[0]) for place in found if not isinstance(place, Path))
    others: list[Location] = [path for folder in folders for path in _files_in(folder)]
    others += [url for beginning in begun for url in object_store.named_like(beginning) if ".resumed" in url.name]
    for place in others:
        if place.suffix.lower() in UNPACKED_SUFFIXES:
            by_name = ".resumed" in place.name or not is_apart
            found.setdefault(place, Belongs.BY_NAME if by_name else Belongs.BY_ATTEMPT)
    return found


def _files_in(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder))]  # noqa: PTH208 - only names are needed
    except OSError:
        return []


def fingerprint(place: Location) -> str:
    """The hash that identifies the content of a results file; empty if it can't be read."""
    with suppress(InputError):
        source = Source.find(place)
        source.close()
        return source.sha256
    return ""


def resume_from(results: Location) -> str:
    """The command that goes on from results alone, without its `--ledger`; empty if the results do not have all rows."""
    if results.stem.endswith(".failed"):
        return ""
    again = ["campaign", "run", str(results)]
    if results.stem.endswith(".resumed"):
        again += ["--results", str(results.with_name(f"{results.stem}-again.csv"))]
    return shlex.join(again)


def check_not_newer(
    place: Location,
    reader: LedgerReader,
    record: CampaignRecord,
    compared: dict[Location, object] | None = None,
    new_ids: Mapping[str, int] | None = None,
    *,
    belongs: Belongs = Belongs.BY_NAME,
) -> str:
    """Check that a campaign's results do not know more than the ledger; returns why they can't be read to their end, or an empty text.

    They are read only if they are this campaign's, and the ledger has rows that may be sent: about other rows they can't know more. Files
    that were `compared` before are not read again unless they have changed. `new_ids` are the rows whose ids are about to be corrected, by
    the key of their new pass.

    Raises:
        UsageError: they know more, or may know more and can't be read. They are the only proof of what was sent, so nothing may replace
            them, and nothing may be sent.
    """
    version = _version(place)
    if version is None or (compared is not None and compared.get(place) == version):
        return ""
    problem = ""
    owner, of_another = owner_of(place), _is_of_another_ledger(place, record)
    nameless = of_another or belongs is Belongs.BY_PLACE
    is_ours = owner == record.spec.name or (nameless and may_hold_results_of(place, record.spec.name, reader))
    if is_ours and _may_send(reader, record):
        if of_another and not owner:
            raise _not_readable(place, record)
        comparison = _Comparison(place, reader, record, new_ids or {}, is_of_campaign=belongs is not Belongs.BY_ATTEMPT)
        is_agreed = False
        try:
            source = Source.find(place)
            is_agreed = source.sha256 in record.spec.settings.get(SENT_AGAIN, "").split()
            source.close() if is_agreed else _compare(source, place, comparison)
        except InputError as error:
            problem = str(error)
        comparison.compare_by_pass()
        comparison.end()
        # Whoever never sent the campaign has not written the file.
        is_anothers = of_another or (belongs is Belongs.BY_PLACE and not record.started_at and not place.stem.endswith(".failed"))
        if is_anothers and not is_agreed and (problem or (not owner and not comparison.rows)):
            raise _not_readable(place, record)
    if compared is not None:
        compared[place] = version
    return problem


def overtaken_row(frames: "Iterable[pd.DataFrame]", reader: LedgerReader, record: CampaignRecord) -> int | None:
    """The first row of its campaign that results would send though the ledger has sent it since; None if there is none."""
    import pandas as pd

    for frame in frames:
        rows = pd.DataFrame({name: _texts(frame, name) for name in RESULT_COLUMNS})
        rows = rows[~rows["delivery_status"].isin(list(ENDED))]
        numbers = _numbers(rows)
        known = {one.row: one for one in reader.row_states(record.id, numbers)}
        for number, row in zip(numbers, rows.to_dict("records"), strict=True):
            if number in known and is_overtaken(read_outcome(row), known[number]):
                return number
    return None


def _compare(source: Source, place: Location, comparison: "_Comparison") -> None:
    """Compare a file whose results may be below a title, or in another sheet than the first."""
    try:
        open_table(source, each=comparison.compare).close()
    except InputError as error:
        found = results_in_workbook(place) if isinstance(place, Path) and place.suffix.lower() in EXCEL.suffixes else None
        if found is not None:
            comparison.compare(found)
        elif error.header_row is not None:
            open_table(place, header_row=error.header_row, each=comparison.compare).close()
        else:
            raise


def _version(place: Location) -> object:
    """A value that changes when the file changes; None if there is no file."""
    if not isinstance(place, Path):
        return object_store.find(place)
    try:
        found = place.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _is_of_another_ledger(place: Location, record: CampaignRecord) -> bool:
    """Whether a file is named as results of a run from this campaign's results, and this ledger did not write it.

    Its failed rows, which may be none, are not looked at.
    """
    own = record.spec.settings.get("results", "")
    is_named = ".resumed" in place.name and not place.stem.endswith(".failed")
    if not isinstance(place, Path) or not is_named or (own and same_file(place, place_of(own))):
        return False
    of_campaign = [as_file_name(record.spec.name), *(PurePath(one).name for one in (record.spec.list_place, record.spec.list_name, own))]
    return place.name.split(".")[0] in {name.split(".")[0] for name in of_campaign}


def _not_readable(place: Location, record: CampaignRecord) -> UsageError:
    return UsageError(
        f"{place} can't be read as results. A run of another ledger, perhaps of another user, may have written it: if they "
        f"are of the campaign “{sanitize_for_terminal(record.spec.name)}”, this ledger would send the same again. Make the file readable "
        "for you, with the columns that the run wrote, or, if it is of another campaign, move it away.",
        code="results_not_readable",
        results=str(place),
    )


def _may_send(reader: LedgerReader, record: CampaignRecord) -> bool:
    by_status = reader.counts(record.id).by_status
    return any(count for status, count in by_status.items() if status not in ENDED)


class _Comparison:
    """Compares the rows of a results file, some at a time, with those of the ledger. The ledger is read last, as another process may
    send at the same time.

    Rows are found by number, or else by pass: another ledger may have gone on from some of the results, or in another order.
    """

    def __init__(
        self, place: Location, reader: LedgerReader, record: CampaignRecord, new_ids: Mapping[str, int], *, is_of_campaign: bool
    ) -> None:
        self.rows = 0
        self._is_of_campaign = is_of_campaign
        self._newer: UsageError | None = None
        self._place = place
        self._new_ids = new_ids
        self._reader = reader
        self._record = record
        self._escaped = place.suffix.lower() in _ESCAPING
        self._elsewhere: list[tuple[str, Outcome]] = []

    def compare(self, frame: "pd.DataFrame") -> None:
        import pandas as pd

        if _RESULT_NAMES.isdisjoint(map(normalize_name, frame.columns)):
            raise InputError("It has no column of results.", code="no_results")
        self.rows += len(frame)
        told = {name: _texts(frame, name) for name in RESULT_COLUMNS}
        never_sent = (told["delivery_status"] == Status.PENDING) & told["delivery_attempts"].isin(["", "0"])
        ours = ~told["delivery_campaign"].isin(self._others(told["delivery_campaign"])) & ~never_sent
        rows = pd.DataFrame(told)[ours]
        numbers = _numbers(rows)
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
                self._refuse_if_newer(outcome, one)
            elif one is None or not same_attempt(outcome, one):
                self._elsewhere.append((keys[place], outcome))
        if len(self._elsewhere) >= ROWS_AT_ONCE:
            self.compare_by_pass()

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

    def compare_by_pass(self) -> None:
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
                self._refuse_if_newer(told, max(ours, key=lambda one: (one.status not in ENDED, one.attempts)))

    def end(self) -> None:
        """Raises UsageError if the file knows more, and is the campaign's."""
        if self._newer is not None and self._is_of_campaign:
            raise self._newer

    def _refuse_if_newer(self, told: Outcome, known: RowState) -> None:
        if self._newer is not None or not tells_more(told, known):
            return
        lines, go_on = self._record.spec.lines, resume_from(self._place)
        way = f" If there is none, go on from the results, with a new ledger: {go_on} --ledger ANOTHER-FILE." if go_on else ""
        self._newer = UsageError(
            f"The ledger {self._reader.place} is older than the campaign's results, or another one: in {self._place}, "
            f"{row_in_words(known.row, lines.of(known.row))} is {_in_words(told)}; in the ledger it is {_in_words(known)}. It would send "
            "again what was sent since. Name the ledger that it was sent from with --ledger or CAMPAIGN_LEDGER, or put the newer one "
            f"back.{way} If the results are of something else, such as a rehearsal, move them away.",
            code="ledger_behind_results",
            results=str(self._place),
        )
        self.end()


def _texts(frame: "pd.DataFrame", name: str) -> "pd.Series[str]":
    """A column, perhaps in other letters; empty texts if someone has removed it."""
    import pandas as pd

    found = [place for place, one in enumerate(frame.columns) if one == name] or [
        place for place, one in enumerate(frame.columns) if normalize_name(one) == normalize_name(name)
    ]
    return frame.iloc[:, found[0]] if found else pd.Series("", index=frame.index, dtype="object")


def _numbers(rows: "pd.DataFrame") -> list[int]:
    """The rows' numbers in their campaign; 0 for one that has none."""
    import pandas as pd

    numbers: list[int] = pd.to_numeric(rows["delivery_row"], errors="coerce").fillna(0).astype("int64").tolist()
    return numbers


def _is_as_told(known: RowState | None, key: str, told: list[str]) -> bool:
    """Whether a quick comparison shows that a row of the results knows no more than the ledger, as for nearly all rows."""
    if known is None or known.pass_key != key:
        return False
    return known.status in ENDED or [known.status, str(known.attempts)] == told


def _in_words(found: Outcome | RowState) -> str:
    return f"{found.status.info.label} (attempts: {found.attempts})"
