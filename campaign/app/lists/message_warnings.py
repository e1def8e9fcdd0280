"""Warnings before messages are sent: texts that seem wrong, and ids that a person takes for one pass and PassEntry for two."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from campaign.domain.lists.lint import lint, shortened
from campaign.domain.lists.lint_findings import LintFinding, LintKind
from campaign.domain.lists.near_ids import differences, near_key
from campaign.domain.lists.pass_ids import pass_key
from campaign.domain.lists.sheet import SheetLines, place
from campaign.domain.model import ResultRow
from campaign.domain.status import OPEN, Status
from campaign.domain.text.lines import shown
from campaign.ledger.port import CampaignRecord, LedgerReader, RowMessage
from campaign.sender.api.api_url import ApiUrl
from campaign.settings import Settings

if TYPE_CHECKING:
    from campaign.loader.repeats import NearIds

FIRST_ROWS: Final = 10
FIRST_MESSAGES: Final = 1_000
"""How many messages are examined where nobody is asked: for all of a million it takes 20 s."""
_WRONG: Final = frozenset({LintKind.PLACEHOLDER, LintKind.EMPTY_MERGE, LintKind.MOJIBAKE, LintKind.BROKEN_LINK})
"""Kinds that nobody means to send."""
_GROUPS_SHOWN: Final = 5
_AT_ONCE: Final = 20_000
_CHARACTERS_AT_ONCE: Final = 8 << 20
LastTexts = Callable[[Sequence[str]], Mapping[str, str]]
"""Maps pass keys to the last text that was sent to each; passes without one are left out."""


class Tell(Protocol):
    """Shows a sentence under the name of an event, before anything is sent."""

    def __call__(self, event: str, sentence: str, /, *, level: str = "warning", **details: object) -> None: ...


class MessageLinter:
    """Collects the lint findings, message by message."""

    def __init__(self, *, lock_screen: int, last_texts: LastTexts | None) -> None:
        self._lock_screen = lock_screen
        self._last_texts = last_texts
        self._counts: dict[LintKind, int] = {}
        self._rows: dict[LintKind, list[int]] = {}
        self._examples: dict[LintKind, str] = {}

    def look_at(self, rows: Sequence[RowMessage | ResultRow]) -> None:
        """Examine some rows, in the list's order."""
        for index, match in lint([row.message for row in rows], lock_screen=self._lock_screen):
            self._note(match.kind, rows[index].row, match.excerpt)
        if self._last_texts is None:
            return
        keys = [pass_key(row.pass_id) for row in rows]
        last_texts = self._last_texts(keys)
        for row, key in zip(rows, keys, strict=True) if last_texts else ():
            if last_texts.get(key) == row.message:
                self._note(LintKind.SAME_AS_LAST, row.row, shortened(row.message))

    def found(self) -> tuple[LintFinding, ...]:
        """The findings so far, the most serious first."""
        return tuple(
            LintFinding(kind=kind, count=self._counts[kind], rows=tuple(self._rows[kind]), example=self._examples[kind])
            for kind in LintKind
            if kind in self._counts
        )

    def _note(self, kind: LintKind, row: int, excerpt: str) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] == 1:
            self._examples[kind] = excerpt
        first = self._rows.setdefault(kind, [])
        if len(first) < FIRST_ROWS:
            first.append(row)


def findings_of(rows: Iterable[RowMessage | ResultRow], *, settings: Settings, ledger: LedgerReader | None) -> tuple[LintFinding, ...]:
    """The lint findings in the messages of these rows, in their order. `ledger` has the earlier messages of passes, if there is one."""
    linter = MessageLinter(lock_screen=settings.lock_screen, last_texts=texts_known_to(ledger, settings))
    held: list[RowMessage | ResultRow] = []
    characters = 0
    for row in rows:
        held.append(row)
        characters += len(row.message)
        if len(held) == _AT_ONCE or characters > _CHARACTERS_AT_ONCE:
            linter.look_at(held)
            held, characters = [], 0
    if held:
        linter.look_at(held)
    return linter.found()


