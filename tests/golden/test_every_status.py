"""What is written of a campaign of every status: results files byte for byte, or value by value, and every figure that is reported."""

import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from campaign.app.results.stats import Joined, read_redemptions
from campaign.app.results.write import write
from campaign.cli.screen.stats_table import lines_of_rates, lines_side_by_side, lines_with_tabs
from campaign.domain.status import Status
from campaign.insights import view
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.charts import sends_series
from campaign.reporter.comparison import Comparison, rates
from campaign.reporter.figures import Figures, figures
from campaign.reporter.page import sends_table
from campaign.reporter.pauses import Kind
from campaign.settings import Settings
from tests.contract.backends import HandClock, SqliteBackend
from tests.contract.given import campaign_of, staged
from tests.golden.every_status import COLUMNS, everything_happened
from tests.golden.files import KEPT, REWRITE, Golden


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@dataclass(frozen=True, kw_only=True)
class Happened:
    reader: LedgerReader
    record: CampaignRecord
    now: float

    def figures(self, *, by: str = "", record: CampaignRecord | None = None) -> Figures:
        return figures(self.reader, view(self.reader, record or self.record), by=by, now=self.now)


@pytest.fixture
async def happened(tmp_path: Path) -> AsyncIterator[Happened]:
    clock = HandClock()
    backend = SqliteBackend(tmp_path / "campaign.db", clock)
    ledger, reader = backend.ledger(), backend.reader()
    await campaign_of(ledger, staged(1), name="other")
    record = await everything_happened(ledger, reader, clock)
    yield Happened(reader=reader, record=record, now=clock.wall())
    await backend.close()


def keep(name: str, data: bytes) -> None:
    """Compare with a file, byte for byte."""
    path = KEPT / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_bytes(data)
    assert data.decode().split("\n") == path.read_bytes().decode().split("\n"), REWRITE


def as_text(found: dict[str, Any]) -> str:
    """A line for each figure."""
    return "\n".join(f"{name}: {json.dumps(value, ensure_ascii=False, sort_keys=True)}" for name, value in found.items())


def by_status(line: dict[str, Any]) -> dict[str, int]:
    return {status.value: line[status] for status in sorted(Status) if line[status]}


def of_lines(lines: list[dict[str, Any]]) -> Any:
    return [[line["value"] or "", line["rows"], line["values"], by_status(line)] for line in lines]


def of_table(table: dict[str, Any]) -> dict[str, Any]:
    rows = [{name: line[name] for name in ("from", "throttled", "paused")} | {"by_status": by_status(line)} for line in table["rows"]]
    return {"statuses": table["statuses"], "rows": rows}


def of_figures(found: Figures) -> dict[str, Any]:
    """Every number, whatever the classes are called that hold it."""
    counts, over_time = found.view.counts, found.timeline
    return {
        "rows": counts.rows,
        "sent_to": counts.sent_to,
        "by_status": counts.by_status,
        "by_reason": {f"{status} {reason}": count for (status, reason), count in sorted(counts.by_reason.items())},
        "unverified": counts.unverified,
        "examples": {f"{status} {reason}": numbers for (status, reason), numbers in sorted(found.examples.items())},
        "latencies": [found.latencies.count, *(found.latencies.percentile_ms(part) for part in (1, 25, 50, 90, 99, 100))],
        "bands": found.latencies.bands(),
        "by_attempts": {number: by_status(line) for number, line in found.by_attempts.to_dict("index").items()},
        "by_pass_status": of_lines(found.by_pass_status),
        "by_device": of_lines(found.by_device),
        "by_column": [found.column, None if found.by_column is None else of_lines(found.by_column)],
        "wordings": [found.wordings.total(), *map(list, found.shared_texts())],
        "attempts": [found.sends, found.first_sent_at, found.throttled],
        "throttled": [over_time.sends["throttled"].tolist(), over_time.sends["throttled_again"].tolist()],
        "timeline": [over_time.since, over_time.seconds, over_time.total, over_time.most_per_second, over_time.sends["longest"].max()],
        "sends": [[line["at"], by_status(line), line["mean"], line["longest"]] for line in over_time.lines()],
        "pauses": found.pauses.each[["since", "until", "kind", "after"]].to_numpy().tolist(),
        "retried": [[line["reason"], line["sends"], line["rows"], by_status(line)] for line in found.retried],
        "retried_unexplained": found.retried_unexplained,
        "times": [found.working_seconds, found.pauses.seconds(kind=Kind.HOURS), found.sends_per_second, found.pauses.seconds()],
        "drawn": [[one.name, one.label, one.mark, one.values] for one in sends_series(over_time, found.pauses)],
        "table": of_table(sends_table(found, at_most=12)),
    }


