"""What people do without meaning to: nothing is lost by it, and what is said tells the way on."""

import subprocess
import sys

import pytest

from tests.acceptance.desk import ROOT, Desk, broke_off, events


def test_a_second_campaign_of_a_list_leaves_the_results_of_the_first_alone(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"not_found": 1.0})
    desk.make_list(3)
    desk.run("run", "list.csv", "--message", "One", code=3)
    first = [(desk.folder / name).read_bytes() for name in ("list.results.csv", "list.results.failed.csv")]
    desk.simulator.set_faults(faults={})
    desk.run("run", "list.csv", "--message", "Two", "--name", "second")
    assert [(desk.folder / name).read_bytes() for name in ("list.results.csv", "list.results.failed.csv")] == first
    assert (desk.folder / "second.results.csv").exists()
    for words in (
        ("run", "list.csv", "--message", "Three", "--name", "third", "--results", "list.results.csv"),
        ("retry", "second", "--results", "list.results.csv"),
        ("report", "second", "--output", "list.results.csv"),
    ):
        assert "“list”" in desk.run(*words, code=2).stderr
    assert (desk.folder / "list.results.csv").read_bytes() == first[0]
    assert len(desk.sent()) == 3


def test_a_campaign_that_is_half_staged_is_never_taken_for_a_whole_one(desk: Desk) -> None:
    script = "import asyncio, os, signal, sys; from pathlib import Path; from campaign.ledger.sqlite import SqliteLedger; "
    script += "from tests.contract.given import spec, staged; ledger = SqliteLedger(Path(sys.argv[1]))\n"
    script += (
        "async def main():\n    record = await ledger.create(spec('list'))\n    await ledger.stage(record.id, [staged(1), staged(2)])\n"
    )
    script += "    os.kill(os.getpid(), signal.SIGKILL)\nasyncio.run(main())"
    subprocess.run([sys.executable, "-c", script, str(desk.folder / "my.db")], cwd=ROOT, check=False)
    for words in (("resume",), ("retry",), ("verify",), ("report", "-o", "out.csv"), ("pause",), ("cancel", "--yes")):
        refused = desk.run(words[0], "list", *words[1:], "--ledger", "my.db", code=2).stderr
        assert "campaign run" in refused
    assert desk.json("status", "list", "--ledger", "my.db")["state"] == "staged"
    assert not desk.sent()
    desk.make_list(3)
    desk.run("run", "list.csv", "--message", "Hi", "--ledger", "my.db")
    assert len(desk.sent()) == 3


@pytest.mark.parametrize("token", ['"a-token"', "'a-token'", "Bearer a-token"])
def test_a_token_with_quotes_or_bearer_is_refused_before_anything_is_staged(desk: Desk, token: str) -> None:
    desk.make_list(3)
    refused = desk.run("run", "list.csv", "--message", "Hi", code=2, PASSENTRY_API_KEY=token)
    assert [event["event"] for event in events(refused.stderr)] == ["run_broke_off"]
    assert broke_off(refused.stderr) == "bad_token"
    assert not desk.json("list")
    assert desk.simulator.requests() == []


def test_a_report_in_no_known_format_names_the_page_too(desk: Desk) -> None:
    desk.make_list(1)
    desk.run("run", "list.csv", "--message", "Hi")
    assert ".html" in desk.run("report", "list", "--output", "r.docx", code=2).stderr
    desk.run("report", "list", "--output", "r.html")


def test_a_hint_can_be_followed(desk: Desk) -> None:
    desk.make_list(3)
    (desk.folder / "not.csv").write_text("customer\npass-00001\n", encoding="utf-8")
    words = ("run", "list.csv", "--message", "Hi")
    # --id-column is the list's: it would not help with another file.
    refused = desk.run(*words, "--exclude", "not.csv", code=2).stderr
    assert "pass_id" in refused
    assert "--id-column" not in refused
    assert "Europe/Berlin" in (told := desk.run(*words, "--time-zone", "Europe/Berlim", code=2).stderr)
    assert "?." not in told
    (desk.folder / "not.csv").write_text("pass_id\npass-00001\n", encoding="utf-8")
    desk.simulator.set_faults(missing=["pass-00002"])
    desk.run(*words, "--exclude", "not.csv", code=3)
    assert list(desk.sent()) == ["pass-00003"]
    wrong = desk.run("retry", "list", "--status", "delivered", code=2).stderr
    assert "failed, not_delivered, unknown" in wrong
    assert "out.failed.csv" in desk.run("report", "list", "--output", "out.csv").stdout
