"""Ctrl-C while a function waits, in a process of its own, as in a notebook's kernel."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import campaign
from tests.api.lists import greetings, people, sent
from tests.examples import slow_after
from tests.simulator_client import SimulatorClient

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, json, sys
import campaign
from tests.api.lists import MESSAGE, people

def call():
    return campaign.run(people(500), name="promo", message=MESSAGE, rate=50, yes=True)

async def in_a_loop():
    return call()

try:
    print("begun", flush=True)
    {call}
except campaign.Interrupted as interrupted:
    result = interrupted.result
    print(json.dumps(None if result is None else [result.exit_code, result.state, result.counts]), flush=True)
except BaseException as error:
    print(json.dumps(type(error).__name__), flush=True)
"""


@contextmanager
def program(call: str, **before: str) -> Iterator["subprocess.Popen[str]"]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | before
    words = [sys.executable, "-c", PROGRAM.replace("{call}", call)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_sends(simulator: SimulatorClient, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(simulator.requests()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("call", slow_after(1, ["call()", "asyncio.run(in_a_loop())"]))
def test_the_first_settles_what_is_under_way(call: str, simulator: SimulatorClient) -> None:
    simulator.set_faults(latency=[0.3, 0.3])
    with program(call) as process:
        wait_for_sends(simulator, 10)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[0].splitlines()
    processed = len(simulator.audit())
    assert processed < 500
    stopped = campaign.status("promo")
    assert json.loads(said[-1]) == [130, "stopped", stopped.counts]
    assert (stopped.counts["delivered"], stopped.counts["unknown"], stopped.counts["sending"]) == (processed, 0, 0)
    simulator.set_faults(latency=[0, 0])
    assert campaign.resume("promo", rate=2000, yes=True).exit_code == 0
    assert sent(simulator) == greetings(people(500))


@pytest.mark.slow
def test_what_a_handler_of_the_caller_raises_is_heard_as_well(simulator: SimulatorClient) -> None:
    """As Airflow's does, when a task is to end."""
    handler = "import signal; signal.signal(signal.SIGTERM, lambda *_: {}['told to end']); "
    with program(f"exec({handler!r}); call()") as process:
        wait_for_sends(simulator, 5)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[0].splitlines()
    assert said[-1] == '"KeyError"'
    stopped = campaign.status("promo")
    assert (stopped.state, stopped.counts["delivered"]) == ("stopped", len(simulator.audit()))


def test_the_second_ends_at_once(simulator: SimulatorClient) -> None:
    simulator.set_faults(faults={"hang_after": 1.0}, hang_seconds=60)
    with program("call()") as process:
        wait_for_sends(simulator, 3)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        # Long before the requests under way are given up.
        said = process.communicate(timeout=20)[0].splitlines()
    assert said[-1] == '"KeyboardInterrupt"'
    simulator.set_faults(faults={})
    done = campaign.resume("promo", rate=2000, yes=True)
    assert done.counts["delivered"] + done.counts["accepted"] == 500
    assert sent(simulator) == greetings(people(500))
