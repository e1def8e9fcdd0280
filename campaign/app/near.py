"""Warnings of ids that are one pass to a person and two to PassEntry: within a list, and beside the excluded passes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final, TypeVar

from campaign.domain.message_lint import Concern, LintKind
from campaign.domain.model import ResultRow, Status
from campaign.domain.near_ids import differences, near_key
from campaign.domain.sheet import SheetLines, place
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.columns import pass_key
from campaign.loader.names import shown
from campaign.loader.near import SHOWN, NearIdFinder, NearIds

Keys = Callable[[], Iterable[Sequence[str]]]
"""Reads the keys of excluded passes, some at a time; from the start each time."""

_AT_ONCE: Final = 5_000
_T = TypeVar("_T")
_SENT: Final = frozenset(Status) - {Status.INVALID, Status.SKIPPED}


def near_concerns(
    found: NearIds, *, ids: Callable[[Sequence[int]], Mapping[int, str]], excluded: Keys, lines: SheetLines
) -> tuple[Concern, ...]:
    """What there is to look at, each kind with an example.

    Args:
        found: the rows.
        ids: looks up the pass ids of some of them.
        excluded: the passes that are left out.
        lines: of the list.
    """
    concerns = []
    if found.excluded:
        row = found.excluded_rows[0]
        listed = ids([row])[row]
        key = pass_key(listed)
        other = next((one for one in chain.from_iterable(excluded()) if near_key(one) == near_key(key)), "")
        example = f"“{shown(listed)}” in {place(row, lines.of(row))} and “{shown(other)}”, which is excluded, {_differ(key, other)}"
        concerns.append(Concern(kind=LintKind.NEAR_EXCLUDED, count=found.excluded, rows=found.excluded_rows, example=example))
    if found.duplicates:
        first, second, *_ = found.groups[0]
        texts = ids([first, second])
        named = [f"“{shown(texts[row])}” in {place(row, lines.of(row))}" for row in (first, second)]
        example = f"{' and '.join(named)} {_differ(*map(pass_key, (texts[first], texts[second])))}"
        groups = found.groups[: SHOWN // 2]
        rows = tuple(chain.from_iterable(groups))
        concerns.append(Concern(kind=LintKind.NEAR_DUPLICATE, count=found.duplicates, rows=rows, example=example, groups=groups))
    return tuple(concerns)


def near_in_ledger(reader: LedgerReader, record: CampaignRecord) -> tuple[Concern, ...]:
    """What there is in a staged campaign, among the rows that are sent, or were; goes through all of them."""

    def excluded() -> Iterator[Sequence[str]]:
        return _batches(reader.exclusions(record.id))

    with NearIdFinder() as finder:
        _take_in(finder, reader.rows(record.id, _SENT), excluded)
        found = finder.found()
    return near_concerns(found, ids=ids_in_ledger(reader, record), excluded=excluded, lines=record.spec.lines)


def near_to_excluded(rows: Callable[[], Iterable[ResultRow]], excluded: Keys, lines: SheetLines) -> tuple[Concern, ...]:
    """The rows, as they would be sent, that are near to an excluded pass."""
    with NearIdFinder() as finder:
        _take_in(finder, rows(), excluded)
        found = finder.found()

    def ids(numbers: Sequence[int]) -> Mapping[int, str]:
        return {row.row: row.pass_id for row in rows() if row.row in numbers}

    return tuple(one for one in near_concerns(found, ids=ids, excluded=excluded, lines=lines) if one.kind is LintKind.NEAR_EXCLUDED)


def ids_in_ledger(reader: LedgerReader, record: CampaignRecord) -> Callable[[Sequence[int]], Mapping[int, str]]:
    """Looks pass ids up."""
    return lambda numbers: {number: row.pass_id for number, row in reader.rows_numbered(record.id, numbers).items()}


def _take_in(finder: NearIdFinder, rows: Iterable[ResultRow], excluded: Keys) -> None:
    for some in _batches(rows):
        finder.add([row.row for row in some], [pass_key(row.pass_id) for row in some])
    for keys in excluded():
        finder.exclude(keys)


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _differ(one: str, other: str) -> str:
    return f"differ only in {' and '.join(differences(one, other))}"
