"""Lists and results in a store: the same meaning as on this machine, and nothing of anybody's secrets. moto's server is the store."""

import csv
import io
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.acceptance.desk import ROOT, Desk, broke_off
from tests.acceptance.hardship import finish, start, suspended
from tests.acceptance.store import BUCKET, KEYS, Relay, Store, serving
from tests.examples import slow_after

MESSAGE = "Hi {{ first_name }}"
LIST = "lists/promo.csv"
URL = f"s3://{BUCKET}/{LIST}"
SENDING = "lists/promo.results.sending"
RESULTS, FAILED = "lists/promo.results.csv", "lists/promo.results.failed.csv"


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with serving() as store:
        yield store


@pytest.fixture
def store(server: Store) -> Store:
    server.empty()
    return server


@pytest.fixture
def desk(desk: Desk, store: Store) -> Iterator[Desk]:
    """With the store's credentials, and a folder of its own for temporary files, in which nothing may be left."""
    (desk.folder / "tmp").mkdir()
    desk.environment |= store.environment | {"TMPDIR": str(desk.folder / "tmp"), "AWS_EC2_METADATA_DISABLED": "true"}
    yield desk
    assert list((desk.folder / "tmp").iterdir()) == []
    assert [key for key in store.names() if "campaign-results" in key] == []
    kept = [file.read_bytes() for file in desk.folder.rglob("*") if file.is_file()]
    assert not any(KEYS["AWS_SECRET_ACCESS_KEY"].encode() in content for content in kept)


def rows(count: int) -> str:
    return "pass_id,first_name\n" + "".join(f"pass-{row:05},Name {row}\n" for row in range(1, count + 1))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def within(desk: Desk, environment: dict[str, str]) -> Desk:
    return replace(desk, environment=desk.environment | environment)


def refused(desk: Desk, *words: str, code: int = 2, **environment: str) -> str:
    """What is said when nothing may have been sent."""
    said = desk.run(*words, code=code, **environment)
    assert desk.sent() == {}
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in said.stdout + said.stderr
    return said.stdout + said.stderr


class TestRun:
    def test_the_same_list_again_is_the_same_campaign_and_results_are_beside_it(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(5) + "pass-6,\n")
        seen = desk.json("run", URL, "--message", MESSAGE, "--limit", "2", code=5)
        assert (seen["campaign"], seen["list"], seen["results"]) == ("promo", URL, f"s3://{BUCKET}/{RESULTS}")
        assert [row["delivery_status"] for row in table(store.text(RESULTS))].count("delivered") == 2
        assert len(desk.sent()) == 2
        # What a killed process goes on from is the ledger, and the list once more.
        seen = desk.json("run", URL, "--message", MESSAGE, code=3)
        assert seen["by_status"]["delivered"] == 5
        assert [row["delivery_status"] for row in table(store.text(RESULTS))] == ["delivered"] * 5 + ["invalid"]
        assert [row["pass_id"] for row in table(store.text(FAILED))] == ["pass-6"]
        said = desk.run("run", URL, "--message", MESSAGE, code=3).stdout
        assert f"\n    s3://{BUCKET}/{RESULTS}\n" in said
        assert f"campaign retry s3://{BUCKET}/{FAILED}" in said
        assert {len(texts) for texts in desk.sent().values()} == {1}

    def test_a_killed_run_goes_on_by_its_name_alone(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(30))
        process = desk.start("run", URL, "--message", MESSAGE, CAMPAIGN_RATE="20")
        try:
            until = time.monotonic() + 30
            while len(desk.sent()) < 3:
                assert time.monotonic() < until
                time.sleep(0.05)
        finally:
            process.kill()
            process.communicate()
        # Nobody could remove the copy of the list after a kill; it is its owner's alone.
        for left in (desk.folder / "tmp").iterdir():
            assert left.stat().st_mode & 0o077 == 0
            left.unlink()
        seen = desk.json("resume", "promo")
        # What was under way may have arrived: it was read back, or sent again if it had not.
        assert seen["by_status"]["delivered"] + seen["by_status"]["accepted"] == 30
        assert {row["delivery_status"] for row in table(store.text(RESULTS))} <= {"delivered", "accepted"}
        assert {len(texts) for texts in desk.sent().values()} == {1}

    @pytest.mark.parametrize("name", slow_after(1, ["promo.parquet", "promo.xlsx"]))
    def test_any_kind_of_list_is_checked_where_it_is(self, desk: Desk, store: Store, name: str) -> None:
        url = store.put(f"lists/{name}", (ROOT / "sample_data" / name).read_bytes())
        seen = desk.json("check", url, "--template", str(ROOT / "sample_data" / "templates" / "offer.txt"), code=None)
        assert (seen["list"], seen["rows"]) == (url, 504)

    @pytest.mark.parametrize("suffix", slow_after(1, [".csv", ".parquet"]))
    def test_results_go_where_they_are_wanted_and_never_over_anothers(self, desk: Desk, store: Store, suffix: str) -> None:
        path, results = str(desk.make_list(3)), f"s3://{BUCKET}/out/all{suffix}"
        assert desk.json("run", path, "--message", MESSAGE, "--results", results)["results"] == results
        before = store.get(f"out/all{suffix}")
        desk.simulator.reset()
        said = refused(desk, "run", path, "--name", "other", "--message", MESSAGE, CAMPAIGN_RESULTS=results)
        assert results in said
        assert "“list”" in said
        assert store.get(f"out/all{suffix}") == before
        desk.run("report", "list", "--output", f"s3://{BUCKET}/again{suffix}")
        assert set(store.names()) == {f"out/all{suffix}", f"again{suffix}"}

    def test_results_never_go_over_the_list(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(3))
        assert broke_off(refused(desk, "run", URL, "--message", MESSAGE, "--results", URL)) == "over_the_list"
        assert store.text(LIST) == rows(3)

    @pytest.mark.slow
    def test_who_is_excluded_there_is_not_sent_to(self, desk: Desk, store: Store) -> None:
        first, second = store.put("never 1.csv", "pass_id\npass-00002\n"), store.put("never 2.csv", "pass_id\npass-00003\n")
        seen = desk.json("run", str(desk.make_list(4)), "--message", MESSAGE, CAMPAIGN_EXCLUDE=f"{first}:{second}")
        assert seen["skipped_by_reason"] == {"excluded": 2}
        assert set(desk.sent()) == {"pass-00001", "pass-00004"}

    def test_one_message_to_oneself(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(2))
        desk.run("test", URL, "--message", MESSAGE, "--to", "my-own")
        assert desk.sent() == {"my-own": ["Hi Name 1"]}


