"""The rate as the simulator sees it: never exceeded, shared by processes, and not lost with one that dies. Real time is what is tested."""

from tests.bench.simulated_pace import measure


def test_at_the_default_rate_the_documented_limit_is_used_and_never_met() -> None:
    found = measure(rate=9, processes=1, seconds=60, latency="50ms", limit=10)
    assert found.throttled == 0
    assert found.most_in_a_second <= 10
    assert found.average_per_second >= 0.98 * 9


def test_four_processes_share_one_rate_and_take_over_what_a_dead_one_leaves() -> None:
    found = measure(rate=100, processes=4, seconds=10, latency="50ms", kill=True)
    # What a busy machine bunches or misses is left room for; the exact figures are those of `make bench` on a quiet one.
    assert found.most_in_a_second <= 105
    assert found.killed_at is not None
    assert found.between(found.killed_at + 1, found.killed_at + 4) >= 0.75 * 300
    assert found.average_per_second >= 75
