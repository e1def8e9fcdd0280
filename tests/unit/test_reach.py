"""What a reading says of where a pass is, which passes are left out for it, and which way of reading costs less."""

from typing import Any

import orjson
import pytest

from campaign.domain.reach import NOT_IN_WALLET, WORDS, Reach, pages_cost_less, reach_of, reach_of_status
from campaign.domain.verdict import Latest, PassReading, Signature
from campaign.sender.api.pass_list import PageReading, PassPage, read_page

API = Signature(documented=True, json=True)


@pytest.mark.parametrize(
    ("status", "reach", "left_out"),
    [
        ("active", Reach.IN_WALLET, False),
        ("issued", Reach.ISSUED, True),
        ("removed", Reach.REMOVED, True),
        ("deactivated", Reach.DEACTIVATED, True),
        ("nullified", Reach.NULLIFIED, True),
        ("Active", Reach.OTHER_STATUS, False),
        ("in_wallet", Reach.OTHER_STATUS, False),
        ("", Reach.OTHER_STATUS, False),
    ],
)
def test_a_status_and_whether_its_pass_is_left_out(status: str, reach: Reach, *, left_out: bool) -> None:
    assert reach_of_status(status) is reach
    assert (reach in NOT_IN_WALLET) is left_out


@pytest.mark.parametrize(
    ("reading", "reach"),
    [
        (PassReading(latest=Latest.NULL, http_status=200, pass_status="issued", signature=API), Reach.ISSUED),
        (PassReading(latest=Latest.TEXT, text="x", http_status=200, pass_status="active", signature=API), Reach.IN_WALLET),
        (PassReading(latest=Latest.UNREADABLE, http_status=404, signature=API), Reach.UNKNOWN_ID),
        (PassReading(latest=Latest.UNREADABLE, http_status=410, signature=API), Reach.UNKNOWN_ID),
        # A gateway's own page says nothing of the pass.
        (PassReading(latest=Latest.UNREADABLE, http_status=404, signature=Signature(page=True)), Reach.UNREADABLE),
        (PassReading(latest=Latest.UNREADABLE, http_status=403, signature=API), Reach.UNREADABLE),
        (PassReading(latest=Latest.UNREADABLE, http_status=200, pass_status="issued", signature=API), Reach.UNREADABLE),
        (PassReading(latest=Latest.UNREADABLE), Reach.UNREADABLE),
    ],
)
def test_a_reading_says_where_the_pass_is_or_nothing(reading: PassReading, reach: Reach) -> None:
    assert reach_of(reading) is reach


def test_nobody_is_left_out_whose_pass_is_not_known_to_be_in_no_wallet() -> None:
    assert not NOT_IN_WALLET & {Reach.IN_WALLET, Reach.UNKNOWN_ID, Reach.UNREADABLE, Reach.OTHER_STATUS}
    assert set(WORDS) == set(Reach)


@pytest.mark.parametrize(
    ("pages_left", "passes_left", "pages_read", "passes_found", "pages"),
    [
        (80, 2000, 0, 0, True),
        (2000, 2000, 0, 0, False),
        (400_000, 2000, 1, 0, False),
        (1, 2, 79, 1998, True),
        (1, 1, 79, 1999, False),
        (60, 2000, 20, 0, False),
        (60, 2000, 20, 1, True),
    ],
)
def test_pages_are_read_while_that_takes_fewer_requests(
    *, pages_left: int, passes_left: int, pages_read: int, passes_found: int, pages: bool
) -> None:
    found = pages_cost_less(pages_left=pages_left, passes_left=passes_left, pages_read=pages_read, passes_found=passes_found)
    assert found is pages


def row(own: str = "a1", status: Any = "active", **more: Any) -> dict[str, Any]:
    return {"id": own, "type": "pass", "attributes": {"status": status, "extId": None, **more}}


def page(*rows: Any, current: Any = 1, total: Any = 3) -> dict[str, Any]:
    return {"data": list(rows), "meta": {"totalCount": 60, "resultsPerPage": 25, "currentPage": current, "totalPages": total}}


def read(document: Any, number: int = 1, *, status: int = 200, whole: bool = True, headers: dict[str, str] | None = None) -> PageReading:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return read_page(number, http_status=status, headers=headers or {}, body=body, whole=whole, now=0.0)


class TestPages:
    def test_a_page_has_the_ids_that_surely_mean_each_pass(self) -> None:
        """A customer who removes a pass and gets another one has the same external id on both."""
        found = read(page(row("a1", extId="me/1"), row("b2", "issued"), row("c3", "removed", extId="me/1")))
        passes = ((("a1", "me/1"), Reach.IN_WALLET), (("b2",), Reach.ISSUED), (("c3",), Reach.REMOVED))
        assert found == PageReading(page=PassPage(passes=passes, total_pages=3), http_status=200)

    def test_the_last_page_may_be_empty(self) -> None:
        assert read(page(total=1)).page == PassPage(passes=(), total_pages=1)
        assert read(page(current=4, total=3), 4).page == PassPage(passes=(), total_pages=3)

    @pytest.mark.parametrize(
        "document",
        [
            b"<html></html>",
            b"",
            [],
            {"data": [row()]},
            {"data": [row()], "meta": {"currentPage": 1}},
            page(),
            page(row(), current=2),
            page(row(), current="1"),
            page(row(), total=None),
            page(row(), "a1"),
            page({"id": "a1", "attributes": {"status": "active"}}),
            page(row(status=None)),
            page(row(extId=7)),
            page({"id": 7, "attributes": {"status": "active", "extId": None}}),
            {"data": {"a1": row()}, "meta": {"currentPage": 1, "totalPages": 1}},
        ],
    )
    def test_what_does_not_fit_is_not_used(self, document: Any) -> None:
        found = read(document)
        assert found.page is None
        assert found.misfit

    def test_half_a_page_and_one_out_of_a_cache_are_not_used(self) -> None:
        assert read(page(row()), whole=False).misfit
        assert read(page(row()), headers={"age": "9"}).misfit

    @pytest.mark.parametrize(
        ("status", "misfit"), [(301, True), (401, True), (404, True), (405, True), (429, False), (500, False), (503, False)]
    )
    def test_an_answer_that_may_be_another_the_next_time_is_no_misfit(self, status: int, *, misfit: bool) -> None:
        found = read({"errors": ["x"]}, status=status, headers={"x-rate-limit-retry-after": "1.5"})
        assert (found.page, bool(found.misfit), found.retry_after_seconds) == (None, misfit, 1.5)
