"""A few first: what a canary sends, waits for, and lets through or holds back. The simulator's audit judges."""

import time

from tests.acceptance.desk import Desk
from tests.acceptance.hardship import SHORT_LEASE, finish, start
from tests.acceptance.test_run import wait_for

MESSAGE = ("--message", "Hi {{ first_name }}")


def test_a_canary_unverified_for_longer_than_a_lease_is_taken_for_dead_by_nobody(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.make_list(30)
    words = ("run", "list.csv", *MESSAGE, "--canary", "3", "--quiet-period", "5s")
    process = start(desk, *words, before=SHORT_LEASE)
    wait_for(lambda: len(desk.sent()) == 3)
    desk.simulator.set_faults(faults={})
    time.sleep(3.2)
    # Whoever looks now finds the lease of the canary's beginning over.
    finish(start(desk, "resume", "list", "--limit", "1", before=SHORT_LEASE), code=None)
    finish(process, code=0)
    assert {len(texts) for texts in desk.sent().values()} == {1}
    assert len(desk.sent()) == 30
