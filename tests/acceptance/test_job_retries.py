"""A job that sends rows again, chosen by status, reason and answer; the simulator's audit tells who got one."""

import json

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.test_jobs import write_job
from tests.acceptance.test_reruns import table
from tests.examples import slow_after

MESSAGE = ("--message", "Hi {{ first_name }}")


@pytest.fixture
def failed(desk: Desk) -> dict[str, str]:
    """A campaign of which some rows were answered 404, some 422; the answers by pass. Nothing fails any more."""
    desk.simulator.set_faults(faults={"unprocessable": 0.3}, missing=["pass-00001", "pass-00002"])
    desk.make_list(20)
    desk.run("run", "list.csv", *MESSAGE, code=3)
    desk.simulator.set_faults(faults={}, missing=[])
    desk.simulator.reset()
    answers = {row["pass_id"]: row["delivery_http_status"] for row in table(desk.folder / "list.results.failed.csv")}
    assert set(answers.values()) == {"404", "422"}
    return answers


def answered(failed: dict[str, str], code: str) -> set[str]:
    return {pass_id for pass_id, found in failed.items() if found == code}


@pytest.mark.parametrize(
    ("line", "code"),
    slow_after(1, [("http_status = 422", "422"), ('http_status = ["422", "409"]', "422"), ('reason = "http_404"', "404")], unpack=True),
)
def test_only_the_rows_that_are_meant_are_sent_and_then_there_is_nothing_to_do(
    desk: Desk, failed: dict[str, str], line: str, code: str
) -> None:
    job = write_job(desk, f'command = "retry"\ncampaign = "list"\n{line}\n')
    assert desk.json("run", job, code=3)["by_status"]["failed"] == len(failed) - len(answered(failed, code))
    assert set(desk.sent()) == answered(failed, code)
    # Other rows still fail, but they are not this job's.
    assert desk.json("run", job)["exit_code"] == 0
    assert {len(texts) for texts in desk.sent().values()} == {1}
    assert set(desk.sent()) == answered(failed, code)


def test_both_have_to_hold(desk: Desk, failed: dict[str, str]) -> None:
    job = write_job(desk, 'command = "retry"\ncampaign = "list"\nstatus = "failed"\nreason = "http_404"\nhttp_status = 422\n')
    desk.run("run", job)
    assert desk.sent() == {}
    assert set(failed.values()) == {"404", "422"}


def test_what_a_job_would_send_again_is_told_by_looking_through(desk: Desk) -> None:
    (desk.folder / "jobs").mkdir()
    write_job(desk, 'command = "retry"\ncampaign = "list"\nreason = "timeout"\nhttp_status = [404, 422]\n', "jobs/again.toml")
    [found] = json.loads(desk.run("jobs", "check", "jobs", "--json").stdout)
    assert (found["statuses"], found["reasons"], found["http_statuses"]) == (["failed"], ["timeout"], [404, 422])


@pytest.mark.parametrize(
    ("lines", "says"),
    slow_after(
        1,
        [
            ("http_status = 4040", "line 3, “http_status”: "),
            ('reason = ""', "line 3, “reason”: "),
            ('reasn = "timeout"', "line 3, “reasn”: "),
        ],
        unpack=True,
    ),
)
def test_a_mistake_in_them_is_told_by_line_and_key_and_nothing_is_sent(desk: Desk, failed: dict[str, str], lines: str, says: str) -> None:
    job = write_job(desk, f'command = "retry"\ncampaign = "list"\n{lines}\n')
    assert says in desk.run("run", job, code=2).stderr
    assert desk.simulator.requests() == []
    assert failed
