"""`ledger.port.LedgerReader` on PostgreSQL."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

from campaign.domain.model import Counts, ResultRow, Status
from campaign.ledger import refusals
from campaign.ledger.clock import Clock
from campaign.ledger.periods import RECENT_SECONDS
from campaign.ledger.port import CampaignRecord, Control, Outlook, ResultColumns, RunnerRecord
from campaign.ledger.postgres.address import parse
from campaign.ledger.postgres.connection import LONG_SECONDS
from campaign.ledger.postgres.looking import Looking
from campaign.ledger.postgres.lookups import Lookups
from campaign.ledger.postgres.schema import prepare
from campaign.ledger.postgres.store import Machine
from campaign.ledger.values import lot, record, result, result_columns


class PostgresReader(Lookups):
    """A ledger in a database, open for looking. Safe to use from several threads."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._address = address = parse(url)
        self._machine = Machine(prepare(address), clock=clock)
        self._look = Looking(address)

    @property
    def place(self) -> str:
        return self._address.name

    def displaced(self) -> None:
        """A database is one, wherever it is asked from."""

    def campaign(self, name: str) -> CampaignRecord | None:
        found = self._look.all("campaign_by_name", name=name)
        return record(found[0]) if found else None

    def campaigns(self) -> list[CampaignRecord]:
        return [record(values) for values in self._look.all("campaigns")]

    def counts(self, campaign: int) -> Counts:
        by_status = dict.fromkeys(Status, 0) | {
            Status(status): count for status, count in self._look.all("count_by_status", seconds=LONG_SECONDS, campaign=campaign)
        }
        by_reason = {
            (Status(status), reason): count
            for status, reason, count in self._look.all("count_by_reason", seconds=LONG_SECONDS, campaign=campaign)
        }
        return Counts(
            by_status=by_status,
            by_reason=by_reason,
            in_doubt=self._look.all("count_in_doubt", seconds=LONG_SECONDS, campaign=campaign)[0][0],
        )

    def rows(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultRow]:
        wanted = None if statuses is None else list(statuses)
        return (result(values) for values in self._look.stream("rows", campaign=campaign, statuses=wanted))

    def result_columns(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultColumns]:
        wanted = None if statuses is None else list(statuses)
        return result_columns(self._look.stream("result_columns", campaign=campaign, statuses=wanted))

    def examples(self, campaign: int, status: Status, reason: str, limit: int) -> list[tuple[int, str]]:
        found = self._look.all("examples", seconds=LONG_SECONDS, campaign=campaign, status=status.value, reason=reason, limit=limit)
        return [(row, error) for row, error in found]

    def outlook(self, campaign: int) -> Outlook:
        control, pending_in, sending, doubt_in = self._look.all("outlook", campaign=campaign)[0]
        if control is None:
            raise refusals.gone()
        return Outlook(control=Control(control), pending_in_seconds=pending_in, sending=sending, doubt_in_seconds=doubt_in)

    def recent_rate(self, campaign: int) -> float:
        count, seconds = self._look.all("recent", campaign=campaign, within=RECENT_SECONDS)[0]
        return float(count / max(seconds, 1.0)) if count else 0.0

    def zones(self, campaign: int) -> tuple[str, ...]:
        found = self._look.all("zones", campaign=campaign)
        return tuple(found[0][0]) if found else ()

    def pending_zones(self, campaign: int, only: tuple[int, ...] | None = None) -> tuple[str, ...]:
        if only is None:
            return tuple(zone for (zone,) in self._look.all("pending_zones", campaign=campaign))
        return tuple(zone for (zone,) in self._look.all("pending_zones_of", campaign=campaign, only=list(only)))

    def next_rows(self, campaign: int, count: int, *, zones: tuple[str, ...], only: tuple[int, ...] | None = None) -> tuple[int, ...]:
        values = {"limit": count, "zones": list(zones), "only": None if only is None else list(only)}
        return tuple(sorted(row for (row,) in self._look.all("next_rows", seconds=LONG_SECONDS, campaign=campaign, **values)))

    def sample(self, campaign: int, count: int, seed: int) -> tuple[int, ...]:
        rows = (row for (row,) in self._look.stream("sendable_rows", campaign=campaign))
        return tuple(sorted(heapq.nsmallest(count, rows, key=lambda row: lot(seed, row))))

    def unfinished(self, campaign: int, only: tuple[int, ...]) -> bool:
        return bool(self._look.all("unfinished", campaign=campaign, only=list(only))[0][0])

    def last_texts(self, pass_keys: Sequence[str], *, api: str) -> dict[str, str]:
        return dict(self._look.all("last_texts", seconds=LONG_SECONDS, pass_keys=list(pass_keys), api=api))

    def runners(self, campaign: int) -> list[RunnerRecord]:
        return [self._runner(values) for values in self._look.all("runners", campaign=campaign)]

    def close(self) -> None:
        self._look.close()

    def _runner(self, values: tuple[Any, ...]) -> RunnerRecord:
        runner, campaign, host, pid, username, started_at, boot, late, activity, ended_at, ended, rows_left, rows_in_need = values
        return RunnerRecord(
            id=runner,
            campaign=campaign,
            host=host,
            pid=pid,
            started_at=started_at,
            ended_at=ended_at,
            ended=ended,
            activity=activity,
            alive=not ended_at and not late and not self._machine.is_cut(runner, boot),
            username=username,
            rows_left=rows_left,
            rows_in_need=rows_in_need,
        )
