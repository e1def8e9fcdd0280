"""A campaign that workers of a real cluster of Ray send, by what the simulator processed, while they, a node and the driver are killed."""

import ipaddress
import json
import random
import re
import shutil
import signal
import stat
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from campaign.simulator.config import Latency
from tests.acceptance.desk import Desk, broke_off, events
from tests.engine.conftest import SECRET
from tests.engine.loopback import another_address, listening
from tests.engine.ray_given import ACTOR, WATCHFUL, RayHere, named, processes_of, wait_for

# Ray starts slowly where others work.
pytestmark = [pytest.mark.cluster, pytest.mark.alone]

TOKEN = "a-token-that-nobody-must-read"
WORKERS = 3
KILLS = 3
KILL_EVERY_SECONDS = 1.5
ON_ITS_WAY_SECONDS = 0.4


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.environment |= {"XDG_DATA_HOME": str(desk.folder / "data"), "HOME": str(desk.folder), "PASSENTRY_API_KEY": TOKEN}
    desk.environment["CAMPAIGN_QUIET_PERIOD"] = "300ms"
    desk.environment |= {"CAMPAIGN_ENGINE": "ray", "CAMPAIGN_WORKERS": str(WORKERS)}
    return desk


def on(desk: Desk, cluster: RayHere, ledger: str) -> None:
    """Have the desk use this cluster, and this ledger."""
    desk.environment |= cluster.environment | {"CAMPAIGN_ADDRESS": cluster.address, "CAMPAIGN_LEDGER": ledger}


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def assert_everybody_was_told_once(desk: Desk, rows: int) -> None:
    sent = desk.sent()
    assert len(sent) == rows
    assert {len(texts) for texts in sent.values()} == {1}


def test_what_can_not_be_by_a_cluster_is_refused_before_anything_is_staged(desk: Desk, cluster: RayHere) -> None:
    words = ("run", str(desk.make_list(3)), "--message", "Hi {{ first_name }}", "--address")
    assert broke_off(desk.run(*words, cluster.address, "--limit", "2", code=2).stderr) == "not_with_ray"
    desk.environment |= cluster.environment
    assert broke_off(desk.run(*words, cluster.address, code=2).stderr) == "ledger_of_one_machine"
    assert not (desk.folder / "campaign.db").exists()
    assert desk.sent() == {}


def test_workers_and_a_node_that_are_killed_are_replaced_and_nobody_is_told_twice(desk: Desk, cluster: RayHere, on_postgres: str) -> None:
    on(desk, cluster, on_postgres)
    # Of what is on its way when its worker is killed, some is processed, and nobody is left to hear it.
    desk.environment["CAMPAIGN_QUIET_PERIOD"] = "2s"
    desk.simulator.set_faults(latency=Latency(low_seconds=ON_ITS_WAY_SECONDS, high_seconds=ON_ITS_WAY_SECONDS))
    words = ("run", str(desk.make_list(400)), "--message", "Hi {{ first_name }}", "--rate", "60", "--json")
    driver = desk.start(*words)
    drawn, killed = random.Random(20), set[int]()
    wait_for(lambda: len(desk.sent()) > 15)
    while driver.poll() is None and len(killed) < KILLS:
        if len(killed) == 2 and len(cluster.nodes) == 2:
            # All of a node goes at once, its workers too; and it does not come back.
            node = cluster.nodes.pop()
            for process in (*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)):
                with suppress(psutil.Error):
                    process.kill()
            node.wait(timeout=10)
        victims = [worker for worker in cluster.workers() if worker.pid not in killed]
        if victims:
            victim = drawn.choice(victims)
            victim.kill()
            killed.add(victim.pid)
        time.sleep(KILL_EVERY_SECONDS)
    code, out, err = ended(driver)
    assert code == 0, f"{out}\n{err}"
    assert len(killed) == KILLS
    assert "worker_lost" in err
    seen = json.loads(out)
    assert (seen["state"], seen["by_status"]["delivered"] + seen["by_status"]["accepted"]) == ("finished", 400)
    assert_everybody_was_told_once(desk, 400)
    assert seen["by_status"]["accepted"] > 0
    assert len((desk.folder / "list.results.csv").read_text(encoding="utf-8").splitlines()) == 401
    wait_for(lambda: not cluster.workers())
    # Neither the token nor the ledger's password, nor what anybody was told.
    kept = b"".join(path.read_bytes() for path in cluster.folder.rglob("*") if path.is_file())
    assert [word for word in (TOKEN, SECRET, "Hi Name") if word.encode() in kept] == []
    of_all = " ".join(f"{process.cmdline()} {process.environ()}" for process in cluster.processes())
    assert [word for word in (TOKEN, SECRET) if word in of_all] == []


def test_the_same_command_twice_is_one_set_of_workers_and_the_second_takes_over(desk: Desk, cluster: RayHere, on_postgres: str) -> None:
    on(desk, cluster, on_postgres)
    words = ("run", str(desk.make_list(120)), "--message", "Hi {{ first_name }}", "--rate", "30", "--json")
    first = desk.start(*words)
    # Each has a name by then, which nobody else can take.
    wait_for(lambda: len(cluster.workers()) == WORKERS)
    second = desk.start(*words)
    most = 0
    while len(desk.sent()) < 50:
        most = max(most, len(cluster.workers()))
        time.sleep(0.1)
    assert most == WORKERS
    before = {worker.pid for worker in cluster.workers()}
    first.kill()
    ended(first)
    code, out, err = ended(second)
    assert code == 0, f"{out}\n{err}"
    assert not before & {worker.pid for worker in cluster.workers()}
    seen = json.loads(out)
    assert (seen["state"], seen["by_status"]["delivered"] + seen["by_status"]["accepted"]) == ("finished", 120)
    assert_everybody_was_told_once(desk, 120)


