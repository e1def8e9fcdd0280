"""Who can be reached: counted by `check --reach`, and alone sent to with `--only-reachable`."""

import json
import signal
import time
from collections import Counter
from typing import Any

import pytest

from campaign.simulator.api.routes import Endpoint
from tests.acceptance.desk import Desk, events
from tests.acceptance.screen import Terminal
from tests.acceptance.test_jobs import write_job
from tests.acceptance.test_reruns import table

CHECK = ("check", "list.csv", "--message", "Hi {{ first_name }}", "--reach")
RUN = ("run", "list.csv", "--message", "Hi {{ first_name }}", "--only-reachable")
UNDER_WAY = 16
"""Requests whose answers a killed process may have lost."""


def passes(count: int) -> list[str]:
    return [f"pass-{row:05}" for row in range(1, count + 1)]


def organisation(desk: Desk, rows: int, **settings: Any) -> None:
    desk.make_list(rows)
    desk.simulator.set_faults(existing=frozenset(passes(rows - 1)), **settings)
    for pass_id, status in zip(passes(5), ("issued", "removed", "deactivated", "nullified", "something"), strict=True):
        desk.simulator.set_pass(pass_id, status=status)


def asked(desk: Desk, endpoint: Endpoint) -> Counter[str]:
    return Counter(request.raw_path for request in desk.simulator.requests() if request.endpoint == endpoint)


def test_a_check_counts_who_can_be_reached_in_words_and_in_json(desk: Desk) -> None:
    organisation(desk, 40)
    counts = {"in_wallet": 34, "issued": 1, "removed": 1, "deactivated": 1, "nullified": 1, "other_status": 1, "unknown_id": 1}
    assert desk.json(*CHECK)["reach"] == {"passes": 40, **counts, "unreadable": 0}
    done = desk.run(*CHECK)
    assert "40 passes read:" in done.stdout
    assert "34 in a wallet" in done.stdout
    assert "reach" not in desk.json("check", "list.csv", "--message", "Hi")
    assert desk.sent() == {}


@pytest.mark.parametrize(("endpoint", "size"), [(Endpoint.SHOW, 0), (Endpoint.LIST, 1)])
def test_a_check_that_was_killed_reads_nothing_again(desk: Desk, endpoint: Endpoint, size: int) -> None:
    # With a pass a page and some that are on none, both ways cost nearly the same.
    organisation(desk, 120, passes_per_page=size)
    process = desk.start(*CHECK, "--rate", "40")
    while len(asked(desk, endpoint)) < 30:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    before = asked(desk, endpoint).total()
    found = desk.json(*CHECK)["reach"]
    assert (found["passes"], found["in_wallet"], found["unreadable"]) == (120, 114, 0)
    every = asked(desk, endpoint)
    assert 30 <= before < every.total()
    assert every.total() - len(every) <= UNDER_WAY
    desk.run(*CHECK)
    assert asked(desk, endpoint) == every


def test_ctrl_c_keeps_what_was_read_and_says_so(desk: Desk) -> None:
    organisation(desk, 120, passes_per_page=0)
    process = desk.start(*CHECK, "--rate", "40")
    while len(asked(desk, Endpoint.SHOW)) < 30:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "120 passes are read, and kept" in err
    assert desk.json(*CHECK)["reach"]["passes"] == 120
    every = asked(desk, Endpoint.SHOW)
    assert every.total() - len(every) <= UNDER_WAY


def test_a_run_skips_who_is_in_no_wallet_after_reading_what_is_missing(desk: Desk) -> None:
    organisation(desk, 40, passes_per_page=0)
    desk.json(*CHECK)
    desk.simulator.reset()
    done = desk.json(*RUN, code=3)
    assert done["skipped_by_reason"] == {"not_in_wallet": 4}
    assert done["failed_by_reason"] == {"http_404": 1}
    assert set(desk.sent()) == {"pass-00005", *passes(39)[5:]}
    # All of them were read by the check; one is read again to see who answers.
    assert asked(desk, Endpoint.SHOW).total() <= 1
    rows = table(desk.folder / "list.results.csv")
    assert [(row["delivery_status"], row["delivery_reason"]) for row in rows[:4]] == [("skipped", "not_in_wallet")] * 4
    # Skipped for good: a pass that comes to a wallet later is not sent to by the same campaign.
    desk.simulator.set_pass("pass-00001", status="active")
    desk.run(*RUN, code=3)
    assert "pass-00001" not in desk.sent()