class TestRetry:
    @pytest.mark.slow
    def test_failed_rows_are_corrected_in_the_store(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(2) + "pass-3,\n")
        desk.json("run", URL, "--message", MESSAGE, code=3)
        store.put(FAILED, store.text(FAILED).replace("pass-3,,", "pass-3,Cleo,"))
        seen = desk.json("retry", f"s3://{BUCKET}/{FAILED}", "--message", MESSAGE)
        assert seen["by_status"]["delivered"] == 3
        assert desk.sent()["pass-3"] == ["Hi Cleo"]
        assert {row["delivery_status"] for row in table(store.text(RESULTS))} == {"delivered"}
        # Nobody is left who needs attention: the file that said so would have them sent again.
        assert store.names() == [LIST, RESULTS]

    @pytest.mark.slow
    def test_results_that_no_ledger_knows_are_gone_on_from(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(6))
        desk.json("run", URL, "--message", MESSAGE, "--limit", "2", code=5)
        url = f"s3://{BUCKET}/{RESULTS}"
        seen = desk.json("run", url, CAMPAIGN_LEDGER=str(desk.folder / "other.db"))
        assert (seen["campaign"], seen["results"]) == ("promo", f"s3://{BUCKET}/lists/promo.resumed.csv")
        assert seen["by_status"]["delivered"] == 6
        assert {len(texts) for texts in desk.sent().values()} == {1}


