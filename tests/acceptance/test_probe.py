"""`campaign probe`, as the owner of a key runs it."""

import signal
import time

from campaign.simulator.config import ENTITY
from tests.acceptance.desk import Desk

PROBE = ("probe", "--to", "pass-00001", "--entity", ENTITY)


def test_a_probe_prints_what_was_said_and_every_assumption_and_keeps_no_campaign(desk: Desk) -> None:
    done = desk.run(*PROBE, "--message", "A test")
    assert desk.sent() == {"pass-00001": ["A test"]}
    assert "POST /api/v1/entities/simulated-entity/messaging/wallet" in done.stdout
    assert '"message": "A test"' in done.stdout
    assert desk.environment["PASSENTRY_API_KEY"] not in done.stdout
    assert not (desk.folder / "campaign.db").exists()


def test_a_probe_without_a_terminal_sends_only_with_yes(desk: Desk) -> None:
    done = desk.run(*PROBE, code=2, CAMPAIGN_YES="false")
    assert "--yes" in done.stderr
    assert desk.simulator.batches() == []
    found = desk.json(*PROBE, "--cancel", CAMPAIGN_YES="false")
    assert (found["sent"], found["exit_code"], found["problem"]) == (False, 0, "")
    assert found["exchanges"][0]["status"] == 202
    assert [batch.status for batch in desk.simulator.batches()] == ["cancelled"]


def test_a_probe_that_finds_no_batches_says_what_passentry_said(desk: Desk) -> None:
    desk.simulator.set_faults(batches="off")
    assert "403" in desk.run(*PROBE, code=4).stdout


def test_ctrl_c_cancels_what_was_not_sent(desk: Desk) -> None:
    desk.simulator.set_faults(batch_faults={"validation_stuck": 1.0})
    process = desk.start(*PROBE)
    while not desk.simulator.batches():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert [batch.status for batch in desk.simulator.batches()] == ["cancelled"]
    assert desk.sent() == {}
