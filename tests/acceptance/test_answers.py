"""What gateways, firewalls, login pages and other owners' passes do to a campaign; judged by what the simulator processed."""

import pytest

from tests.acceptance.desk import Desk
from tests.examples import slow_after

MESSAGE = ("--message", "Hi {{ first_name }}")


def test_messages_that_gateways_gave_up_on_are_told_once_also_after_a_retry(desk: Desk) -> None:
    # 8 % each of 408, 425, 499 and 460, after the API took the message.
    desk.simulator.set_faults(faults={"taken_then": 0.32})
    seen = desk.json("run", str(desk.make_list(200)), *MESSAGE)
    assert seen["by_status"]["accepted"] > 30
    assert seen["by_status"]["accepted"] + seen["by_status"]["delivered"] == 200
    desk.run("retry", "list", code=None)
    assert {len(texts) for texts in desk.sent().values()} == {1}
    assert len(desk.sent()) == 200


def test_passes_of_another_owner_fail_alone_in_one_run(desk: Desk) -> None:
    theirs = {f"pass-{row:05}" for row in (1, 100, *range(20, 77, 3))}
    desk.simulator.set_faults(forbidden=frozenset(theirs))
    seen = desk.json("run", str(desk.make_list(100)), *MESSAGE, code=3)
    assert (seen["state"], seen["failed_by_reason"]) == ("finished", {"forbidden": len(theirs)})
    assert len(desk.sent()) == 100 - len(theirs)
    assert not theirs & desk.sent().keys()
    # Two sent again alone are refused again, and the token is still not taken for revoked.
    again = desk.json("retry", "list", "--limit", "2", code=None)
    assert again["failed_by_reason"] == {"forbidden": 2}


def test_passes_of_another_owner_that_are_all_that_is_left_can_be_left_out(desk: Desk) -> None:
    path = str(desk.make_list(40))
    theirs = [f"pass-{row:05}" for row in range(1, 41)]
    desk.simulator.set_faults(forbidden=frozenset(theirs))
    assert desk.json("run", path, *MESSAGE, code=4)["by_status"]["pending"] == 40
    (desk.folder / "theirs.csv").write_text("\n".join(["pass_id", *theirs]), encoding="utf-8")
    seen = desk.json("run", path, *MESSAGE, "--exclude", "theirs.csv")
    assert (seen["state"], seen["skipped_by_reason"]) == ("finished", {"excluded": 40})
    assert desk.sent() == {}


def test_a_token_that_may_not_send_stops_the_run(desk: Desk) -> None:
    desk.simulator.set_faults(forbidden_tokens=frozenset({desk.environment["PASSENTRY_API_KEY"]}))
    seen = desk.json("run", str(desk.make_list(200)), *MESSAGE, code=4)
    assert seen["by_status"]["pending"] == 200
    desk.simulator.set_faults(forbidden_tokens=frozenset())
    assert desk.json("resume", "list")["by_status"]["delivered"] == 200


@pytest.mark.parametrize("portal", slow_after(1, ["page", "json", "302"]))
def test_somebody_else_in_passentrys_place_gets_no_message(desk: Desk, portal: str) -> None:
    path = str(desk.make_list(80))
    desk.simulator.set_faults(portal=portal)
    done = desk.run("run", path, *MESSAGE, "--json", code=4)
    assert desk.json("status", "list")["exit_code"] == 4
    assert desk.json("status", "list")["by_status"]["pending"] == 80
    assert desk.simulator.url in desk.run("status", "list").stdout
    assert {request.method for request in desk.simulator.requests()} == {"GET"}, done.stderr
    desk.simulator.set_faults(portal="")
    assert desk.json("run", path, *MESSAGE)["by_status"]["delivered"] == 80
    assert {len(texts) for texts in desk.sent().values()} == {1}


def test_verifying_against_somebody_else_concludes_nothing(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.json("run", str(desk.make_list(6)), *MESSAGE, "--on-unknown", "hold", code=3)
    desk.simulator.set_faults(portal="page", faults={})
    assert desk.json("verify", "list", code=4)["by_status"]["unknown"] == 6
    desk.simulator.set_faults(portal="")
    assert desk.json("verify", "list")["by_status"]["accepted"] == 6
    requests = len(desk.simulator.requests())
    assert "Nothing was read" in desk.run("verify", "list").stdout
    assert len(desk.simulator.requests()) == requests
    assert {len(texts) for texts in desk.sent().values()} == {1}


def test_verifying_against_another_api_or_with_another_token_is_refused_or_said(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.json("run", str(desk.make_list(3)), *MESSAGE, "--on-unknown", "hold", code=3)
    desk.simulator.set_faults(faults={})
    assert "https://api.example.com" in desk.run("verify", "list", code=2, PASSENTRY_API_URL="https://api.example.com").stderr
    said = desk.json("verify", "list", PASSENTRY_API_KEY="another-token")
    assert [one["kind"] for one in said["warnings"]] == ["other_token"]
    assert said["by_status"]["accepted"] == 3


def test_a_storm_of_429_is_waited_out_and_no_row_fails(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"throttle": 0.3}, retry_after="0.2")
    seen = desk.json("run", str(desk.make_list(30)), *MESSAGE)
    assert seen["by_status"]["delivered"] == 30
    assert desk.simulator.summary().throttled > 0
