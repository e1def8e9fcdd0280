"""Sends over time as pictures: what is in them, and what is not."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from campaign.domain.status import Status
from campaign.ledger.port import Ledger, LedgerReader
from campaign.reporter.charts import latency_chart, per_second, sends_chart
from campaign.reporter.frames import attempt_frames
from campaign.reporter.svg import ticks
from campaign.reporter.timeline import STRETCHES, Timeline, length_of, timeline_of
from tests.contract.backends import HandClock, SqliteBackend
from tests.contract.given import campaign_of, ends, staged
from tests.unit.reporter_given import timeline_given

SVG = "{http://www.w3.org/2000/svg}"
BEGIN = 1_800_000_000.0


def of(*counts: dict[Status, int], seconds: int = 10, latency: float = 0.25) -> Timeline:
    return timeline_given(*counts, since=BEGIN, seconds=seconds, latency=latency)


def drawn(found: Timeline) -> tuple[bytes, bytes]:
    return (
        sends_chart(found, title="Sends", nothing="Nothing yet", again="again"),
        latency_chart(found, title="Answers", nothing="Nothing yet", mean="on average", most="slowest"),
    )


def words(picture: bytes) -> set[str]:
    return {element.text or "" for element in ET.fromstring(picture).iter(f"{SVG}text")}  # noqa: S314 - of our own making


def test_every_status_has_bars_and_a_name() -> None:
    sends, latency = drawn(of({Status.DELIVERED: 90, Status.FAILED: 3}, {}, {Status.PENDING: 2}))
    assert {"delivered", "failed", "again"} <= words(sends)
    assert {"on average", "slowest", "0 ms", "100 ms"} <= words(latency)
    bars = [float(bar.get("height", "0")) for bar in ET.fromstring(sends).iter(f"{SVG}rect") if "rect" in bar.get("class", "").split()]  # noqa: S314 - (same)
    assert len([height for height in bars if height > 0]) == 3


@pytest.mark.parametrize("found", [of(), of({}, {}), of({Status.DELIVERED: 1})])
def test_little_or_nothing_is_a_picture_too(found: Timeline) -> None:
    for picture in drawn(found):
        assert ET.fromstring(picture).tag == f"{SVG}svg"  # noqa: S314 - (same)
    if not found.total:
        assert "Nothing yet" in words(drawn(found)[0])


def test_a_picture_has_no_script_loads_nothing_and_is_the_same_each_time() -> None:
    found = of({Status.DELIVERED: 90, Status.FAILED: 3})
    for one, other in zip(drawn(found), drawn(found), strict=True):
        assert one == other
        assert b"<script" not in one
        assert b"url(" not in one
        assert b"@import" not in one
        assert one.count(b"http") == one.count(b'xmlns="http') + one.count(b'xmlns:xlink="http')
        assert b"prefers-color-scheme: dark" in one or b"prefers-color-scheme:dark" in one
        assert one.count(b"<title>") == 1


@pytest.mark.parametrize("most", [0.0, 0.003, 0.9, 1.0, 7.3, 9.0, 10.0, 99.0, 12_345.0])
def test_ticks_are_few_and_reach_the_top(most: float) -> None:
    found = ticks(most)
    assert found[0] == 0
    assert found[-1] >= most
    assert 2 <= len(found) <= 6


@pytest.mark.parametrize("most", [1, 2, 3, 9, 10, 99, 12_345])
def test_what_is_counted_has_whole_ticks(most: int) -> None:
    found = ticks(most, whole=True)
    assert found[-1] >= most
    assert 2 <= len(found) <= 6
    assert found == sorted({round(tick) for tick in found})


def test_a_tick_says_what_it_is() -> None:
    assert [per_second(tick) for tick in ticks(1.0)] == ["0", "0.25", "0.5", "0.75", "1"]
    assert [per_second(tick) for tick in ticks(10.0)] == ["0", "2.5", "5", "7.5", "10"]


@pytest.mark.parametrize("seconds", [0.0, 1.0, 57.0, 59.0, 3600.0, 86_400.0, 1e7, 1e9])
def test_no_time_is_too_long_for_the_chart(seconds: float) -> None:
    length = length_of(seconds)
    assert seconds / length <= STRETCHES
    assert length == 1 or seconds / length > 10


def test_a_coarser_timeline_has_the_same_sums() -> None:
    fine = of(*({Status.DELIVERED: place, Status.FAILED: 1} for place in range(55)))
    coarse = fine.coarser(12)
    assert len(coarse.sends) <= 12
    assert (coarse.total, coarse.since, coarse.sends["longest"].max()) == (fine.total, fine.since, 0.25)
    assert coarse.sends["delivered"].sum() == sum(range(55))
    assert {line["mean"] for line in coarse.lines()} == {0.25}


async def test_a_campaign_is_shown_from_its_first_run_to_its_last(tmp_path: Path) -> None:
    clock = HandClock()
    backend = SqliteBackend(tmp_path / "campaign.db", clock)
    ledger: Ledger = backend.ledger()
    reader: LedgerReader = backend.reader()
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 4)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    clock.advance(100.0)
    await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(runner, 3)])
    await ledger.deregister_runner(runner, "finished")
    fresh = reader.campaign("promo")
    assert fresh is not None
    found = timeline_of(attempt_frames(reader, fresh), fresh, reader.runners(fresh.id), now=clock.wall() + 1e6)
    assert found.since <= BEGIN
    assert BEGIN + 100 < found.begins[-1] + found.seconds < BEGIN + 130
    for opened in (*backend.opened,):
        await opened.close()
    reader.close()
