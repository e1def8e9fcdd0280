"""What was read of passes, as it is kept between runs."""

from pathlib import Path

import pytest

from campaign.domain.errors import LedgerError
from campaign.domain.reach import FRESH_SECONDS, Reach
from campaign.ledger.readings import FILE, KEPT_SECONDS, Readings
from tests.errors import raises

NOW = 1_000_000.0
PASSES = [("a", "A", 1), ("b", "b", 2), ("c", "c", 3)]


def opened(folder: Path, *, account: str = "me", now: float = NOW, passes: list[tuple[str, str, int]] = PASSES) -> Readings:
    readings = Readings(folder, account=account, now=now)
    readings.want(passes)
    return readings


def found(readings: Readings) -> dict[Reach, int]:
    return {reach: count for reach, count in readings.counts().items() if count}


def test_what_was_read_is_known_the_next_time_and_the_rest_is_left(tmp_path: Path) -> None:
    with opened(tmp_path) as readings:
        assert readings.unread() == [("a", "A"), ("b", "b"), ("c", "c")]
        assert readings.keep("a", Reach.ISSUED, now=NOW)
        assert not readings.keep("z", Reach.ISSUED, now=NOW)
        assert readings.left == 2
    with opened(tmp_path) as readings:
        assert (readings.passes, readings.left, readings.unread("b")) == (3, 2, [("c", "c")])
        assert found(readings) == {Reach.ISSUED: 1, Reach.UNREADABLE: 2}
        assert list(readings.rows([Reach.ISSUED, Reach.REMOVED])) == [[1]]


@pytest.mark.parametrize(("age", "known"), [(0.0, True), (FRESH_SECONDS, True), (FRESH_SECONDS + 1, False), (KEPT_SECONDS + 1, False)])
def test_what_was_read_too_long_ago_is_read_again(tmp_path: Path, age: float, *, known: bool) -> None:
    with opened(tmp_path) as readings:
        readings.keep_page(1, [("a", Reach.ISSUED)], now=NOW)
    with opened(tmp_path, now=NOW + age) as readings:
        assert (readings.left == 2, readings.pages() == {1}) == (known, known)


def test_the_passes_of_another_account_are_others(tmp_path: Path) -> None:
    with opened(tmp_path) as readings:
        readings.keep_page(1, [("a", Reach.ISSUED)], now=NOW)
    with opened(tmp_path, account="they") as readings:
        assert (readings.left, readings.pages()) == (3, set())


def test_pages_are_known_for_the_same_list_only(tmp_path: Path) -> None:
    with opened(tmp_path) as readings:
        assert readings.keep_page(4, [("a", Reach.ISSUED), ("z", Reach.ISSUED)], now=NOW) == 1
    with opened(tmp_path, passes=PASSES[:2]) as readings:
        assert (readings.left, readings.pages()) == (1, set())
    with opened(tmp_path) as readings:
        assert (readings.left, readings.pages()) == (2, {4})


def test_a_pass_that_could_not_be_read_is_read_again_by_the_next_run(tmp_path: Path) -> None:
    with opened(tmp_path) as readings:
        readings.keep("a", Reach.UNREADABLE, now=NOW)
        assert readings.left == 2
        assert [key for key, _ in readings.unread()] == ["b", "c"]
    with opened(tmp_path) as readings:
        assert readings.left == 3


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("x" * 5000, encoding="utf-8")
    with raises(LedgerError, "readings_not_usable") as caught:
        Readings(tmp_path, account="me", now=NOW)
    assert FILE in str(caught.value)
