"""The metrics file: what Prometheus's own parser reads in it, and what it never does to the file that was there."""

import asyncio
import os
import stat
import threading
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from campaign.cli.logs import metrics
from campaign.cli.logs.metrics import Figures, MetricsWriter, render, write_metrics
from campaign.domain.errors import UsageError
from campaign.domain.model import Counts
from campaign.domain.status import Status
from tests.errors import raises

Samples = dict[tuple[str, tuple[str, ...]], float]

EVIL = 'a"b\\c\nd{}= é'
KINDS = {
    "campaign_rows": "gauge",
    "campaign_sends": "counter",
    "campaign_rate_per_second": "gauge",
    "campaign_run_in_progress": "gauge",
    "campaign_last_run_timestamp_seconds": "gauge",
}


def samples(text: bytes) -> Samples:
    """By metric and the values of its labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, tuple(sample.labels.values()))
            assert key not in found
            found[key] = sample.value
    return found


def written(path: Path, figures: Figures) -> Samples:
    write_metrics(path, figures)
    return samples(path.read_bytes())


def figures(*, campaign: str = "offer", at: float = 1000.0, exit_code: int | None = None) -> Figures:
    rows = {Status.DELIVERED: 7, Status.PENDING: 3}
    return Figures(campaign=campaign, at=at, rows=rows, sends={"delivered": 7}, rate_per_second=8.5, exit_code=exit_code)


def test_it_has_all_figures_with_help_and_type() -> None:
    text = render(figures(), {})
    assert {family.name: family.type for family in text_string_to_metric_families(text.decode())} == KINDS
    assert samples(text) == {
        ("campaign_rows", ("offer", "delivered")): 7,
        ("campaign_rows", ("offer", "pending")): 3,
        ("campaign_sends_total", ("offer", "delivered")): 7,
        ("campaign_rate_per_second", ("offer",)): 8.5,
        ("campaign_run_in_progress", ("offer",)): 1,
        ("campaign_last_run_timestamp_seconds", ("offer",)): 1000,
    }


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_name_of_a_campaign_comes_through(name: str) -> None:
    assert samples(render(figures(campaign=name), {}))["campaign_rate_per_second", (name,)] == 8.5


def test_when_it_last_succeeded_outlives_runs_that_do_not(tmp_path: Path) -> None:
    path = tmp_path / "offer.prom"
    success, complete, code = (f"campaign_last_{name}" for name in ("success_timestamp_seconds", "complete_timestamp_seconds", "exit_code"))
    assert (success, ("offer",)) not in written(path, figures())
    found = written(path, figures(campaign=EVIL, at=2000.0, exit_code=0))
    assert (found[success, (EVIL,)], found[complete, (EVIL,)], found[code, (EVIL,)]) == (2000, 2000, 0)
    # Under way, the last run that ended is another day's campaign.
    found = written(path, figures(at=3000.0))
    assert (found[success, (EVIL,)], found[code, (EVIL,)], found["campaign_run_in_progress", ("offer",)]) == (2000, 0, 1)
    found = written(path, figures(at=4000.0, exit_code=3))
    assert (found[success, (EVIL,)], found[complete, ("offer",)], found[code, ("offer",)]) == (2000, 4000, 3)
    found = written(path, figures(at=5000.0, exit_code=4))
    assert (found[success, (EVIL,)], found[complete, ("offer",)], found[code, ("offer",)]) == (2000, 4000, 4)
    assert found["campaign_run_in_progress", ("offer",)] == 0
    found = written(path, figures(at=6000.0, exit_code=0))
    assert (found[success, ("offer",)], found[complete, ("offer",)], found[code, ("offer",)]) == (6000, 6000, 0)
    assert (success, (EVIL,)) not in found


def test_it_can_be_read_by_the_collector_and_keeps_a_mode_that_was_chosen(tmp_path: Path) -> None:
    path = tmp_path / "offer.prom"
    before = os.umask(0o077)
    try:
        write_metrics(path, figures())
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        path.chmod(0o640)
        write_metrics(path, figures())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [found.name for found in tmp_path.iterdir()] == ["offer.prom"]


def test_a_file_that_is_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("pass_id\nanna\n")
    with raises(UsageError, "not_metrics", file=path):
        write_metrics(path, figures())
    assert path.read_text() == "pass_id\nanna\n"
    for place in (tmp_path, Path("/dev/null")):
        with raises(UsageError, "not_a_file", file=place):
            write_metrics(place, figures())


@pytest.mark.parametrize(
    "left", [b"", b"# HELP campaign_rows x\ncampaign_rows{campa", b"# HELP campaign_last_success_timestamp_seconds \xff"]
)
def test_a_file_that_was_cut_off_is_written_anew(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "offer.prom"
    path.write_bytes(left)
    assert written(path, figures())["campaign_rate_per_second", ("offer",)] == 8.5


class TestGauges:
    COUNTS = Counts(by_status=dict.fromkeys(Status, 0) | {Status.PENDING: 3})

    async def test_the_file_is_kept_up_to_date_while_a_run_lasts(self, tmp_path: Path) -> None:
        path = tmp_path / "offer.prom"
        kept = MetricsWriter(path, "?", every_seconds=0.02)
        with kept.of("offer", self.COUNTS):
            times: set[float] = set()
            while len(times) < 3:
                await happens()
                if path.exists():
                    found = samples(path.read_bytes())
                    assert found["campaign_rows", ("offer", "pending")] == 3
                    assert found["campaign_run_in_progress", ("offer",)] == 1
                    times.add(found["campaign_last_run_timestamp_seconds", ("offer",)])
            kept.event("throttled", retry_after_seconds=1.0)
        kept.ended(5)
        found = samples(path.read_bytes())
        assert found["campaign_sends_total", ("offer", "throttled")] == 1
        assert found["campaign_sends_total", ("offer", "delivered")] == 0
        assert found["campaign_last_exit_code", ("offer",)] == 5
        assert found["campaign_run_in_progress", ("offer",)] == 0

    async def test_a_disk_that_never_answers_holds_nothing_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked, answers = threading.Event(), threading.Event()

        def hang(_self: Path, _target: Path) -> None:
            asked.set()
            answers.wait(30)

        monkeypatch.setattr(Path, "replace", hang)
        monkeypatch.setattr(metrics, "PATIENCE_SECONDS", 0.1)
        kept = MetricsWriter(tmp_path / "offer.prom", "offer", every_seconds=0.001)
        with structlog.testing.capture_logs() as events, kept.of("offer", self.COUNTS):
            while not asked.is_set():
                await happens()
            for _ in range(20):
                await happens()
            kept.ended(0)
        answers.set()
        assert [event["event"] for event in events] == ["metrics_not_written"]

    async def test_what_can_not_be_written_is_told_once(self, tmp_path: Path) -> None:
        with structlog.testing.capture_logs() as events:
            kept = MetricsWriter(tmp_path / "nowhere" / "offer.prom", "offer", every_seconds=0.001)
            with kept.of("offer", self.COUNTS):
                for _ in range(20):
                    await happens()
            kept.ended(0)
        assert [(event["event"], event["log_level"]) for event in events] == [("metrics_not_written", "warning")]
        assert "No such file or directory" in events[0]["detail"]


async def happens() -> None:
    """Let the loop's timers and the writing thread come to their turn."""
    await asyncio.sleep(0.005)


def test_a_name_that_is_no_text_comes_through_as_far_as_it_is() -> None:
    found = samples(render(figures(campaign="a\udcffb", exit_code=0), {}))
    assert found["campaign_last_success_timestamp_seconds", ("a?b",)] == 1000
