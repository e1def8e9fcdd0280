"""Warnings of ids that are one pass to a person and two to PassEntry: within a list, and beside the excluded passes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final, TypeVar

from campaign.domain.message_lint import Concern, LintKind
from campaign.domain.model import OPEN, ResultRow, Status
from campaign.domain.near_ids import differences, near_key
from campaign.domain.sheet import SheetLines, place
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.columns import pass_key, shown
from campaign.loader.near import SHOWN, NearIdFinder, NearIds

Keys = Callable[[], Iterable[Sequence[str]]]
"""Reads the keys of excluded passes, some at a time; from the start each time."""
Rows = Callable[[], Iterable[ResultRow]]
"""Looks rows up; they are streamed, as often as they are asked for."""

_AT_ONCE: Final = 5_000
_T = TypeVar("_T")
_LEFT: Final = OPEN | {Status.UNKNOWN}
"""What reading back shows not to have arrived is sent again, too."""


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


def near_to_send(reader: LedgerReader, record: CampaignRecord, *, rows: Rows | None = None, excluded: Keys = list) -> tuple[Concern, ...]:
    """What there is about rows of a staged campaign that are to be sent, beside those that were; goes through all of them.

    Args:
        reader: the ledger.
        record: the campaign.
        rows: what is to be sent, as it would be; without them what is left of the campaign.
        excluded: passes that are left out, besides those that the campaign leaves out already.
    """

    def all_excluded() -> Iterator[Sequence[str]]:
        return chain(_batches(reader.exclusions(record.id)), excluded())

    def ids(numbers: Sequence[int]) -> Mapping[int, str]:
        changed = {row.row: row.pass_id for row in rows() if row.row in numbers} if rows is not None else {}
        return {**ids_in_ledger(reader, record)(numbers), **changed}

    to_send = bytearray(record.rows + 1)
    with NearIdFinder() as finder:
        for some in _batches(rows() if rows is not None else ()):
            finder.add([row.row for row in some], [pass_key(row.pass_id) for row in some])
            for row in some:
                to_send[row.row] = True
        for batch in _batches(reader.pass_keys(record.id)):
            others = [(number, key, status) for number, key, status in batch if not to_send[number]]
            finder.add([number for number, _, _ in others], [key for _, key, _ in others])
            if rows is None:
                for number, _, status in others:
                    to_send[number] = status in _LEFT
        for keys in all_excluded():
            finder.exclude(keys)
        found = finder.found(to_send)
    return near_concerns(found, ids=ids, excluded=all_excluded, lines=record.spec.lines)


def ids_in_ledger(reader: LedgerReader, record: CampaignRecord) -> Callable[[Sequence[int]], Mapping[int, str]]:
    """Looks pass ids up."""
    return lambda numbers: {number: row.pass_id for number, row in reader.rows_numbered(record.id, numbers).items()}


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _differ(one: str, other: str) -> str:
    return f"differ only in {' and '.join(differences(one, other))}"
