"""The end of a promotion, given again or over: a slip of the keyboard skips nobody for good."""

import time
from datetime import UTC, datetime, timedelta

from tests.acceptance.desk import Desk

MESSAGE = "Hi {{ first_name }}"


def test_failed_rows_are_not_given_up_because_the_promotion_is_over(desk: Desk) -> None:
    desk.make_list(3)
    desk.simulator.set_faults(missing=["pass-00002"])
    end = datetime.now(tz=UTC) + timedelta(seconds=4)
    desk.json("run", "list.csv", "--message", MESSAGE, "--not-after", end.isoformat(), code=3)
    desk.simulator.set_faults(missing=[])
    time.sleep(max(0.0, (end - datetime.now(tz=UTC)).total_seconds()))
    for words in (("retry", "list"), ("retry", "list.results.failed.csv")):
        assert "--not-after" in desk.run(*words, code=2).stderr
    assert desk.json("status", "list")["by_status"]["failed"] == 1
    assert desk.json("retry", "list", "--not-after", "2099-01-01")["by_status"]["delivered"] == 3
