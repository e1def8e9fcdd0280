"""Reads records from a ledger with the statements of its backend."""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from campaign.domain.batches import Batch
from campaign.domain.model import Counts, ResultRow
from campaign.domain.row_state import RowState
from campaign.domain.status import Status
from campaign.ledger.port import CampaignRecord, DesiredState, HeldPasses, PassHolder, RowMessage, RunnerRecord
from campaign.ledger.records import AttemptColumns
from campaign.ledger.values import attempt_columns, batches, lot, record, result, row_state


class Reader(ABC):
    """The part of `ledger.port.LedgerReader` that is the same in every backend."""

    @abstractmethod
    def _all(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """All rows that a statement returns. It may be given more values than it uses."""

    @abstractmethod
    def _stream(self, statement: str, /, **values: Any) -> Iterator[tuple[Any, ...]]:
        """The same rows, a part at a time."""

    @staticmethod
    @abstractmethod
    def _list(values: Sequence[Any]) -> Any:
        """A list as the value of a parameter."""

    @abstractmethod
    def _may_send(self, runner: int, *lease: Any) -> bool:
        """Whether a runner that has not ended is alive, by the columns of its lease in the statement `runners`."""

    def campaign(self, name: str) -> CampaignRecord | None:
        found = self._all("campaign_by_name", name=name)
        return record(found[0]) if found else None

    def campaigns(self) -> list[CampaignRecord]:
        return [record(values) for values in self._all("campaigns")]

    def counts(self, campaign: int) -> Counts:
        counted = self._all("count_by_status", campaign=campaign, statuses=self._list(list(Status)))
        by_status = dict.fromkeys(Status, 0) | {Status(status): count for status, count in counted}
        by_reason = {(Status(status), reason): count for status, reason, count in self._all("count_by_reason", campaign=campaign)}
        return Counts(by_status=by_status, by_reason=by_reason, unverified=self._all("count_unverified", campaign=campaign)[0][0])

    def messages(self, campaign: int, statuses: frozenset[Status]) -> Iterator[RowMessage]:
        return map(RowMessage._make, self._stream("messages", campaign=campaign, statuses=self._list(sorted(statuses))))

    def examples(self, campaign: int, status: Status, reason: str, limit: int) -> list[tuple[int, str]]:
        return [(row, error) for row, error in self._all("examples", campaign=campaign, status=status.value, reason=reason, limit=limit)]

    def batches(self, campaign: int) -> list[Batch]:
        return batches(self._all("batches", campaign=campaign, runner=0))

    def held_passes(self, campaign: int, only: tuple[int, ...] | None = None) -> HeldPasses:
        found = self._all("held_passes", campaign=campaign, only=None if only is None else self._list(only))
        holders = (
            PassHolder(campaign=name, rows=count, worked_on=bool(worked_on), cancelled=state == DesiredState.CANCELLED)
            for _, name, count, worked_on, state in found
        )
        return HeldPasses(pending=found[0][0] if found else 0, holders=tuple(holders))

    def unidentified_batches(self, campaign: int, *, since: float) -> list[str]:
        return [name for (name,) in self._all("unidentified_batches", campaign=campaign, since=since)]

    def first_with_text(self, campaign: int, text: str) -> int | None:
        return next((row for (row,) in self._all("first_with_text", campaign=campaign, text=text)), None)

    def pending_zones(self, campaign: int, only: tuple[int, ...] | None = None) -> tuple[str, ...]:
        if only is None:
            return tuple(zone for (zone,) in self._all("pending_zones", campaign=campaign))
        return tuple(zone for (zone,) in self._all("pending_zones_of", campaign=campaign, only=self._list(only)))

    def sample(self, campaign: int, count: int, seed: int) -> tuple[int, ...]:
        rows = (row for (row,) in self._stream("sendable_rows", campaign=campaign))
        return tuple(sorted(heapq.nsmallest(count, rows, key=lambda row: lot(seed, row))))

    def unfinished(self, campaign: int, only: tuple[int, ...]) -> bool:
        return bool(self._all("unfinished", campaign=campaign, only=self._list(only))[0][0])

    def last_texts(self, pass_keys: Sequence[str], *, api: str) -> dict[str, str]:
        return dict(self._all("last_texts", pass_keys=self._list(pass_keys), api=api))

    def runners(self, campaign: int) -> list[RunnerRecord]:
        return [self._runner(values) for values in self._all("runners", campaign=campaign)]

    def _runner(self, values: tuple[Any, ...]) -> RunnerRecord:
        runner, campaign, host, pid, username, started_at, *lease, activity, ended_at, ended, rows_left, rows_needing_attention = values
        return RunnerRecord(
            id=runner,
            campaign=campaign,
            host=host,
            pid=pid,
            started_at=started_at,
            ended_at=ended_at,
            ended=ended,
            activity=activity,
            alive=not ended_at and self._may_send(runner, *lease),
            username=username,
            rows_left=rows_left,
            rows_needing_attention=rows_needing_attention,
        )

    def rows_numbered(self, campaign: int, numbers: Sequence[int]) -> dict[int, ResultRow]:
        return {values[0]: result(values) for values in self._all("rows_numbered", campaign=campaign, rows=self._list(numbers))}

    def sent_texts(self, campaign: int, numbers: Sequence[int]) -> list[tuple[int, str | None, int]]:
        return [(row, text, attempts) for row, text, attempts in self._all("sent_texts", campaign=campaign, rows=self._list(numbers))]

    def row_states(self, campaign: int, numbers: Sequence[int]) -> list[RowState]:
        return [row_state(values) for values in self._all("row_states", campaign=campaign, rows=self._list(numbers))]

    def rows_of_passes(self, campaign: int, keys: Sequence[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, key in sorted(self._all("rows_of_passes", campaign=campaign, keys=self._list(keys))):
            found.setdefault(key, []).append(row)
        return found

    def already_retried(self, campaign: int) -> frozenset[int]:
        return frozenset(row for (row,) in self._all("already_retried", campaign=campaign))

    def last_attempt(self, campaign: int) -> int:
        return int(self._all("last_attempt", campaign=campaign, since=None)[0][0])

    def attempts_by_runner(self, campaign: int) -> dict[int, int]:
        return dict(self._all("attempts_by_runner", campaign=campaign))

    def has_unfinished_purge(self) -> bool:
        return bool(self._all("unfinished_purge"))

    def attempt_columns(self, campaign: int) -> Iterator[AttemptColumns]:
        return attempt_columns(self._stream("attempt_columns", campaign=campaign))

    def pass_keys(self, campaign: int) -> Iterator[tuple[int, str, Status]]:
        return ((row, key, Status(status)) for row, key, status in self._stream("pass_keys", campaign=campaign))

    def exclusions(self, campaign: int) -> Iterator[str]:
        return (key for (key,) in self._stream("exclusions", campaign=campaign))