def first_findings(record: CampaignRecord, reader: LedgerReader, settings: Settings) -> tuple[LintFinding, ...]:
    """What is surely wrong with the first messages of a campaign, for runs where nobody is asked."""
    first = islice(reader.messages(record.id, frozenset({Status.PENDING})), FIRST_MESSAGES)
    return tuple(finding for finding in findings_of(first, settings=settings, ledger=None) if finding.kind in _WRONG)


def told_by_others(rows: Iterable[ResultRow], reader: LedgerReader, settings: Settings) -> tuple[LintFinding, ...]:
    """The finding about the first failed ones of these rows whose passes another campaign has sent the same text since."""
    failed = (row for row in rows if row.outcome.status is Status.FAILED)
    findings = findings_of(islice(failed, FIRST_MESSAGES), settings=settings, ledger=reader)
    return tuple(finding for finding in findings if finding.kind is LintKind.SAME_AS_LAST)


def texts_known_to(ledger: LedgerReader | None, settings: Settings) -> LastTexts | None:
    """Looks up the last texts that were sent to passes, by the ledger."""
    if ledger is None:
        return None
    api = ApiUrl.of(settings.api_url).place
    return lambda keys: ledger.last_texts(keys, api=api)


Keys = Callable[[], Iterable[Sequence[str]]]
"""Reads the keys of excluded passes, some at a time; each call begins at the start."""

Rows = Callable[[], Iterable[RowMessage | ResultRow]]
"""Streams rows; each call begins at the start."""

_ROWS_AT_ONCE: Final = 5_000
_T = TypeVar("_T")
_LEFT: Final = OPEN | {Status.UNKNOWN}
"""Unverified rows are among them, as a row that did not arrive is sent again, too."""


def near_findings(
    found: "NearIds", *, ids: Callable[[Sequence[int]], Mapping[int, str]], excluded: Keys, lines: SheetLines
) -> tuple[LintFinding, ...]:
    """The lint findings about near ids, each kind with an example. `ids` looks up the pass ids of some rows."""
    findings = []
    if found.excluded:
        row = found.excluded_rows[0]
        listed = ids([row])[row]
        key = pass_key(listed)
        other = next((one for one in chain.from_iterable(excluded()) if near_key(one) == near_key(key)), "")
        example = f"“{shown(listed)}” in {place(row, lines.of(row))} and “{shown(other)}”, which is excluded, {_differ(key, other)}"
        findings.append(LintFinding(kind=LintKind.NEAR_EXCLUDED, count=found.excluded, rows=found.excluded_rows, example=example))
    if found.duplicates:
        first, second, *_ = found.groups[0]
        texts = ids([first, second])
        named = [f"“{shown(texts[row])}” in {place(row, lines.of(row))}" for row in (first, second)]
        example = f"{' and '.join(named)} {_differ(*map(pass_key, (texts[first], texts[second])))}"
        groups = found.groups[:_GROUPS_SHOWN]
        rows = tuple(chain.from_iterable(groups))
        findings.append(LintFinding(kind=LintKind.NEAR_DUPLICATE, count=found.duplicates, rows=rows, example=example, groups=groups))
    return tuple(findings)


def near_to_send(
    reader: LedgerReader, record: CampaignRecord, *, rows: Rows | None = None, excluded: Keys = list
) -> tuple[LintFinding, ...]:
    """The lint findings about near ids among the rows of a staged campaign that are to be sent and those that were sent; reads all of them.

    `rows` are the rows to send, as they would be sent; None for those that are left of the campaign. `excluded` are excluded passes,
    besides those that the campaign excludes already.
    """
    from campaign.loader.repeats import NearIdFinder

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
    return near_findings(found, ids=ids, excluded=all_excluded, lines=record.spec.lines)


def ids_in_ledger(reader: LedgerReader, record: CampaignRecord) -> Callable[[Sequence[int]], Mapping[int, str]]:
    """A function that looks up the pass ids of rows."""
    return lambda numbers: {number: row.pass_id for number, row in reader.rows_numbered(record.id, numbers).items()}


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while some := list(islice(rest, _ROWS_AT_ONCE)):
        yield some


def _differ(one: str, other: str) -> str:
    return f"differ only in {' and '.join(differences(one, other))}"
