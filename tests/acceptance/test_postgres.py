"""The command on a ledger in a real PostgreSQL server: many share a campaign, and whatever is killed, everybody is told once."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.desk import Desk, broke_off
from tests.contract import postgres_server
from tests.contract.postgres_server import ASKED_FOR_A_PASSWORD, Server
from tests.examples import slow_after

MESSAGE = "Hi {{ first_name }}, 20% off until Sunday"
SECRET = "S3cret-of-the-ledger"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server.running() as server:
        server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN SUPERUSER PASSWORD '{SECRET}'")
        yield server


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    name = server.database()
    yield name
    server.drop(name)


@pytest.fixture
def desk(desk: Desk, server: Server, database: str) -> Desk:
    """With a ledger whose URL holds a password."""
    desk.environment |= {
        "CAMPAIGN_LEDGER": server.url(database, user=f"{ASKED_FOR_A_PASSWORD}:{SECRET}"),
        "XDG_DATA_HOME": str(desk.folder / "data"),
    }
    return desk


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_several_share_a_campaign_and_neither_a_kill_nor_a_restart_of_the_server_tells_anybody_twice(desk: Desk, server: Server) -> None:
    words = ("run", str(desk.make_list(400)), "--message", MESSAGE, "--json")
    first = desk.start(*words)
    wait_for(lambda: len(desk.sent()) > 20)
    marker = (desk.folder / "list.results.sending").read_text(encoding="utf-8")
    assert "postgresql:///" in marker
    assert SECRET not in marker
    second = desk.start("resume", "list", "--json")
    wait_for(lambda: len(desk.sent()) > 80)
    first.kill()
    first.communicate(timeout=30)
    wait_for(lambda: len(desk.sent()) > 130)
    server.stop()
    server.start()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, f"{out}\n{err}"
    seen = desk.json(*words[:-1])
    assert seen["by_status"]["delivered"] + seen["by_status"]["accepted"] == 400
    assert {len(texts) for texts in desk.sent().values()} == {1}
    assert len(desk.sent()) == 400


def test_every_command_takes_it(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"unprocessable": 0.2})
    seen = desk.json("run", str(desk.make_list(60)), "--message", MESSAGE, "--limit", "40", code=5)
    assert seen["by_status"]["pending"] == 20
    desk.simulator.set_faults(faults={})
    assert desk.json("status", "list", code=None)["by_status"] == seen["by_status"]
    assert desk.json("resume", "list", code=None)["by_status"]["pending"] == 0
    assert desk.json("retry", "list")["by_status"]["delivered"] == 60
    assert "list" in desk.run("list").stdout
    assert "finished" in desk.run("show", "list").stdout
    desk.run("report", "list", "--output", "all.xlsx")
    desk.run("run", "list.results.csv", CAMPAIGN_LEDGER=str(desk.folder / "file.db"))
    assert desk.json("status", "list", CAMPAIGN_LEDGER=str(desk.folder / "file.db"))["by_status"]["delivered"] == 60


def test_a_check_makes_no_ledger_and_asks_the_one_there_is(desk: Desk, server: Server, database: str) -> None:
    path = desk.make_list(5)
    desk.json("check", str(path), "--message", MESSAGE)
    assert server.run("SELECT count(*) FROM pg_namespace WHERE nspname = 'campaign'", database=database) == [(0,)]
    desk.json("run", str(path), "--message", MESSAGE)
    assert "sent_before" in desk.run("check", str(path), "--message", MESSAGE).stderr


def test_only_passes_in_a_wallet_are_sent_to_by_what_this_machine_has_read(desk: Desk) -> None:
    desk.simulator.set_pass("pass-00002", status="issued")
    path = str(desk.make_list(5))
    assert desk.json("check", path, "--message", MESSAGE, "--reach")["reach"]["issued"] == 1
    assert (desk.folder / "data" / "campaign" / "readings.db").is_file()
    assert desk.json("run", path, "--message", MESSAGE, "--only-reachable")["skipped_by_reason"] == {"not_in_wallet": 1}
    assert set(desk.sent()) == {f"pass-{row:05}" for row in (1, 3, 4, 5)}


class TestSecret:
    def test_it_is_in_nothing_that_is_printed_logged_kept_or_listed(self, desk: Desk, server: Server, database: str) -> None:
        words = ("run", str(desk.make_list(150)), "--message", MESSAGE, "--log-level", "debug", "--json")
        running = desk.start(*words)
        wait_for(lambda: len(desk.sent()) > 10)
        assert SECRET not in " ".join(psutil.Process(running.pid).cmdline())
        # What is told of a database that went away is told of it, too.
        server.stop()
        server.start()
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
        assert "ledger_away" in err
        refused = desk.run("status", CAMPAIGN_LEDGER=desk.environment["CAMPAIGN_LEDGER"].replace(SECRET, f"not-{SECRET}"), code=2)
        assert "password authentication failed" in refused.stderr
        kept = server.run("SELECT settings FROM campaign.campaigns", database=database)
        files = b"".join(path.read_bytes() for path in desk.folder.rglob("*") if path.is_file())
        assert SECRET not in f"{out} {err} {refused.stdout} {refused.stderr} {kept}"
        assert SECRET.encode() not in files

    @pytest.mark.parametrize(
        "url",
        slow_after(
            1,
            [
                f"postgresql://anna:{SECRET}@localhost/db",
                f"postgres://anna:a@{SECRET}@localhost/db",
                f"postgresql://localhost/db?user=anna&password={SECRET}",
            ],
        ),
    )
    def test_it_is_refused_where_everyone_could_read_it(self, desk: Desk, url: str) -> None:
        refused = desk.run("status", "--ledger", url, code=2)
        assert "CAMPAIGN_LEDGER" in refused.stderr
        assert SECRET not in refused.stderr + refused.stdout
        job = Path(desk.folder / "night.toml")
        job.write_text(f'list = "{desk.make_list(1)}"\nmessage = "Hi"\nledger = "{url}"\n', encoding="utf-8")
        refused = desk.run("run", str(job), code=2)
        assert "CAMPAIGN_LEDGER" in refused.stderr
        assert SECRET not in refused.stderr + refused.stdout


@pytest.mark.parametrize(
    "url",
    slow_after(
        1,
        [
            "postgresql://anna@127.0.0.1:1/campaigns",
            "postgresql://anna@nowhere.invalid/campaigns",
            "postgresql://anna@127.0.0.1:port/campaigns",
        ],
    ),
)
def test_a_ledger_that_is_not_there_is_told_in_a_sentence(desk: Desk, url: str) -> None:
    refused = desk.run("status", "--ledger", url, code=2)
    assert "Traceback" not in refused.stderr


def test_a_restored_dump_sends_nothing_until_somebody_says_so(desk: Desk, server: Server, database: str) -> None:
    words = ("run", str(desk.make_list(12)), "--message", MESSAGE)
    desk.run(*words, "--limit", "5", code=5)
    copy = server.restored(database)
    there = server.url(copy, user=f"{ASKED_FOR_A_PASSWORD}:{SECRET}")
    for refused in (words, ("resume", "list"), ("send", "list")):
        why = desk.run(*refused, code=2, CAMPAIGN_LEDGER=there).stderr
        assert broke_off(why) == "ledger_displaced"
        assert SECRET not in why
    assert len(desk.sent()) == 5
    desk.run(*words, "--limit", "2", "--moved-here", code=5, CAMPAIGN_LEDGER=there)
    desk.run("resume", "list", CAMPAIGN_LEDGER=there)
    assert (len(desk.sent()), {len(texts) for texts in desk.sent().values()}) == (12, {1})
    server.drop(copy)
