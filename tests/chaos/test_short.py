"""The short form of `make chaos`, on each ledger: the same driver, faults, blows and audit, with a seed of its own."""

import sys
from pathlib import Path

import pytest

from campaign.settings import Via
from tests.chaos.blows import Blow
from tests.chaos.plan import Wishes
from tests.chaos.points import LedgerKind
from tests.chaos.report import Session, in_words
from tests.chaos.session import Limits, hold

SEED = 20260
SEED_WITH_A_SERVER = 44
SEED_BY_BATCHES = 17


def held(wishes: Wishes, folder: Path, *, only: int | None) -> Session:
    """The session, that nothing broke in."""
    told: list[str] = []
    session, broken = hold(wishes, Limits(kills=wishes.kills, seconds=200, only=only), folder, told.append)
    sys.stdout.write("\n".join([*told, in_words(session)]))
    assert not broken, "\n".join(told)
    assert session.rows == sum(session.statuses.values())
    assert session.processed > 0.5 * session.rows
    return session


@pytest.mark.timeout(240)
def test_killed_over_and_over_nothing_is_sent_twice_or_lost(tmp_path: Path) -> None:
    session = held(Wishes(seed=SEED, rows=200, rate_per_second=100, kills=16, most_together=2), tmp_path, only=1)
    # A machine that sends more between two kills is finished sooner.
    assert session.kills.total() >= 8


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nor_by_batches(tmp_path: Path) -> None:
    wishes = Wishes(seed=SEED_BY_BATCHES, via=Via.BATCH, rows=250, rate_per_second=20, kills=8, most_together=2)
    session = held(wishes, tmp_path, only=1)
    assert session.kills.total() >= 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nor_a_hundred_times_in_campaigns_of_all_kinds(tmp_path: Path) -> None:
    session = held(Wishes(seed=SEED + 1, rows=250, rate_per_second=100, kills=100, most_together=3), tmp_path, only=None)
    assert session.kills.total() >= 100


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nor_where_the_ledgers_server_dies_as_well(tmp_path: Path) -> None:
    wishes = Wishes(
        seed=SEED_WITH_A_SERVER, ledger=LedgerKind.POSTGRES, rows=200, rate_per_second=100, kills=14, most_together=2, blows=0.8
    )
    session = held(wishes, tmp_path, only=1)
    assert session.kills.total() >= 4
    assert session.blows.keys() == {blow.value for blow in Blow}
