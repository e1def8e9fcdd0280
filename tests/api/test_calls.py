"""The functions against the simulator, judged by what it has processed."""

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import structlog

import campaign
from campaign.domain.status import Status
from campaign.simulator.config import ENTITY
from tests.api.lists import MESSAGE, Stream, greetings, people, sent
from tests.simulator_client import SimulatorClient

FAST: dict[str, Any] = {"message": MESSAGE, "rate": 200, "yes": True}


class TestRun:
    def test_a_dataframe_in_and_dataframes_out(self, simulator: SimulatorClient) -> None:
        rows = people(20).assign(points=range(20))
        done = campaign.run(rows, name="promo", **FAST)
        assert (done.state, done.exit_code, done.rows, done.results_file) == ("finished", 0, 20, None)
        assert done.counts["delivered"] == 20
        assert sent(simulator) == greetings(rows)
        found = done.results
        assert list(found.columns[:3]) == ["pass_id", "first_name", "points"]
        assert found["pass_id"].tolist() == rows["pass_id"].tolist()
        assert found["points"].tolist() == list(map(str, range(20)))
        assert found["delivery_row"].tolist() == list(range(1, 21))
        assert found["delivery_message"].tolist() == [f"Hi Name {row}" for row in range(1, 21)]
        assert found.dtypes.astype(str).loc["delivery_status":].to_dict() == {
            "delivery_status": "category",
            "delivery_reason": "category",
            "delivery_message": "str",
            "delivery_notification_status": "category",
            "delivery_notification_message": "str",
            "delivery_http_status": "Int32",
            "delivery_error": "str",
            "delivery_attempts": "Int32",
            "delivery_sent_at": "datetime64[ms, UTC]",
            "delivery_settled_at": "datetime64[ms, UTC]",
            "delivery_latency_ms": "float64",
            "delivery_campaign": "category",
            "delivery_row": "Int64",
        }
        assert done.failed.empty
        assert not list(Path.cwd().glob("*.csv"))

    def test_the_same_rows_again_send_nothing(self, simulator: SimulatorClient) -> None:
        rows = people(3)
        first = campaign.run(rows, name="promo", **FAST)
        table = pa.Table.from_pandas(rows)
        for again in (rows.copy(), rows.astype("category"), table, Stream(table)):
            assert campaign.run(again, name="promo", **FAST).counts == first.counts
        assert sent(simulator) == greetings(rows)

    def test_other_rows_under_the_same_name_are_refused(self, simulator: SimulatorClient) -> None:
        campaign.run(people(3), name="promo", **FAST)
        with pytest.raises(campaign.OtherContentError) as error:
            campaign.run(people(4), name="promo", **FAST)
        assert (error.value.code, error.value.campaign) == ("other_content", "promo")
        assert len(simulator.audit()) == 3

    def test_a_path_is_a_list_as_for_the_command(self, simulator: SimulatorClient) -> None:
        rows = people(3)
        rows.to_csv("promo.csv", index=False)
        done = campaign.run(Path("promo.csv"), **FAST)
        assert done.campaign == "promo"
        assert done.results_file == str(Path.cwd() / "promo.results.csv")
        assert len(pd.read_csv("promo.results.csv")) == 3
        assert sent(simulator) == greetings(rows)

    def test_results_go_to_a_file_where_one_is_named(self, simulator: SimulatorClient) -> None:
        del simulator
        done = campaign.run(people(3), name="promo", results="out.parquet", **FAST)
        assert done.results_file == str(Path.cwd() / "out.parquet")
        pd.testing.assert_series_equal(pd.read_parquet("out.parquet")["pass_id"], done.results["pass_id"])

    def test_the_rest_is_resumed_by_name(self, simulator: SimulatorClient) -> None:
        rows = people(9)
        begun = campaign.run(rows, name="promo", limit=4, **FAST)
        assert (begun.state, begun.exit_code, begun.counts["pending"]) == ("stopped", 5, 5)
        done = campaign.resume("promo", rate=200, yes=True)
        assert (done.state, done.exit_code) == ("finished", 0)
        assert sent(simulator) == greetings(rows)

    def test_a_new_ledger_is_a_warning_where_no_results_file_could_show_another_run(
        self, simulator: SimulatorClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        del simulator
        for _ in range(2):
            done = campaign.run(people(3), name="in_memory", ledger="new.db", **FAST)
        campaign.run(people(3), name="with_results", ledger="other.db", results="out.csv", **FAST)
        [told] = [record for record in caplog.records if vars(record).get("event") == "new_ledger"]
        assert (told.levelname, vars(told)["details"]["ledger"]) == ("WARNING", str(Path.cwd() / "new.db"))
        assert "`results`" in told.getMessage()
        assert "warnings" not in done.json

    def test_one_that_stops_says_why(self, simulator: SimulatorClient) -> None:
        simulator.set_faults(tokens=["another"])
        stopped = campaign.run(people(5), name="promo", **FAST)
        assert (stopped.state, stopped.exit_code, stopped.counts["pending"]) == ("stopped", 4, 5)
        known = campaign.status("promo")
        for result in (stopped, known):
            assert result.json["why"]
            assert result.json["why"] == known.json["why"]
            assert result.note.count(result.json["why"]) == 1
        simulator.set_faults(tokens=[])
        done = campaign.resume("promo", rate=200, yes=True)
        assert (done.state, done.json["why"], campaign.status("promo").note) == ("finished", "", "")
        assert len(sent(simulator)) == 5

    def test_why_nothing_could_be_sent_is_said_too(self, simulator: SimulatorClient) -> None:
        simulator.set_faults(tokens=["another"])
        stopped = campaign.run(people(5), name="promo", only_reachable=True, **FAST)
        assert (stopped.exit_code, stopped.counts["pending"]) == (4, 5)
        assert stopped.json["why"]
        assert stopped.note.count(stopped.json["why"]) == 1

    def test_results_are_a_list_that_goes_on_where_no_ledger_knows_it(self, simulator: SimulatorClient) -> None:
        rows = people(9)
        begun = campaign.run(rows, name="promo", limit=4, **FAST)
        done = campaign.run(begun.results, ledger="other.db", rate=200, yes=True)
        assert (done.campaign, done.exit_code, done.counts["delivered"]) == ("promo", 0, 9)
        assert sent(simulator) == greetings(rows)

    def test_who_is_excluded_may_be_a_dataframe_as_well(self, simulator: SimulatorClient) -> None:
        rows = people(6)
        rows.iloc[:1].to_csv("no.csv", index=False)
        done = campaign.run(rows, name="promo", exclude=["no.csv", rows.iloc[[5]]], **FAST)
        assert done.json["skipped_by_reason"] == {"excluded": 2}
        assert sent(simulator) == greetings(rows.iloc[1:5])

    def test_a_report(self, simulator: SimulatorClient) -> None:
        del simulator
        done = campaign.run(people(3), name="promo", **FAST)
        done.report("page.html", by="first_name")
        done.report(Path("rows.jsonl"))
        assert "<html" in Path("page.html").read_text(encoding="utf-8")
        assert len(pd.read_json("rows.jsonl", lines=True)) == 3


class TestCheck:
    def test_what_was_found(self, simulator: SimulatorClient) -> None:
        rows = people(4)
        rows.loc[2, "first_name"] = None
        for found in (campaign.check(rows, message=MESSAGE, name="promo"), campaign.run(rows, name="promo", dry_run=True, **FAST)):
            assert (found.exit_code, found.rows, found.counts["pending"], found.counts["invalid"]) == (3, 4, 3, 1)
            assert found.problems[["kind", "count", "first_rows"]].to_dict("records") == [
                {"kind": "missing_field", "count": 1, "first_rows": [3]}
            ]
            assert found.samples["message"].tolist() == ["Hi Name 1", "Hi Name 2", "Hi Name 4"]
            assert found.warnings.empty
        assert not simulator.audit()
        assert not Path("campaign.db").exists()


class TestRetry:
    def test_rows_that_were_corrected(self, simulator: SimulatorClient) -> None:
        simulator.set_faults(missing=["pass-00002", "pass-00003"])
        rows = people(5)
        done = campaign.run(rows, name="promo", **FAST)
        assert (done.exit_code, done.counts["failed"]) == (3, 2)
        failed = done.failed
        assert failed["delivery_reason"].tolist() == ["http_404", "http_404"]
        failed["pass_id"] = ["new-2", "new-3"]
        again = campaign.retry("promo", failed, rate=200, yes=True)
        assert (again.exit_code, again.counts["delivered"]) == (0, 5)
        assert again.results["pass_id"].tolist() == ["pass-00001", "new-2", "new-3", "pass-00004", "pass-00005"]
        assert sent(simulator) == greetings(again.results)

    def test_rows_of_another_campaign(self, simulator: SimulatorClient) -> None:
        simulator.set_faults(missing=["pass-00002"])
        failed = campaign.run(people(2), name="promo", **FAST).failed
        campaign.run(people(1), name="other", **FAST)
        with pytest.raises(campaign.UsageError) as error:
            campaign.retry("other", failed, yes=True)
        assert (error.value.code, error.value.campaign) == ("other_campaign", "other")

    def test_only_the_passes_of_a_list(self, simulator: SimulatorClient) -> None:
        simulator.set_faults(missing=["pass-00002", "pass-00003"])
        campaign.run(people(3), name="promo", **FAST)
        simulator.set_faults(missing=[])
        done = campaign.retry("promo", rows=pd.DataFrame({"id": ["pass-00003", "nobody"]}), http_status=404, rate=200, yes=True)
        assert done.counts["failed"] == 1
        assert done.json["rows_file"]["by_kind"] == {"retried": 1, "not_in_campaign": 1}
        assert campaign.retry("promo", status=["failed"], reason="http_404", rate=200, yes=True).exit_code == 0
        assert sent(simulator) == greetings(people(3))

    def test_unknown_rows_are_verified(self, simulator: SimulatorClient) -> None:
        simulator.set_faults(faults={"cut_after": 1.0})
        held = campaign.run(people(2), name="promo", on_unknown="hold", **FAST)
        assert (held.exit_code, held.counts["unknown"]) == (3, 2)
        assert campaign.verify("promo").counts["accepted"] == 2
        assert len(simulator.audit()) == 2


class TestStatus:
    def test_one_and_all_and_rows_by_status(self, simulator: SimulatorClient) -> None:
        del simulator
        for name in ("one", "two"):
            campaign.run(people(3), name=name, limit=2, **FAST)
        assert campaign.status("two").counts["pending"] == 1
        assert [seen.campaign for seen in campaign.status()] == ["two", "one"]
        assert campaign.results("two", status="pending")["delivery_row"].tolist() == [3]
        assert len(campaign.results("two", status=["delivered", "pending"])) == 3

    def test_what_there_is_not(self, simulator: SimulatorClient) -> None:
        del simulator
        campaign.run(people(1), name="one", **FAST)
        for call in (campaign.status, campaign.results, campaign.verify):
            with pytest.raises(campaign.UsageError) as error:
                call("on")
            assert (error.value.code, error.value.campaign) == ("unknown_campaign", "on")
        with pytest.raises(campaign.UsageError) as error:
            campaign.results("one", status="gone")
        assert (error.value.code, error.value.argument) == ("bad_value", "status")


class TestCampaign:
    def test_options_hold_for_every_call(self, simulator: SimulatorClient) -> None:
        promo = campaign.Campaign("promo", ledger="own.db", rate=200, yes=True, message=MESSAGE)
        rows = people(4)
        assert promo.check(rows).exit_code == 0
        assert promo.run(rows, limit=1).counts["delivered"] == 1
        promo.pause()
        assert promo.status().state == "paused"
        assert promo.resume(limit=1).counts["delivered"] == 2
        promo.cancel()
        assert promo.status().state == "cancelled"
        assert promo.results(status="skipped")["delivery_reason"].tolist() == ["cancelled"] * 2
        assert sent(simulator) == greetings(rows.iloc[:2])
        assert Path("own.db").exists()

    def test_cancelling_needs_a_word(self, simulator: SimulatorClient) -> None:
        del simulator
        promo = campaign.Campaign("promo")
        promo.run(people(2), limit=1, **FAST)
        with pytest.raises(campaign.UsageError) as error:
            promo.cancel()
        assert (error.value.code, error.value.argument) == ("needs_yes", "yes")
        promo.resume(rate=200, yes=True)
        promo.cancel()

    def test_cancelling_writes_what_was_cancelled_into_the_results_file(self, simulator: SimulatorClient) -> None:
        del simulator
        people(2).to_csv("promo.csv", index=False)
        begun = campaign.run("promo.csv", limit=1, **FAST)
        campaign.Campaign("promo").cancel(yes=True)
        assert begun.results_file is not None
        assert pd.read_csv(begun.results_file)["delivery_reason"].tolist()[1:] == ["cancelled"]


class TestQuestions:
    def test_nothing_is_sent_without_yes(self, simulator: SimulatorClient) -> None:
        with pytest.raises(campaign.UsageError) as error:
            campaign.run(people(3), name="promo", message=MESSAGE)
        assert (error.value.code, error.value.argument, error.value.messages) == ("needs_yes", "yes", 3)
        assert not simulator.audit()

    def test_a_ledger_that_was_copied(self, simulator: SimulatorClient) -> None:
        rows = people(4)
        campaign.run(rows, name="promo", limit=1, **FAST)
        shutil.copyfile("campaign.db", "copy.db")
        copy = campaign.Campaign("promo", ledger="copy.db", **FAST)
        with pytest.raises(campaign.UsageError) as error:
            copy.resume()
        assert (error.value.code, error.value.argument) == ("ledger_displaced", "moved_here")
        assert copy.resume(moved_here=True).exit_code == 0
        assert sent(simulator) == greetings(rows)

    def test_a_list_without_a_name(self, simulator: SimulatorClient) -> None:
        del simulator
        with pytest.raises(campaign.UsageError) as error:
            campaign.run(people(1), **FAST)
        assert (error.value.code, error.value.argument) == ("no_name", "name")
        assert "`name`" in str(error.value)

    @pytest.mark.parametrize(("option", "near"), [("messag", "message"), ("quiet", "quiet_period"), ("json_output", ""), ("notify", "")])
    def test_an_option_that_there_is_not(self, option: str, near: str) -> None:
        with pytest.raises(campaign.UsageError) as error:
            campaign.run(people(1), name="promo", **{option: "x"})  # type: ignore[call-overload]  # on purpose
        assert (error.value.code, error.value.option, error.value.suggestion) == ("unknown_option", option, near)

    @pytest.mark.parametrize("options", [{"rate": -1}, {"on_unknown": "maybe"}, {"halt": 0}, {"quiet_period": "soon"}])
    def test_a_value_that_can_not_be(self, options: dict[str, Any], simulator: SimulatorClient) -> None:
        with pytest.raises(campaign.UsageError) as error:
            campaign.run(people(1), name="promo", message=MESSAGE, **options)
        assert error.value.argument == next(iter(options))
        assert not simulator.audit()

    def test_what_is_no_list(self) -> None:
        for rows in ([["a"]], {"pass_id": ["a"]}, 5):
            with pytest.raises(campaign.UsageError) as error:
                campaign.check(rows, message="Hi")
            assert error.value.code == "no_list"

    def test_the_token_is_an_argument_too(self, simulator: SimulatorClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PASSENTRY_API_KEY")
        monkeypatch.delenv("PASSENTRY_API_URL")
        with pytest.raises(campaign.UsageError) as error:
            campaign.run(people(1), name="promo", **FAST)
        assert error.value.code == "no_token"
        done = campaign.run(people(1), name="promo", token="a-secret", api_url=simulator.url, **FAST)
        assert done.exit_code == 0
        assert "a-secret" not in repr(done) + str(done.json)

    @pytest.mark.parametrize(
        ("token", "code"), [("", "no_token"), (" ", "no_token"), ('"a-secret"', "bad_token"), ("Bearer a-secret", "bad_token")]
    )
    def test_a_token_that_can_not_be_one_is_refused_before_anything_else(self, token: str, code: str, simulator: SimulatorClient) -> None:
        with pytest.raises(campaign.UsageError) as error:
            campaign.run(people(1), name="promo", token=token, **FAST)
        assert (error.value.code, error.value.argument) == (code, "token")
        assert "`token`" in str(error.value)
        assert "a-secret" not in str(error.value)
        assert campaign.status() == ()
        assert not simulator.requests()


class TestLoops:
    async def test_inside_a_running_loop(self, simulator: SimulatorClient) -> None:
        rows = people(3)
        assert campaign.run(rows, name="promo", **FAST).exit_code == 0
        found = await asyncio.gather(*(campaign.arun(rows, name=name, daily_cap=0, **FAST) for name in ("one", "two")))
        assert [one.exit_code for one in found] == [0, 0]
        assert (await campaign.acheck(rows, message=MESSAGE)).exit_code == 0
        assert (await campaign.astatus("one")).state == "finished"
        assert len(await campaign.aresults("one")) == 3
        assert set(sent(simulator).values()) == {3}

    def test_progress_says_when_passes_are_only_read_back(self) -> None:
        counts = {status.value: 0 for status in Status} | {"unknown": 2}
        now = campaign.Progress(campaign="promo", rows=2, done=2, counts=counts, rate_per_second=0.4, eta_seconds=None)
        assert "/s" not in str(now)
        assert "/s" in str(replace(now, done=1))

    async def test_cancelled_it_settles_what_is_under_way(self, simulator: SimulatorClient) -> None:
        simulator.set_faults(latency=[0.3, 0.3])
        rows = people(200)

        def look(now: campaign.Progress) -> None:
            if now.done:
                run.cancel()

        run = asyncio.create_task(campaign.arun(rows, name="promo", message=MESSAGE, rate=50, yes=True, progress=look))
        with pytest.raises(asyncio.CancelledError):
            await run
        stopped = campaign.status("promo")
        assert (stopped.state, stopped.counts["unknown"], stopped.counts["sending"]) == ("stopped", 0, 0)
        assert stopped.counts["delivered"] == len(simulator.audit()) < 200
        simulator.set_faults(latency=[0, 0])
        assert (await campaign.aresume("promo", rate=1000, yes=True)).exit_code == 0
        assert sent(simulator) == greetings(rows)

    def test_two_threads_with_a_ledger_each(self, simulator: SimulatorClient) -> None:
        done: dict[str, campaign.Result] = {}
        lists = {"one": people(40), "two": people(40).assign(first_name="Bo")}

        def work(name: str) -> None:
            done[name] = campaign.run(lists[name], name="promo", ledger=f"{name}.db", token=name, **FAST)

        threads = [threading.Thread(target=work, args=(name,)) for name in lists]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {name: one.counts["delivered"] for name, one in done.items()} == {"one": 40, "two": 40}
        assert sent(simulator) == greetings(lists["one"]) + greetings(lists["two"])
        assert set(done["two"].results["delivery_message"]) == {"Hi Bo"}
        assert set(done["one"].results["delivery_message"]) == {f"Hi Name {row}" for row in range(1, 41)}


class TestProgress:
    def test_it_is_seen_where_one_waits(self, simulator: SimulatorClient) -> None:
        del simulator
        seen: list[campaign.Progress] = []
        threads = set()

        def look(now: campaign.Progress) -> None:
            seen.append(now)
            threads.add(threading.current_thread())

        campaign.run(people(20), name="promo", progress=look, **FAST | {"rate": 20})
        assert threads == {threading.current_thread()}
        assert (seen[-1].campaign, seen[-1].rows, seen[-1].done, seen[-1].counts["delivered"]) == ("promo", 20, 20, 20)
        assert [now.done for now in seen] == sorted({now.done for now in seen})

    def test_what_it_raises_stops_the_run_in_good_order(self, simulator: SimulatorClient) -> None:
        def look(now: campaign.Progress) -> None:
            if now.done:
                raise LookupError

        with pytest.raises(LookupError):
            campaign.run(people(100), name="promo", progress=look, **FAST | {"rate": 20})
        stopped = campaign.status("promo")
        assert stopped.state == "stopped"
        assert stopped.counts["delivered"] == len(simulator.audit()) < 100


def test_nothing_of_the_process_is_changed(simulator: SimulatorClient) -> None:
    del simulator

    def state() -> tuple[Any, ...]:
        root = logging.getLogger()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        return dict(os.environ), root.level, [*root.handlers], structlog.is_configured(), handlers, structlog.contextvars.get_contextvars()

    before = state()
    campaign.run(people(2), name="promo", **FAST)
    assert state() == before


def test_every_name_is_there() -> None:
    assert all(getattr(campaign, name) is not None for name in campaign.__all__)
    assert set(campaign.__all__) <= set(dir(campaign))
    with pytest.raises(AttributeError):
        campaign.nothing  # noqa: B018 - on purpose


class TestQuery:
    def test_a_query_is_a_list(self, simulator: SimulatorClient) -> None:
        pd.DataFrame({"pass_id": ["0012", "0013"], "first_name": ["Name 1", "Name 2"]}).to_parquet("crm.parquet")
        query = "duckdb:FROM 'crm.parquet' ORDER BY pass_id"
        assert campaign.check(query, message=MESSAGE).rows == 2
        done = campaign.run(query, name="promo", **FAST)
        assert done.results["pass_id"].tolist() == ["0012", "0013"]
        Path("promo.sql").write_text("FROM 'crm.parquet' ORDER BY pass_id", encoding="utf-8")
        assert campaign.run("duckdb:", query="promo.sql", **FAST).counts == done.counts
        assert sent(simulator) == {("0012", "Hi Name 1"): 1, ("0013", "Hi Name 2"): 1}


def test_who_can_be_reached_is_counted_and_alone_sent_to(simulator: SimulatorClient) -> None:
    simulator.set_pass("pass-1", status="removed")
    rows = pd.DataFrame({"pass_id": ["pass-1", "pass-2", "pass-3"]})
    assert campaign.check(rows, message="Hi there").reach is None
    reach = campaign.check(rows, message="Hi there", reach=True, name="promo").reach
    assert reach is not None
    assert {place: count for place, count in reach.items() if count} == {"in_wallet": 2, "removed": 1}
    dry = campaign.run(rows, name="promo", message="Hi there", only_reachable=True, dry_run=True)
    assert dry.reach == reach
    done = campaign.run(rows, name="promo", message="Hi there", only_reachable=True, yes=True)
    assert done.json["skipped_by_reason"] == {"not_in_wallet": 1}
    assert {sent.id for sent in simulator.audit()} == {"pass-2", "pass-3"}


def test_batches_are_an_argument_and_what_a_run_left_in_them_is_cancelled_with_its_token(
    simulator: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = campaign.run(people(4), name="sent", via="batch", entity=ENTITY, limit=2, **FAST)
    assert (done.counts["delivered"], [batch.total_recipients for batch in simulator.batches()]) == (2, [2])
    assert done.json["batches"] is None
    people(4).to_csv("list.csv", index=False)
    simulator.set_faults(validation_seconds=60.0)
    words = ("run", "list.csv", "--name", "promo", "--message", MESSAGE, "--via", "batch", "--entity", ENTITY, "--yes")
    with subprocess.Popen([sys.executable, "-m", "campaign", *words], stderr=subprocess.DEVNULL) as process:
        while len(simulator.batches()) < 2:
            time.sleep(0.05)
        process.kill()
    monkeypatch.delenv("PASSENTRY_API_KEY")
    with pytest.raises(campaign.UsageError) as error:
        campaign.Campaign("promo").cancel(yes=True)
    assert error.value.code == "batches_left"
    left = campaign.Campaign("promo").status().json["batches"]
    assert (left["rows"], left["unreleased_rows"]) == (4, 4)
    campaign.Campaign("promo", token="of-the-caller").cancel(yes=True)
    assert [batch.status for batch in simulator.batches()] == ["successful", "cancelled"]
    assert campaign.Campaign("promo").status().counts["skipped"] == 4
