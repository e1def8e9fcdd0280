"""The page's figures are the same whichever ledger they come from, and need no more memory for a longer list."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from campaign.domain.model import Outcome, StagedRow
from campaign.domain.status import Status
from campaign.insights import view
from campaign.ledger.port import CampaignRecord, Ledger, LedgerReader
from campaign.reporter import frames
from campaign.reporter.figures import Figures, figures
from campaign.reporter.page import day_and_time, page_of
from campaign.reporter.pauses import Kind
from tests.contract.backends import HandClock, SqliteBackend
from tests.contract.given import ends, spec, staged

EVIL = "</style><script>alert('x')</script>"


def a_row(number: int) -> StagedRow:
    row = staged(number, message=f"Hi Name {number}, it is summer")
    return replace(row, cells=(row.pass_id, f"Name {number}", ("north", "south", EVIL)[number % 3]))


async def staged_campaign(ledger: Ledger, rows: int, *, name: str = "promo") -> CampaignRecord:
    record = await ledger.create(replace(spec(name), columns=("id", "name", "region")))
    for first in range(1, rows + 1, 1000):
        await ledger.stage(record.id, [a_row(number) for number in range(first, min(first + 1000, rows + 1))])
    await ledger.finish_staging(record.id, content_sha256="c")
    return record


async def sent_campaign(ledger: Ledger, clock: HandClock, *, name: str = "promo") -> CampaignRecord:
    record = await staged_campaign(ledger, 9, name=name)
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    first = await ledger.claim(runner, 6)
    shown = [Status.DELIVERED, Status.DELIVERED, Status.NOT_DELIVERED, Status.FAILED, Status.FAILED, Status.PENDING]
    settlements = []
    for claim, status in zip(first, shown, strict=True):
        settlement = ends(claim, status, reason={Status.FAILED: f"{EVIL} 500", Status.NOT_DELIVERED: "notDelivered"}.get(status, ""))
        device = EVIL if status is Status.DELIVERED else ""
        code = 429 if status is Status.PENDING else 200
        outcome = replace(settlement.outcome, sent_at=clock.wall(), http_status=code, device_type=device)
        settlements.append(replace(settlement, outcome=outcome))
    await ledger.settle(runner, settlements)
    clock.advance(5.0)
    claims = {claim.row: claim for claim in await ledger.claim(runner, 4)}
    again = claims.pop(6)
    await ledger.release(runner, list(claims.values()))
    outcome = Outcome(
        status=Status.DELIVERED, attempts=2, http_status=200, sent_at=clock.wall(), settled_at=clock.wall(), latency_seconds=2.0
    )
    await ledger.settle(runner, [replace(ends(again, Status.DELIVERED), outcome=outcome)])
    await ledger.deregister_runner(runner, "limit")
    return record


async def checked_list(ledger: Ledger, reader: LedgerReader, clock: HandClock, *, name: str = "promo") -> Figures:
    await sent_campaign(ledger, clock, name=name)
    record = reader.campaign(name)
    assert record is not None
    return figures(reader, view(reader, record), by="region", now=clock.wall())


async def test_every_figure_is_what_the_ledger_holds(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    found = await checked_list(ledger, reader, clock)
    counts = found.view.counts
    counted = reader.counts(found.view.record.id)
    assert counts.by_status == counted.by_status
    assert {key: count for key, count in counts.by_reason.items() if key[1]} == counted.by_reason
    assert {status: count for status, count in counts.by_status.items() if count} == {
        Status.DELIVERED: 3,
        Status.NOT_DELIVERED: 1,
        Status.FAILED: 2,
        Status.PENDING: 3,
    }
    assert found.examples[Status.FAILED, f"{EVIL} 500"] == (4, 5)
    by_attempts = found.by_attempts.to_dict("index")
    assert {number: {status: count for status, count in line.items() if count} for number, line in by_attempts.items()} == {
        1: {"delivered": 2, "not_delivered": 1, "failed": 2},
        2: {"delivered": 1},
    }
    assert (found.sends, found.throttled, found.timeline.sends["throttled"].sum()) == (7, 1, 1)
    assert (found.latencies.count, found.latencies.percentile_ms(50), found.latencies.percentile_ms(100)) == (6, 500, 2000)
    assert {line["value"]: line["rows"] for line in found.by_device} == {"": 7, EVIL: 2}
    assert found.by_column is not None
    assert {line["value"]: line["rows"] for line in found.by_column} == {"north": 3, "south": 3, EVIL: 3}
    assert [text for text, _ in found.shared_texts()] == ["Hi «name», it is summer"]
    assert found.timeline.total == 7


async def test_hours_of_waiting_are_no_time_at_work(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    """It was begun in the evening, and its window opened an hour later: the first message is of then, and so is its pace."""
    record = await staged_campaign(ledger, 9)
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    begun = clock.wall()
    clock.advance(3600.0)
    for claim in await ledger.claim(runner, 5):
        settlement = ends(claim, Status.DELIVERED)
        await ledger.settle(runner, [replace(settlement, outcome=replace(settlement.outcome, sent_at=clock.wall()))])
        clock.advance(2.0)
    await ledger.deregister_runner(runner, "limit")
    found = figures(reader, view(reader, reader.campaign("promo") or record), now=clock.wall())
    assert found.first_sent_at == begun + 3600.0
    assert (found.working_seconds, found.pauses.seconds(kind=Kind.HOURS), found.sends_per_second) == (10.0, 3600.0, 0.5)
    page = page_of(found).decode()
    assert day_and_time(begun + 3600.0) in page
    assert "30.0 a minute" in page


async def test_nothing_that_a_list_or_an_answer_holds_is_more_than_text(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    page = page_of(await checked_list(ledger, reader, clock, name=f"promo {EVIL}")).decode()
    assert "<script" not in page
    assert page.count("</style>") == 1 + page.count("<svg")
    assert page.count("&lt;/style&gt;&lt;script&gt;") >= 4
    assert "pass-" not in page
    assert "Name 1" not in page


async def test_a_campaign_of_which_nothing_was_sent_has_a_page_too(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    for name, rows in (("none", 0), ("ready", 3)):
        record = await staged_campaign(ledger, rows, name=name)
        page = page_of(figures(reader, view(reader, reader.campaign(name) or record), now=clock.wall())).decode()
        assert ("(100 %)" in page) is (rows > 0)
        assert "<svg" not in page


async def test_the_axes_of_one_row_that_failed_count_whole_rows(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await staged_campaign(ledger, 1)
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    (claim,) = await ledger.claim(runner, 1)
    settlement = ends(claim, Status.FAILED, reason="http_404")
    await ledger.settle(runner, [replace(settlement, outcome=replace(settlement.outcome, sent_at=clock.wall()))])
    await ledger.deregister_runner(runner, "finished")
    page = page_of(figures(reader, view(reader, reader.campaign("promo") or record), now=clock.wall())).decode()
    # The axes: 0, 0.25, ... 1 message a second, and whole rows.
    assert ">0.25<" in page
    assert page.count(">0<") >= 4


async def test_a_list_ten_times_as_long_takes_no_more_memory(tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "FRAME_ROWS", 512)
    backend = SqliteBackend(tmp_path / "campaign.db", clock)
    ledger, reader = backend.ledger(), backend.reader()
    peaks = []
    for rows in (1_500, 15_000):
        record = await staged_campaign(ledger, rows, name=str(rows))
        seen = view(reader, record)
        # What is made once, such as the library's tables, is not the list's.
        figures(reader, seen, by="region", now=clock.wall())
        tracemalloc.start()
        figures(reader, seen, by="region", now=clock.wall())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    await backend.close()
    assert peaks[1] < 1.5 * peaks[0] + 100_000