class TestAnotherLedger:
    """What it does is found in the store, as it is in a folder."""

    @pytest.mark.parametrize(
        ("there", "again"),
        slow_after(
            1,
            [
                # Results of a list of this machine, which have a name of their own.
                (("run", f"s3://{BUCKET}/out/all.csv"), ("--results", f"s3://{BUCKET}/out/all.csv")),
                (("run", f"s3://{BUCKET}/lists/spring.results.csv"), ("--name", "spring")),
                (("run", f"s3://{BUCKET}/{RESULTS}", "--results", f"s3://{BUCKET}/lists/promo.resumed-b.csv"), ()),
            ],
            unpack=True,
        ),
    )
    def test_that_went_on_from_the_results_is_seen(self, desk: Desk, store: Store, there: tuple[str, ...], again: tuple[str, ...]) -> None:
        here = str(desk.make_list(4)) if "--results" in again else store.put(LIST, rows(4))
        words = ("run", here, "--message", MESSAGE, *again)
        desk.run(*words, "--limit", "1", code=5)
        desk.run(*there, CAMPAIGN_LEDGER=str(desk.folder / "other.db"))
        assert broke_off(desk.run(*words, code=2).stderr) == "ledger_behind_results"
        assert [len(texts) for texts in desk.sent().values()] == [1] * 4

    def test_is_told_which_one_sends_also_after_a_kill(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(12))
        other = {"CAMPAIGN_LEDGER": str(desk.folder / "other.db")}
        words = ("run", URL, "--message", MESSAGE)
        desk.run(*words, "--limit", "1", code=5)
        copy = shutil.copy(desk.environment["CAMPAIGN_LEDGER"], desk.folder / "copy.db")
        process = desk.start(*words, CAMPAIGN_RATE="4")
        desk.until(process, lambda: len(desk.sent()) >= 2)
        with suspended(process):
            for again in (words, (*words, "--results", f"s3://{BUCKET}/lists/promo.other.csv")):
                assert broke_off(desk.run(*again, code=2, **other).stderr) == "sent_from_elsewhere"
        process.kill()
        process.communicate()
        for left in (desk.folder / "tmp").iterdir():
            left.unlink()
        assert desk.environment["CAMPAIGN_LEDGER"] in store.text(SENDING)
        # A copy of the ledger has the same mark.
        desk.run("verify", "promo", code=2, CAMPAIGN_LEDGER=str(copy))
        assert SENDING in store.names()
        assert broke_off(desk.run(*words, code=2, **other).stderr) == "sent_from_elsewhere"
        desk.run(*words)
        assert SENDING not in store.names()
        assert broke_off(desk.run(*words, code=2, **other).stderr) == "ledger_without_campaign"
        assert [len(texts) for texts in desk.sent().values()] == [1] * 12

    def test_is_told_so_beside_another_campaign_whose_results_have_the_same_stem(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(12))
        other = {"CAMPAIGN_LEDGER": str(desk.folder / "other.db")}
        one = ("run", URL, "--message", MESSAGE, "--name", "one", "--results", f"s3://{BUCKET}/lists/r.csv", "--rate", "1")
        two = ("run", URL, "--message", "Another", "--name", "two", "--results", f"s3://{BUCKET}/lists/r.jsonl", "--rate", "1")
        first = desk.start(*one)
        desk.until(first, lambda: len(desk.sent()) >= 1)
        second = desk.start(*two)
        desk.until(second, lambda: "Another" in str(desk.sent()))
        with suspended(first), suspended(second):
            for words in (one, two):
                assert broke_off(desk.run(*words, code=2, **other).stderr) == "sent_from_elsewhere"
        for process in (first, second):
            process.communicate(timeout=60)
            assert process.returncode == 0
        assert not [name for name in store.names() if name.endswith(".sending")]
        assert [len(texts) for texts in desk.sent().values()] == [2] * 12

    @pytest.mark.slow
    def test_of_several_that_start_at_once_one_sends(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(12))
        words = ("run", URL, "--message", MESSAGE)
        started = [desk.start(*words, CAMPAIGN_RATE="4", CAMPAIGN_LEDGER=str(desk.folder / f"{number}.db")) for number in range(3)]
        for process in started:
            process.communicate(timeout=60)
        assert sorted(process.returncode for process in started) == [0, 2, 2]
        assert [len(texts) for texts in desk.sent().values()] == [1] * 12

    @pytest.mark.slow
    def test_results_in_another_format_are_the_campaigns_too(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(2))
        desk.run("run", URL, "--message", MESSAGE, "--results", f"s3://{BUCKET}/lists/promo.results.xlsx")
        said = desk.run("run", URL, "--message", MESSAGE, code=2, CAMPAIGN_LEDGER=str(desk.folder / "other.db"))
        assert broke_off(said.stderr) == "ledger_without_campaign"
        assert [len(texts) for texts in desk.sent().values()] == [1] * 2


