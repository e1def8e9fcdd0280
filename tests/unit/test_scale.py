"""Many workers on one budget, under a simulated clock: nobody is told twice, the rate holds, and the budget is not worn out."""

import pytest

from tests.bench.scale import figures
from tests.bench.scale_world import Given


@pytest.mark.parametrize("workers", [2, 40, 200])
@pytest.mark.parametrize("rate_per_second", [9.0, 200.0])
def test_any_number_of_workers_keeps_the_rate_and_spares_the_budget(workers: int, rate_per_second: float) -> None:
    found = figures(Given(workers=workers, rate_per_second=rate_per_second, seconds=40.0, deaths_per_second=0.0, seed=7))
    assert found["sends_per_second"] >= 0.985 * rate_per_second
    assert found["most_in_a_second"] <= rate_per_second * 1.01 + 1
    assert found["leases_per_second"] < 40 + workers


def test_workers_that_die_leave_few_rows_unknown_and_the_others_go_on() -> None:
    found = figures(Given(workers=60, rate_per_second=200.0, seconds=90.0, deaths_per_second=0.3, seed=7))
    assert found["deaths"] > 10
    assert found["unknown_rows_per_death"] < 60
    assert found["sends_per_second"] >= 0.97 * 200.0
