"""Where a campaign stands, as it is said of one that is half staged, was never sent, or has no results yet."""

from dataclasses import replace
from pathlib import Path

import pytest

from campaign.app.preflight.check import Checked, Sample
from campaign.app.summary import in_words
from campaign.cli.screen.output import line_of, print_checked
from campaign.domain.model import CampaignState
from campaign.domain.status import Status
from campaign.insights import state_of, view
from campaign.ledger.port import DesiredState
from tests.contract.backends import Backend, HandClock, SqliteBackend
from tests.contract.given import campaign_of, ends, spec, staged
from tests.unit.test_summary import counted
from tests.unit.test_summary import view as view_of


async def half_staged(backend: Backend) -> None:
    ledger = backend.ledger()
    record = await ledger.create(spec())
    await ledger.stage(record.id, [staged(row) for row in range(1, 4)])


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return SqliteBackend(tmp_path / "campaign.db", HandClock())


async def test_one_whose_stager_is_dead_says_so_and_promises_nothing(backend: Backend) -> None:
    await half_staged(backend)
    await backend.opened[0].close()
    reader = backend.reader()
    (record,) = reader.campaigns()
    seen = view(reader, record)
    assert (seen.as_json()["state"], seen.as_json()["eta_seconds"], seen.exit_code) == ("staged", None, 5)
    assert (seen.half_staged, seen.staging, seen.counts.rows) == (True, False, 3)
    assert "campaign run LIST" in in_words(seen)
    reader.close()


async def test_one_that_is_being_staged_says_so(backend: Backend) -> None:
    await half_staged(backend)
    reader = backend.reader()
    (record,) = reader.campaigns()
    seen = view(reader, record)
    assert (seen.half_staged, seen.staging, seen.counts.rows) == (True, True, 3)
    assert "campaign" not in in_words(seen)
    await backend.opened[0].close()
    reader.close()


async def test_one_that_was_staged_and_never_sent_is_ready(backend: Backend) -> None:
    ledger, reader = backend.ledger(), backend.reader()
    record = await campaign_of(ledger, staged(1), staged(2))
    (ready,) = reader.campaigns()
    assert (view(reader, ready).state, view(reader, ready).half_staged) == (CampaignState.STAGED, False)
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    (claim,) = await ledger.claim(runner, 1)
    await ledger.settle(runner, [ends(claim, Status.DELIVERED)])
    await ledger.deregister_runner(runner, "interrupted")
    found = reader.campaign("promo")
    assert found is not None
    assert (view(reader, found).state, view(reader, found).counts.open) == (CampaignState.STOPPED, 1)
    await ledger.close()
    reader.close()


def test_a_half_staged_campaign_is_staged_whoever_works_on_it() -> None:
    counts = counted({(Status.PENDING, ""): 3})
    for activities in ((), ("staging",)):
        assert state_of(desired_state=DesiredState.STAGING, counts=counts, activities=activities, has_run=False) is CampaignState.STAGED


def test_one_without_rows_left_is_finished_also_while_processes_sign_off() -> None:
    counts = counted({(Status.DELIVERED, ""): 2, (Status.FAILED, "http_404"): 1})
    for activities in ((), ("waiting",), ("sending", "waiting")):
        for desired_state in (DesiredState.GO, DesiredState.PAUSED):
            assert state_of(desired_state=desired_state, counts=counts, activities=activities, has_run=True) is CampaignState.FINISHED


def test_only_what_is_being_sent_has_time_left_and_never_no_time() -> None:
    counts = counted({(Status.PENDING, ""): 1, (Status.DELIVERED, ""): 2})
    assert " s " not in line_of(view_of(counts, CampaignState.STOPPED, eta_seconds=0.1))
    assert " 1 s " in line_of(view_of(counts, CampaignState.SENDING, eta_seconds=0.1))


def test_results_that_are_not_there_are_not_named(tmp_path: Path) -> None:
    counts = counted({(Status.FAILED, "http_404"): 1})
    results = tmp_path / "promo.results.csv"
    text = in_words(view_of(counts, results=str(results)))
    assert "promo.results" not in text
    assert "    campaign report promo --output FILE" in text.splitlines()
    results.touch()
    text = in_words(view_of(counts, results=str(results)))
    assert f"    {results}" in text.splitlines()
    assert "promo.results.failed.csv" not in text
    assert "report" not in text
    (tmp_path / "promo.results.failed.csv").touch()
    assert "promo.results.failed.csv" in in_words(view_of(counts, results=str(results)))
    assert "promo.results.csv" in in_words(replace(view_of(counts, CampaignState.SENDING), results=str(tmp_path / "promo.results.csv")))


def test_a_single_reason_more_is_said_itself() -> None:
    nine = {(Status.FAILED, f"reason {number}"): 20 - number for number in range(9)}
    assert "reason 8" in in_words(view_of(counted(nine), results=""))
    assert "reason 8" not in in_words(view_of(counted(nine | {(Status.FAILED, "reason 9"): 1}), results=""))


def checked_results() -> Checked:
    counts = counted({(Status.PENDING, ""): 1, (Status.DELIVERED, ""): 1200, (Status.FAILED, "http_404"): 2, (Status.INVALID, "no_id"): 1})
    return Checked(
        list_name="promo.results.csv",
        description="CSV",
        counts=counts,
        problems=(),
        samples=(Sample(row=1, pass_id="p1", message="x", length=1),),
        findings=(),
        lock_screen=140,
        rate_per_second=None,
        estimated_seconds=0.0,
    )


def test_a_check_of_a_results_file_says_what_became_of_the_other_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_checked(checked_results(), as_json=False)
    with_outcomes = capsys.readouterr().out
    print_checked(replace(checked_results(), counts=counted({(Status.PENDING, ""): 1, (Status.INVALID, "no_id"): 1})), as_json=False)
    assert "1,200" in with_outcomes
    assert len(capsys.readouterr().out.splitlines()) == len(with_outcomes.splitlines()) - 1


def test_a_check_does_not_promise_the_pace_of_batches(capsys: pytest.CaptureFixture[str]) -> None:
    paced = replace(checked_results(), rate_per_second=4500.0, estimated_seconds=1.0)
    print_checked(paced, as_json=False)
    assert "4500" in capsys.readouterr().out
    print_checked(replace(paced, by_batches=True), as_json=False)
    said = capsys.readouterr().out
    assert "4500" not in said
    assert "its own pace" in said
