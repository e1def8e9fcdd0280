"""What to look at in the messages of a campaign before they go out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from campaign.domain.message_lint import Concern, LintKind
from campaign.domain.model import ResultRow
from campaign.ledger.port import LedgerReader
from campaign.loader.columns import pass_key
from campaign.loader.messages.lint import lint, shortened
from campaign.sender.api_url import Endpoint
from campaign.settings import Settings

FIRST_ROWS: Final = 10
_AT_ONCE: Final = 2000

LastTexts = Callable[[Sequence[str]], Mapping[str, str]]
"""From pass keys to the last text that each such pass was sent; without those that have none."""


class Concerns:
    """Counts what there is to look at, message by message."""

    def __init__(self, *, lock_screen: int, last_texts: LastTexts) -> None:
        self._lock_screen = lock_screen
        self._last_texts = last_texts
        self._counts: dict[LintKind, int] = {}
        self._rows: dict[LintKind, list[int]] = {}
        self._examples: dict[LintKind, str] = {}

    def look_at(self, rows: Sequence[ResultRow]) -> None:
        """Take some rows in, in the list's order."""
        for index, match in lint([row.message for row in rows], lock_screen=self._lock_screen):
            self._note(match.kind, rows[index].row, match.excerpt)
        keys = [pass_key(row.pass_id) for row in rows]
        last_texts = self._last_texts(keys)
        for row, key in zip(rows, keys, strict=True) if last_texts else ():
            if last_texts.get(key) == row.message:
                self._note(LintKind.SAME_AS_LAST, row.row, shortened(row.message))

    def found(self) -> tuple[Concern, ...]:
        """What there is so far, gravest first."""
        return tuple(
            Concern(kind=kind, count=self._counts[kind], rows=tuple(self._rows[kind]), example=self._examples[kind])
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


def concerns_of(rows: Iterable[ResultRow], *, settings: Settings, ledger: LedgerReader | None) -> tuple[Concern, ...]:
    """What there is to look at in the messages of these rows.

    Args:
        rows: in the list's order.
        settings: say how much a lock screen shows, and which API's passes are meant.
        ledger: where it stands what passes were sent before; None if there is none yet.
    """
    concerns = Concerns(lock_screen=settings.lock_screen, last_texts=texts_known_to(ledger, settings))
    rest = iter(rows)
    while batch := list(islice(rest, _AT_ONCE)):
        concerns.look_at(batch)
    return concerns.found()


def texts_known_to(ledger: LedgerReader | None, settings: Settings) -> LastTexts:
    """The last texts that a ledger knows passes to have been sent."""
    if ledger is None:
        return lambda _: {}
    api = Endpoint.of(settings.api_url).place
    return lambda keys: ledger.last_texts(keys, api=api)