def own_folder(mark: str) -> Path:
    """Where the cluster of a command has its sockets and logs."""
    [node] = [process for process in processes_of("CAMPAIGN_MARK", mark) if process.name() == "raylet"]
    found = re.search(r"/[^/\s]+/campaign-ray-\w+", " ".join(node.cmdline()))
    assert found is not None
    return Path(found[0])


def test_a_cluster_of_its_own_is_closed_to_others_and_ends_with_a_killed_command(desk: Desk) -> None:
    words = ("run", str(desk.make_list(150)), "--message", "Hi {{ first_name }}", "--json")
    with another_address():
        named_small = {"campaign_notify": f"json://127.0.0.1:9/{SECRET}"}
        driver = desk.start(*words, "--rate", "30", CAMPAIGN_MARK="first", CAMPAIGN_WORKERS="2", **named_small)
        wait_for(lambda: len(desk.sent()) > 15)
        assert [address for address in listening() if not ipaddress.ip_address(address).is_loopback] == []
    wait_for(lambda: len(named(processes_of("CAMPAIGN_MARK", "first"), ACTOR)) == 2)
    workers = named(processes_of("CAMPAIGN_MARK", "first"), ACTOR)
    folder = own_folder("first")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    of_others = [process.environ() for process in processes_of("CAMPAIGN_MARK", "first") if process.pid != driver.pid]
    assert len(of_others) > 2
    assert [word for word in (TOKEN, SECRET) if word in str(of_others)] == []
    driver.kill()
    ended(driver)
    # Its workers end; two helpers of Ray's, which send nothing, stay for about a minute.
    wait_for(lambda: not any(worker.is_running() for worker in workers), seconds=20)
    shutil.rmtree(folder, ignore_errors=True)
    assert len(desk.sent()) < 150
    # What goes on needs no cluster.
    assert desk.json(*words[:-1], CAMPAIGN_ENGINE="here")["state"] == "finished"
    assert_everybody_was_told_once(desk, 150)


def test_a_cluster_of_its_own_settles_and_ends_with_a_command_that_is_told_to_stop(desk: Desk) -> None:
    words = ("run", str(desk.make_list(150)), "--message", "Hi {{ first_name }}", "--json")
    driver = desk.start(*words, "--rate", "30", CAMPAIGN_MARK="second", CAMPAIGN_WORKERS="2")
    wait_for(lambda: len(desk.sent()) > 15)
    folder = own_folder("second")
    driver.send_signal(signal.SIGTERM)
    code, out, err = ended(driver)
    assert code == 143, f"{out}\n{err}"
    told = json.loads(out)["by_status"]
    assert (told["sending"], told["unknown"]) == (0, 0)
    assert told["pending"] > 0
    assert_everybody_was_told_once(desk, told["delivered"])
    wait_for(lambda: not processes_of("CAMPAIGN_MARK", "second"))
    assert not folder.exists()


WAITS_BEFORE_ITS_WORKERS_REGISTER = """
import asyncio
from pathlib import Path
from campaign.engine.supervisor import Supervisor
run = Supervisor.run
async def wait(supervisor):
    Path("waits").touch()
    while not Path("go").exists():
        await asyncio.sleep(0.05)
    return await run(supervisor)
Supervisor.run = wait
from campaign.cli.main import main
main()
"""


def test_workers_send_nothing_that_another_ledger_has_sent_before_they_registered(desk: Desk) -> None:
    """Their command has looked before that, and there is no marker until one of them has registered."""
    there = replace(desk, environment=desk.environment | {"CAMPAIGN_ENGINE": "here", "CAMPAIGN_LEDGER": str(desk.folder / "there.db")})
    words = (str(desk.make_list(30)), "--message", "Hi {{ first_name }}")
    marker = desk.folder / "list.results.sending"
    there.run("stage", *words)
    waiting = replace(desk, program=("-c", WAITS_BEFORE_ITS_WORKERS_REGISTER))
    driver = waiting.start("run", *words, "--rate", "5", CAMPAIGN_WORKERS="1")
    wait_for((desk.folder / "waits").exists)
    there.run("send", "list", "--limit", "10", code=5)
    (desk.folder / "go").touch()
    code, _, err = ended(driver)
    assert (code, broke_off(err)) == (2, "ledger_behind_results")
    assert_everybody_was_told_once(desk, 10)
    assert not marker.exists()


# Quick to give up: the same program, whose policy is a test's.
IMPATIENT = """
from campaign.engine import cluster, supervisor
cluster.STARTS_SECONDS, supervisor.AWAY_SECONDS = 2.0, 5.0
from campaign.cli.main import main
main()
"""


def test_a_command_whose_only_node_is_lost_says_so_and_waits_for_it_no_longer(desk: Desk) -> None:
    words = ("run", str(desk.make_list(600)), "--message", "Hi {{ first_name }}", "--json")
    impatient = replace(desk, program=("-c", IMPATIENT), environment=desk.environment | WATCHFUL)
    driver = impatient.start(*words, "--rate", "10", CAMPAIGN_MARK="third", CAMPAIGN_WORKERS="2")
    wait_for(lambda: len(desk.sent()) > 15)
    [node] = [process for process in processes_of("CAMPAIGN_MARK", "third") if process.name() == "raylet"]
    node.kill()
    code, out, err = ended(driver)
    assert code == 4, f"{out}\n{err}"
    assert any(event["event"] == "worker_lost" and " 2 s" in event["reason"] for event in events(err))
    assert len(desk.sent()) < 600
    assert desk.json(*words[:-1], "--rate", "200", CAMPAIGN_ENGINE="here")["state"] == "finished"
    assert_everybody_was_told_once(desk, 600)
