"""The part of `ledger.port.LedgerReader` on PostgreSQL that re-runs and histories ask."""

from collections.abc import Iterator, Sequence

from campaign.domain.model import ResultRow, Status
from campaign.ledger.postgres.connection import LONG_SECONDS
from campaign.ledger.postgres.looking import Looking
from campaign.ledger.records import AttemptRecord, Sends
from campaign.ledger.values import attempt_record, result, sends


class Lookups:
    """To be mixed into a reader."""

    _look: Looking

    def rows_numbered(self, campaign: int, numbers: Sequence[int]) -> dict[int, ResultRow]:
        return {
            values[0]: result(values)
            for values in self._look.all("rows_numbered", seconds=LONG_SECONDS, campaign=campaign, rows=list(numbers))
        }

    def rows_of_passes(self, campaign: int, keys: Sequence[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, key in self._look.all("rows_of_passes", seconds=LONG_SECONDS, campaign=campaign, keys=list(keys)):
            found.setdefault(key, []).append(row)
        return found

    def matching(
        self,
        campaign: int,
        statuses: frozenset[Status],
        *,
        reasons: frozenset[str] = frozenset(),
        http_statuses: frozenset[int] = frozenset(),
    ) -> int:
        chosen = {"statuses": list(statuses), "reasons": list(reasons), "http_statuses": list(http_statuses)}
        return int(self._look.all("matching", seconds=LONG_SECONDS, campaign=campaign, **chosen)[0][0])

    def attempts_by_runner(self, campaign: int) -> dict[int, int]:
        return dict(self._look.all("attempts_by_runner", seconds=LONG_SECONDS, campaign=campaign))

    def last_change(self, campaign: int) -> float:
        return float(self._look.all("last_change", seconds=LONG_SECONDS, campaign=campaign)[0][0])

    def sends_over_time(self, campaign: int, *, since: float, until: float, buckets: int) -> list[Sends]:
        width = (until - since) / buckets
        found = self._look.all("sends_over_time", seconds=LONG_SECONDS, campaign=campaign, since=since, until=until, width=width)
        return sends(found, since=since, width=width, buckets=buckets)

    def to_clean(self) -> bool:
        return bool(self._look.all("to_clean"))

    def attempts_by_row(self, campaign: int) -> Iterator[AttemptRecord]:
        return (attempt_record(values) for values in self._look.stream("attempts_by_row", campaign=campaign))

    def pass_keys(self, campaign: int) -> Iterator[tuple[int, str, Status]]:
        return ((row, key, Status(status)) for row, key, status in self._look.stream("pass_keys", campaign=campaign))

    def exclusions(self, campaign: int) -> Iterator[str]:
        return (key for (key,) in self._look.stream("exclusions", campaign=campaign))
