"""What headers say about the rate, sensible or not."""

import pytest
from multidict import CIMultiDict

from campaign.domain.pace.pacing import LONGEST_RETRY_AFTER_SECONDS
from campaign.sender.api.responses import count, retry_after_seconds

NOON = 1_800_000_000.0
NOON_AS_DATE = "Fri, 15 Jan 2027 08:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-rate-limit-retry-after": "0.25"}, 0.25),
        ({"X-Rate-Limit-Retry-After": " 2 "}, 2.0),
        ({"x-rate-limit-retry-after": ".5"}, 0.5),
        ({"x-rate-limit-retry-after": "1.5", "retry-after": "9"}, 1.5),
        ({"x-rate-limit-retry-after": "soon", "retry-after": "9"}, 9.0),
        ({"x-rate-limit-retry-after": NOON_AS_DATE}, None),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "99999999999"}, LONGEST_RETRY_AFTER_SECONDS),
        ({"retry-after": "9" * 300}, LONGEST_RETRY_AFTER_SECONDS),
        ({"retry-after": "9" * 5000}, None),
        *(
            ({"retry-after": nonsense}, None)
            for nonsense in ("", "-1", "nan", "inf", "1e3", "0x10", "1_0", "٣", "1,5", "soon", "1 2", "Fri, 99")
        ),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:07 GMT"}, 7.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:07 -0000"}, 7.0),
        ({"retry-after": "Fri, 15 Jan 2027 10:00:07 +0200"}, 7.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:07 GMT", "date": "Fri, 15 Jan 2027 08:00:02 GMT"}, 5.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:07 GMT", "date": "nonsense"}, 7.0),
        ({"retry-after": "Fri, 15 Jan 2017 08:00:07 GMT"}, 0.0),
        ({"retry-after": "Fri, 15 Jan 9999 08:00:07 GMT"}, LONGEST_RETRY_AFTER_SECONDS),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:07 +9999"}, None),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_how_long_it_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(CIMultiDict(headers), now=NOON) == seconds


@pytest.mark.parametrize(
    ("value", "number"),
    [("10", 10), ("0", 0), ("-1", None), ("1.5", None), ("", None), ("٣", None), ("²", None), ("1" * 10, None), ("x", None)],
)
def test_a_count(value: str, number: int | None) -> None:
    headers = CIMultiDict({"X-Rate-Limit-Remaining": value})
    assert count(headers, "x-rate-limit-remaining") == number
    assert count(headers, "x-rate-limit-limit") is None