def test_a_run_that_is_stopped_while_it_reads_sends_nothing_and_goes_on(desk: Desk) -> None:
    organisation(desk, 80, passes_per_page=0)
    process = desk.start(*RUN, "--rate", "30")
    while len(asked(desk, Endpoint.SHOW)) < 20:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert desk.sent() == {}
    # The campaign remembers it.
    done = desk.json("resume", "list", code=3)
    assert done["skipped_by_reason"] == {"not_in_wallet": 4}
    assert len(desk.sent()) == 75


def test_a_refused_token_stops_it_before_anything_is_sent(desk: Desk) -> None:
    organisation(desk, 40, tokens=frozenset({"another"}))
    assert desk.run(*CHECK, code=4).stdout == ""
    assert "401" in desk.run(*RUN, code=4).stdout
    assert desk.sent() == {}


def test_a_job_has_it_as_a_key_and_a_dry_run_counts(desk: Desk) -> None:
    organisation(desk, 40)
    write_job(desk, 'list = "list.csv"\nmessage = "Hi {{ first_name }}"\nonly_reachable = true\n')
    assert desk.json("run", "job.toml", "--dry-run")["reach"]["issued"] == 1
    assert "reach" not in desk.json("check", "job.toml")
    assert desk.json("check", "job.toml", "--reach")["reach"]["removed"] == 1
    assert desk.json("run", "job.toml", code=3)["skipped_by_reason"] == {"not_in_wallet": 4}


def test_progress_is_told_where_there_is_no_terminal(desk: Desk) -> None:
    organisation(desk, 60, passes_per_page=0)
    told = [event for event in events(desk.run(*CHECK, "--rate", "40").stderr) if event["event"] == "reading_passes"]
    assert [told[0]["done"], told[-1]["done"], told[-1]["of"]] == [0, 60, 60]
    assert any(event["eta_seconds"] and event["rate_per_second"] for event in told)
    assert told[-1]["eta_seconds"] is None
    assert json.dumps(told).count("pass-0") == 0


def test_of_a_sample_only_its_own_passes_are_read(desk: Desk) -> None:
    organisation(desk, 40, passes_per_page=0)
    desk.run(*RUN, "--sample", "10", code=None)
    assert len(asked(desk, Endpoint.SHOW)) <= 11


def test_a_test_to_one_s_own_pass_is_sent_wherever_that_is(desk: Desk) -> None:
    organisation(desk, 3)
    words = ("test", "list.csv", "--message", "Hi {{ first_name }}", "--to", "pass-00001")
    desk.run(*words, CAMPAIGN_ONLY_REACHABLE="true")
    assert set(desk.sent()) == {"pass-00001"}


@pytest.mark.parametrize(("verb", "code"), [("pause", 5), ("cancel", 0)])
def test_a_campaign_that_is_paused_or_cancelled_is_read_no_further(desk: Desk, verb: str, code: int) -> None:
    organisation(desk, 400, passes_per_page=0)
    process = desk.start(*RUN, "--rate", "30")
    while len(asked(desk, Endpoint.SHOW)) < 10:
        time.sleep(0.02)
    desk.run(verb, "list", *(["--yes"] if verb == "cancel" else []))
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert asked(desk, Endpoint.SHOW).total() < 300
    assert desk.sent() == {}


def test_a_person_sees_how_far_it_is_and_what_ctrl_c_keeps(desk: Desk) -> None:
    organisation(desk, 120, passes_per_page=0)
    with Terminal(desk, *CHECK, "--rate", "40") as terminal:
        terminal.until(r"reading passes .* [1-9]\d*/120 [\d.]+/s, about \d+ s left")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert "of 120 passes are read, and kept for 6 h" in str(terminal.screen)
    with Terminal(desk, *RUN, "--rate", "40") as terminal:
        terminal.until("reading which passes are in a wallet: .* of 120, ")
        assert terminal.end() == 3
        assert "115 delivered, 1 failed, 4 skipped" in str(terminal.screen)
