"""The short form of `make chaos`: the same driver, faults and audit, with a seed of its own."""

import sys
from pathlib import Path

import pytest

from tests.chaos.plan import Wishes
from tests.chaos.report import in_words
from tests.chaos.session import Limits, hold

SEED = 20260


@pytest.mark.timeout(240)
def test_killed_over_and_over_nothing_is_sent_twice_or_lost(tmp_path: Path) -> None:
    wishes = Wishes(seed=SEED, rows=400, rate_per_second=100, kills=34, most_together=2)
    told: list[str] = []
    session, broken = hold(wishes, Limits(kills=34, seconds=200, only=1), tmp_path, told.append)
    sys.stdout.write("\n".join([*told, in_words(session)]))
    assert not broken, "\n".join(told)
    # A machine that sends more between two kills is finished sooner.
    assert session.kills.total() >= 20
    assert session.rows == sum(session.statuses.values())
    assert session.processed > 0.5 * session.rows