def test_results_as_csv(happened: Happened, tmp_path: Path) -> None:
    write(happened.reader, happened.record, tmp_path / "results.csv")
    keep("every_status.csv", (tmp_path / "results.csv").read_bytes())
    keep("every_status.failed.csv", (tmp_path / "results.failed.csv").read_bytes())


def test_results_as_jsonl(happened: Happened, tmp_path: Path) -> None:
    write(happened.reader, happened.record, tmp_path / "results.jsonl")
    keep("every_status.jsonl", (tmp_path / "results.jsonl").read_bytes())


def test_every_status_parquet(happened: Happened, tmp_path: Path, golden: Golden) -> None:
    write(happened.reader, happened.record, tmp_path / "results.parquet")
    table = pq.read_table(tmp_path / "results.parquet")
    schema = [f"{field.name}: {field.type}" for field in table.schema]
    golden("\n".join([*schema, *(json.dumps(row, ensure_ascii=False, default=str) for row in table.to_pylist())]))


def test_every_status_xlsx(happened: Happened, tmp_path: Path, golden: Golden) -> None:
    write(happened.reader, happened.record, tmp_path / "results.xlsx")
    with CalamineWorkbook.from_path(tmp_path / "results.xlsx") as workbook:
        rows = workbook.get_sheet_by_index(0).to_python()
    golden("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))


def test_every_status_figures(happened: Happened, golden: Golden) -> None:
    golden("\n\n".join(as_text(of_figures(happened.figures(by=column))) for column in COLUMNS if column != "id"))


def test_every_status_compared(happened: Happened, golden: Golden) -> None:
    other = happened.reader.campaign("other")
    found = Comparison(both=(happened.figures(), happened.figures(record=other)))
    told = rates(happened.reader)
    lines = [*lines_side_by_side(found, width=100), *lines_with_tabs(found), *lines_of_rates(told, bars=True)]
    golden("\n".join([as_text(found.as_json()), as_text(told.as_json()), *lines]))


def test_every_status_converted(happened: Happened, golden: Golden, tmp_path: Path) -> None:
    redeemed = tmp_path / "redeemed.csv"
    lines = [f"pass-{number:03},2027-01-{15 + number % 9:02}" for number in range(1, 76, 3)]
    redeemed.write_text("\n".join(["pass_id,redeemed_at", *lines, "pass-001,", ",2027-01-15"]), encoding="utf-8")
    given = read_redemptions(str(redeemed), Settings.read(time_zone="UTC"), within="5d", id_column=None, time_column=None)
    joined, other = Joined(by="region"), happened.reader.campaign("other")
    assert other is not None
    one, two = (joined.of(happened.reader, record, given) for record in (happened.record, other))
    assert one is not None
    assert two is not None
    both = happened.figures(), happened.figures(record=other)
    found = Comparison(both=both, redemptions=given, conversions=(one, two), column="region")
    told = rates(happened.reader, redemptions=given, converted=lambda record: joined.of(happened.reader, record, given), column="region")
    sides = {side["campaign"]: side["conversions"] for side in found.as_json()["campaigns"]}
    printed = [*lines_with_tabs(found), *lines_of_rates(told, bars=False)]
    golden("\n".join([as_text(sides), as_text(told.as_json()["conversions"]), *printed]))
