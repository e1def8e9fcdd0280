"""How often, and how soon, a place of a supervisor is filled again."""

from campaign.engine.cluster import STARTS_SECONDS
from campaign.engine.protocol import Broken
from campaign.engine.supervisor import AWAY_SECONDS, GOOD_LIFE_SECONDS, STRIKES, RestartPolicy

HERE = Broken(why="The ledger can't be reached.")
AWAY = Broken(why="It is restarted.", away=True)


def pauses(told: Broken, *, open_rows: int | None = 9) -> list[float]:
    """Until it is given up, or for so long that it never will be; None of open rows is some less each time."""
    policy, now, found = RestartPolicy(), 100.0, list[float]()
    while len(found) < 500:
        left = 1000 - len(found) if open_rows is None else open_rows
        pause = policy.failed(told, began_seconds=now, now_seconds=now, open_rows=left)
        if pause is None:
            break
        found.append(pause)
        now += pause
    return found


def test_a_worker_that_fails_at_once_is_tried_less_and_less_often_and_given_up() -> None:
    assert pauses(HERE) == [0.5, 1, 2, 4, 8, 10, 10]
    assert len(pauses(HERE)) == STRIKES - 1


def test_a_worker_that_is_away_is_looked_for_until_a_cluster_must_have_replaced_it() -> None:
    found = pauses(AWAY)
    assert found[:4] == [0.5, 1, 2, 2]
    assert set(found[2:]) == {2}
    assert AWAY_SECONDS <= sum(found) < AWAY_SECONDS + 2


def test_one_that_is_long_in_not_coming_is_waited_for_as_long() -> None:
    policy, began, failures = RestartPolicy(), 100.0, 0
    while (pause := policy.failed(AWAY, began_seconds=began, now_seconds=began + STARTS_SECONDS, open_rows=9)) is not None:
        began += STARTS_SECONDS + pause
        failures += 1
    assert AWAY_SECONDS <= began + STARTS_SECONDS - 100 < AWAY_SECONDS + STARTS_SECONDS
    assert failures == 3


def test_nobody_is_given_up_while_the_campaign_moves() -> None:
    assert set(pauses(HERE, open_rows=None)) == {0.5}
    assert set(pauses(AWAY, open_rows=None)) == {0.5}


def test_a_worker_that_has_done_well_for_a_while_begins_afresh() -> None:
    policy = RestartPolicy()
    for at in range(STRIKES - 1):
        assert policy.failed(HERE, began_seconds=at, now_seconds=at, open_rows=9) is not None
    assert policy.failed(HERE, began_seconds=10, now_seconds=11 + GOOD_LIFE_SECONDS, open_rows=9) == 0.5
    assert policy.strikes == 1


def test_one_that_goes_away_after_a_long_life_is_waited_for_as_any_other() -> None:
    policy, now = RestartPolicy(), 100.0 + 10 * AWAY_SECONDS
    lost = now
    pause = policy.failed(AWAY, began_seconds=100, now_seconds=now, open_rows=9)
    while pause is not None:
        now += pause
        pause = policy.failed(AWAY, began_seconds=now, now_seconds=now, open_rows=9)
    assert AWAY_SECONDS <= now - lost < AWAY_SECONDS + 2
