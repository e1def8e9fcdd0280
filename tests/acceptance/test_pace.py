"""The rate as the simulator sees it: never exceeded, shared by processes, and not lost with one that dies. Real time is what is tested."""

from contextlib import closing

import apsw
import pytest

from tests.acceptance.desk import Desk
from tests.bench.arrivals import most_in_a_second
from tests.bench.simulated_pace import measure
from tests.examples import slow_after

pytestmark = pytest.mark.alone

MESSAGE = "Hi {{ first_name }}, 20% off until Sunday"


@pytest.mark.slow
def test_at_the_default_rate_the_documented_limit_is_used_and_not_exceeded() -> None:
    found = measure(rate=9, processes=1, seconds=20, latency="50ms")
    # What a busy machine bunches or misses is left room for; the exact figures are those of `make bench` on a quiet one.
    assert found.most_in_a_second <= 11
    assert found.average_per_second >= 0.75 * 9


@pytest.mark.slow
def test_four_processes_share_one_rate_and_take_over_what_a_dead_one_leaves() -> None:
    found = measure(rate=100, processes=4, seconds=8, latency="50ms", kill=True)
    assert found.most_in_a_second <= 105
    assert found.killed_at is not None
    assert found.between(found.killed_at + 1, found.killed_at + 4) >= 0.75 * 300
    assert found.average_per_second >= 75


@pytest.mark.slow
def test_a_slow_api_is_driven_at_the_full_rate(desk: Desk) -> None:
    desk.simulator.set_faults(latency=2.0)
    desk.json("run", str(desk.make_list(75)), "--message", MESSAGE, "--rate", "30")
    assert rate_of(desk) >= 0.6 * 30


def test_a_rate_beyond_what_the_machine_can_send_is_as_good_as_none(desk: Desk) -> None:
    rates = {"none": "unlimited", "high": "1000000"}
    both = [
        desk.start("run", str(desk.make_list(800, f"{name}.csv")), "--message", name, "--rate", rate, PASSENTRY_API_KEY=f"token-{name}")
        for name, rate in rates.items()
    ]
    for process in both:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    times: dict[str, list[float]] = {name: [] for name in rates}
    for notification in desk.simulator.audit():
        times[notification.message].append(notification.at_seconds)
    assert {name: len(some) for name, some in times.items()} == dict.fromkeys(rates, 800)
    # Where dropping late slots keeps a process busy, it sends a fraction of it; a machine that is busy with others slows both.
    assert most_in_a_second(times["high"]) >= most_in_a_second(times["none"]) / 3


@pytest.mark.parametrize("budget", slow_after(1, ["acme", ""]))
def test_tokens_share_the_rate_of_a_budget_and_have_a_rate_each_without_one(desk: Desk, budget: str) -> None:
    desk.environment["CAMPAIGN_BUDGET"] = budget
    both = [
        desk.start("run", str(desk.make_list(40, f"{name}.csv")), "--message", MESSAGE, "--rate", "19", PASSENTRY_API_KEY=f"token-{name}")
        for name in ("one", "two")
    ]
    for process in both:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    found = most_in_a_second([request.at_seconds for request in desk.simulator.requests() if request.method == "POST"])
    assert found <= 21 if budget else found > 21
    assert rate_of(desk) >= 0.7 * 19
    # A shared rate does not say whose passes they are: those of one token are never taken for those of another.
    with closing(apsw.Connection(desk.environment["CAMPAIGN_LEDGER"])) as db:
        assert db.execute("SELECT count(DISTINCT account) FROM campaigns").get == 2


def test_checks_of_passes_share_the_rate_of_reading(desk: Desk) -> None:
    desk.simulator.set_faults(passes_per_page=0)
    rows = "pass_id\n" + "".join(f"other-{row}\n" for row in range(25))
    (desk.folder / "two.csv").write_text(rows, encoding="utf-8")
    desk.make_list(25, "one.csv")
    both = [desk.start("check", f"{name}.csv", "--message", "Hi there", "--reach", "--rate", "19") for name in ("one", "two")]
    for process in both:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    times = [request.at_seconds for request in desk.simulator.requests() if request.method == "GET"]
    assert len(times) == 50
    assert most_in_a_second(times) <= 21


def rate_of(desk: Desk) -> float:
    """Requests a second between the first that arrived and the last."""
    times = sorted(request.at_seconds for request in desk.simulator.requests() if request.method == "POST")
    return (len(times) - 1) / (times[-1] - times[0])