class TestJobs:
    def test_the_newest_match_is_sent_unless_it_is_too_old(self, desk: Desk, store: Store) -> None:
        store.put("lists/week-2.csv", rows(9))
        store.put("lists/deeper/week-3.csv", rows(9))
        time.sleep(1.1)  # the store knows when an object was written to the second
        store.put("lists/week-1.csv", rows(3))
        job = desk.folder / "job.toml"
        text = f'list = "s3://{BUCKET}/lists/week-*.csv"\nmax_age = "1h"\nresults = "s3://{BUCKET}/out/{{list}}.csv"\n'
        text += f'message = "{MESSAGE}"\n'
        job.write_text(text, encoding="utf-8")
        checked = json.loads(desk.run("jobs", "check", str(desk.folder), "--json").stdout)
        assert "week-1" in json.dumps(checked)
        seen = desk.json("run", str(job))
        assert (seen["campaign"], seen["rows"], seen["results"]) == ("week-1", 3, f"s3://{BUCKET}/out/week-1.csv")
        # Results are newer, and match, but are no lists.
        store.put("lists/week-9.results.csv", rows(9))
        assert "“week-1”" in desk.run("run", str(job)).stdout
        assert len(desk.sent()) == 3
        job.write_text(text.replace("1h", "1s"), encoding="utf-8")
        time.sleep(1.1)
        assert broke_off(desk.run("run", str(job), code=2).stderr) == "list_too_old"
        job.write_text(text.replace("week-*", "month-*"), encoding="utf-8")
        assert broke_off(desk.run("run", str(job), code=2).stderr) == "no_list"


class TestTrouble:
    @pytest.mark.usefixtures("store")
    def test_a_store_that_can_not_be_read_at_the_end_is_no_sign_that_nothing_was_sent(self, desk: Desk) -> None:
        unread = """
from campaign.app.results import write
from campaign.domain.errors import InputError
def unreachable(*_):
    raise InputError("The store can't be reached.", code="store_failed")
write.check_not_anothers = unreachable
"""
        desk.make_list(3)
        said = finish(start(desk, "run", "list.csv", "--message", MESSAGE, "--results", f"s3://{BUCKET}/out.csv", before=unread), code=4)
        assert broke_off(said) == "results_not_written"
        assert len(desk.sent()) == 3

    def test_a_store_that_dies_in_the_middle_of_the_upload_keeps_the_old_results(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(8))
        desk.json("run", URL, "--message", MESSAGE, "--limit", "2", code=5)
        before = store.text(RESULTS)
        with Relay(store=store, fatal=f"PUT /{BUCKET}/{RESULTS}".encode()) as relay:
            said = within(desk, relay.environment | {"AWS_MAX_ATTEMPTS": "2"}).run("run", URL, "--message", MESSAGE, code=4)
            assert relay.died.is_set()
        assert broke_off(said.stderr) == "results_not_written"
        assert "campaign report promo --output FILE" in said.stderr
        assert store.text(RESULTS) == before
        assert len(desk.sent()) == 8
        desk.run("report", "promo", "--output", f"s3://{BUCKET}/{RESULTS}")
        assert {row["delivery_status"] for row in table(store.text(RESULTS))} == {"delivered"}
        assert {len(texts) for texts in desk.sent().values()} == {1}

    @pytest.mark.slow
    def test_what_is_not_there_is_said(self, desk: Desk, store: Store) -> None:
        store.put(LIST, rows(3))
        misspelt, elsewhere = f"s3://{BUCKET}/lists/prom.csv", "s3://nobodys/lists/promo.csv"
        assert f"{elsewhere}: " in refused(desk, "check", elsewhere, "--message", MESSAGE)
        for words in (
            ("run", misspelt, "--message", MESSAGE),
            ("retry", misspelt),
            ("run", URL, "--message", MESSAGE, "--exclude", misspelt),
        ):
            said = refused(desk, *words)
            assert broke_off(said) == "no_file"
            assert misspelt in said
        said = refused(desk, "run", URL, "--message", MESSAGE, "--results", elsewhere)
        assert elsewhere in said

    @pytest.mark.slow
    def test_an_empty_object_and_a_folder_are_no_lists(self, desk: Desk, store: Store) -> None:
        store.put(LIST, "")
        assert broke_off(refused(desk, "run", URL, "--message", MESSAGE)) == "empty_file"
        assert broke_off(refused(desk, "run", f"s3://{BUCKET}/lists", "--message", MESSAGE)) == "is_a_folder"

    def test_a_store_that_nobody_reaches_ends_the_run(self, desk: Desk) -> None:
        said = refused(desk, "run", URL, "--message", MESSAGE, AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="2")
        assert broke_off(said) == "store_failed"

    def test_without_credentials_it_is_said_where_to_put_them(self, desk: Desk) -> None:
        for name in KEYS:
            desk.environment.pop(name)
        desk.environment |= {"HOME": str(desk.folder), "AWS_REGION": "us-east-1"}
        assert broke_off(refused(desk, "run", URL, "--message", MESSAGE)) == "no_credentials"

    @pytest.mark.slow
    def test_a_missing_extra_is_named(self, desk: Desk) -> None:
        (desk.folder / "without").mkdir()
        (desk.folder / "without" / "s3fs.py").write_text("raise ModuleNotFoundError(name='s3fs')\n", encoding="utf-8")
        said = refused(desk, "run", URL, "--message", MESSAGE, PYTHONPATH=f"{ROOT}:{desk.folder / 'without'}")
        assert "campaign[s3]" in said


