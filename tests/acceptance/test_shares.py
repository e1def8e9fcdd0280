"""Staging and sending apart, and several processes that share a campaign, by what the simulator processed."""

from tests.acceptance.desk import Desk, broke_off

STAGE = ("stage", "list.csv", "--message", "Hi {{ first_name }}")


def test_what_is_staged_is_sent_by_whoever_joins(desk: Desk) -> None:
    desk.make_list(12)
    staged = desk.run(*STAGE)
    assert "campaign send list" in staged.stdout
    assert desk.sent() == {}
    assert "was killed" not in staged.stderr
    assert not (desk.folder / "list.results.csv").exists()
    assert "It was staged before" in desk.run(*STAGE).stdout
    seen = desk.json("send", "list")
    assert (seen["state"], seen["by_status"]["delivered"], seen["exit_code"]) == ("finished", 12, 0)
    assert {len(texts) for texts in desk.sent().values()} == {1}
    assert desk.json("send", "list", "--results", "all.csv")["exit_code"] == 0
    assert len((desk.folder / "all.csv").read_text(encoding="utf-8").splitlines()) == 13


def test_staging_needs_no_token_and_tells_of_rows_that_can_not_be_sent(desk: Desk) -> None:
    desk.make_list(2)
    with (desk.folder / "list.csv").open("a", encoding="utf-8") as file:
        file.write(",Nobody\n")
    assert "1 invalid" in desk.run(*STAGE, code=3, PASSENTRY_API_KEY="").stdout


def test_each_share_sends_its_own_rows_and_answers_for_them_alone(desk: Desk) -> None:
    desk.make_list(10)
    desk.run(*STAGE)
    assert desk.json("send", "list", "--shard", "1/3")["exit_code"] == 0
    assert sorted(desk.sent()) == [f"pass-{row:05}" for row in (1, 4, 7, 10)]
    desk.simulator.set_faults(faults={"not_found": 1.0})
    assert desk.json("send", "list", "--shard", "0/3", code=3)["by_status"]["failed"] == 3
    desk.simulator.set_faults(faults={})
    assert desk.json("send", "list", "--shard", "2/3")["state"] == "finished"
    # Of a campaign that is finished, too, each answers for its own.
    assert desk.json("send", "list", "--shard", "1/3")["exit_code"] == 0
    assert desk.json("send", "list", "--shard", "0/3", code=3)["exit_code"] == 3
    assert {len(texts) for texts in desk.sent().values()} == {1}


def test_shares_that_run_together_make_the_whole(desk: Desk) -> None:
    desk.make_list(60)
    desk.run(*STAGE)
    started = [desk.start("send", "list", "--shard", f"{share}/4", "--rate", "40") for share in range(4)]
    assert [process.communicate(timeout=60)[1] and process.returncode for process in started] == [0, 0, 0, 0]
    assert len(desk.sent()) == 60
    assert {len(texts) for texts in desk.sent().values()} == {1}


def test_what_is_no_share_is_refused(desk: Desk) -> None:
    desk.make_list(2)
    desk.run(*STAGE)
    for share, says in (("4/4", "0/4"), ("1", "write 0/4"), ("-1/4", "write 0/4"), ("0/0", "there is no share")):
        assert says in desk.run("send", "list", f"--shard={share}", code=2).stderr
    assert broke_off(desk.run("send", "other", code=2).stderr) == "unknown_campaign"
    assert desk.sent() == {}


def test_a_paused_campaign_stays_paused(desk: Desk) -> None:
    desk.make_list(4)
    desk.run(*STAGE)
    desk.run("pause", "list")
    assert desk.json("send", "list", code=5)["state"] == "paused"
    assert desk.sent() == {}