class TestPermissions:
    """A store of their own each: once it asks for credentials, it asks everybody."""

    def test_who_may_only_read_sends_nothing_that_could_not_be_reported(self, desk: Desk) -> None:
        with serving() as store:
            store.put(LIST, rows(3))
            reader = within(desk, store.ask_for_credentials("s3:GetObject", "s3:ListBucket"))
            said = refused(reader, "run", URL, "--message", MESSAGE)
            assert broke_off(said) == "store_forbidden"
            assert f"s3://{BUCKET}/{RESULTS}" in said
            reader.run("run", URL, "--message", MESSAGE, "--results", "here.csv")
            assert len(desk.sent()) == 3

    @pytest.mark.slow
    def test_who_may_not_remove_is_told_what_is_left(self, desk: Desk) -> None:
        with serving() as store:
            store.put(LIST, rows(3))
            writer = within(desk, store.ask_for_credentials("s3:GetObject", "s3:ListBucket", "s3:PutObject"))
            said = refused(writer, "run", URL, "--message", MESSAGE)
            assert re.search(
                rf"s3://{BUCKET}/lists/\.campaign-results-\w+-\w+\.tmp: It can't be removed: Access Denied\. Check whose", said
            )

    @pytest.mark.slow
    def test_who_may_not_read_is_told(self, desk: Desk) -> None:
        with serving() as store:
            store.put(LIST, rows(3))
            stranger = within(desk, store.ask_for_credentials())
            assert "Forbidden" in refused(stranger, "run", URL, "--message", MESSAGE)


class TestSecrets:
    SECRET = "hunter2/hunter3"
    WITH_SECRETS = (
        f"s3://AKIA:{SECRET}@{BUCKET}/{LIST}",
        f"s3://{SECRET.replace('/', '')}@{BUCKET}/{LIST}",
        f"{URL}?X-Amz-Signature={SECRET}",
        f"az://container/{LIST}?sig={SECRET}",
        f"abfs://container:{SECRET}@account.dfs.core.windows.net/{LIST}",
        f"https://somebody:{SECRET}@example.com/{LIST}",
    )

    @pytest.fixture
    def told(self, desk: Desk) -> Desk:
        """Where others hear how runs end, and read their figures."""
        return within(desk, {"CAMPAIGN_NOTIFY": "json://127.0.0.1:9", "CAMPAIGN_METRICS_FILE": str(desk.folder / "figures.prom")})

    @pytest.mark.parametrize("url", slow_after(2, WITH_SECRETS))
    def test_a_url_with_a_secret_is_refused_and_repeated_nowhere(self, told: Desk, url: str) -> None:
        self.check_silence(told, refused(told, "run", url, "--message", MESSAGE))

    def test_wherever_it_stands(self, told: Desk) -> None:
        url, here = self.WITH_SECRETS[0], str(told.make_list(1))
        for words in (
            ("retry", url),
            ("check", url, "--message", MESSAGE),
            ("run", here, "--message", MESSAGE, "--results", url),
            ("run", here, "--message", MESSAGE, "--exclude", url),
        ):
            self.check_silence(told, refused(told, *words))
        job = told.folder / "job.toml"
        job.write_text(f'list = "{url}"\nmessage = "Hi"\n', encoding="utf-8")
        said = refused(told, "run", str(job))
        job.unlink()
        self.check_silence(told, said)

    def check_silence(self, desk: Desk, said: str) -> None:
        kept = [file.read_text(encoding="utf-8", errors="replace") for file in desk.folder.rglob("*") if file.is_file()]
        assert not any("hunter" in text for text in [said, *kept])
        assert "URL" in said
