"""What an answer says, by tables; and that no bytes whatever make reading it raise, or record more than a little."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from campaign.domain.batches import Proof, proof_of
from campaign.domain.model import Claim
from campaign.domain.reach import Reach, reach_of
from campaign.domain.status import Status
from campaign.domain.verdict import UNSIGNED, Evidence, Latest, PassReading, Reply, Signature, classify, foreign
from campaign.sender.api.responses import FROM_A_CACHE, LONGEST_EXCERPT, read_pass, read_reply
from campaign.sender.attempt import Policy, settle_attempt
from campaign.sender.batches import wire

TOKEN = "pe_live_0123456789abcdef"
NOON = 1_800_000_000.0


def reply(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None, whole: bool = True, token: str = TOKEN) -> Reply:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_reply(http_status=status, headers=CIMultiDict(headers or {}), body=raw, whole=whole, token=token, now=NOON)


def notified(status: object, message: object = "Delivered succesfully") -> dict[str, Any]:
    return {"data": {}, "meta": {"notifications": {"status": status, "message": message}}}


def reading(body: object, *, status: int = 200, whole: bool = True) -> PassReading:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_pass(http_status=status, headers=CIMultiDict(), body=raw, whole=whole, token=TOKEN, now=NOON)


def holding(**attributes: object) -> dict[str, Any]:
    return {"data": {"attributes": attributes}}


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_the_documented_answer(status: int) -> None:
    assert reply(notified("delivered"), status=status) == Reply(
        http_status=status, notification_status="delivered", notification_message="Delivered succesfully"
    )


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        ("notDelivered", "notDelivered"),
        (" delivered", " delivered"),
        ("delivered\n", "delivered\ufffd"),
        ("deli\u200bvered", "deli\ufffdvered"),
        ("Delivered", "Delivered"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        ("x" * 301, "x" * 299 + "…"),
    ],
)
def test_another_status_is_kept_as_it_came_and_never_taken_for_delivered(came: object, kept: str) -> None:
    found = reply(notified(came))
    assert (found.readable, found.notification_status) == (True, kept)


@pytest.mark.parametrize("token", ["delivered", "e"])
def test_a_token_that_is_part_of_a_word_hides_no_delivery(token: str) -> None:
    assert reply(notified("delivered"), token=token).notification_status == "delivered"


@pytest.mark.parametrize(
    ("came", "kept"), [(None, ""), (12, "12"), ([1], ""), (" two\n lines ", "two lines"), ("x" * 999, "x" * 299 + "…")]
)
def test_its_message(came: object, kept: str) -> None:
    assert reply(notified("delivered", came)).notification_message == kept


UNREADABLE: list[object] = [
    b"",
    b"{",
    b"null",
    b"not json",
    b"[" * 100_000,
    b'{"a":' * 2000,
    b'{"meta": {"notifications": {"status": "delivered", "message": "\xff"}}}',
    b'{"meta": {"notifications": {"status": NaN}}}',
    b'{"meta": {"notifications": {"status": "delivered"',
    orjson.dumps(notified("delivered")) + b"}",
    [],
    [notified("delivered")],
    "delivered",
    {"meta": None},
    {"meta": []},
    {"meta": "delivered"},
    {"meta": {"notifications": None}},
    {"meta": {"notifications": ["delivered"]}},
    {"meta": {"notifications": {}}},
    {"errors": ["no"]},
    notified(None),
    notified(""),
    notified(" "),
    notified(["delivered"]),
    notified({"delivered": True}),
]


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: repr(body)[:40])
def test_a_success_that_is_not_the_documented_one_is_unreadable(body: object) -> None:
    found = reply(body)
    assert (found.readable, found.notification_status) == (False, "")
    assert 0 < len(found.error) <= LONGEST_EXCERPT


def test_a_success_that_is_not_whole_is_unreadable_whatever_it_holds() -> None:
    assert not reply(notified("delivered"), whole=False).readable


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"errors": ["Too Many Requests"]}, "Too Many Requests"),
        ({"errors": ["One", "two\n three"]}, "One; two three"),
        ({"errors": [{"id": "is missing"}, 7, None]}, '{"id":"is missing"}; 7; null'),
        (b'{"errors": [' + b"[" * 500 + b"]" * 500 + b"]}", "…"),
        ({"errors": "One text"}, "One text"),
        ({"errors": []}, '{"errors":[]}'),
        ({"error": "other"}, '{"error":"other"}'),
        ([], "[]"),
        (b"", ""),
        (b"plain text\x00\x1b[31m", "plain text\ufffd\ufffd[31m"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"<html><head><title>502 Bad\n Gateway &amp; more</title></head><body>x</body></html>", "502 Bad Gateway & more"),
        (b"<!DOCTYPE html><head><style>p{}</style></head><body><h1>Sorry</h1><p>come back</p>", "Sorry come back"),
        (b" <TITLE\nlang=en>Oops</TITLE>", "Oops"),
        (b"<", ""),
        (f"token {TOKEN} end".encode(), "token *** end"),
        ({"errors": [TOKEN]}, "***"),
        (f"<title>{TOKEN}".encode(), "***"),
        (f"<p>{TOKEN[:5]}&#{ord(TOKEN[5])};{TOKEN[6:]}".encode(), "***"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_refusal_keeps_its_first_words(body: object, error: str) -> None:
    assert reply(body, status=422) == Reply(http_status=422, error=error)


def test_a_token_at_the_end_of_what_is_kept_is_not_kept_in_part() -> None:
    for before in range(LONGEST_EXCERPT - 40, LONGEST_EXCERPT + 2):
        for body in (b"x" * before + TOKEN.encode(), {"errors": ["x" * before + TOKEN]}, notified("x" * before + TOKEN)):
            assert "pe_l" not in repr(reply(body, status=200)) + repr(reply(body, status=500))


@pytest.mark.parametrize("status", [200, 429, 500])
def test_what_is_left_of_the_rate_is_told_by_every_answer(status: int) -> None:
    found = reply(notified("delivered"), status=status, headers={"X-Rate-Limit-Remaining": "0", "x-rate-limit-limit": "10"})
    assert (found.rate_remaining, found.rate_limit, found.retry_after_seconds) == (0, 10, None)


def test_a_429_tells_how_long_to_wait() -> None:
    headers = {"x-rate-limit-retry-after": "0.37", "Retry-After": "5"}
    assert reply({"errors": ["Too Many Requests"]}, status=429, headers=headers) == Reply(
        http_status=429, retry_after_seconds=0.37, error="Too Many Requests"
    )


def test_a_pass_that_was_read() -> None:
    assert reading(holding(latestMessage=" Hello\n🎁 ", status="active", deviceType="apple")) == PassReading(
        latest=Latest.TEXT, text=" Hello\n🎁 ", http_status=200, pass_status="active", device_type="apple"
    )
    assert reading(holding(latestMessage=None, status=None)) == PassReading(latest=Latest.NULL, http_status=200)
    assert reading(holding(status="issued")) == PassReading(latest=Latest.MISSING, http_status=200, pass_status="issued")
    assert reading(holding(latestMessage="x" * 9999)).text == "x" * 9999


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ({"id": "0A1b-2c"}, True),
        ({"id": "other", "attributes": {"extId": "0a1B2C "}}, True),
        ({"id": "other", "attributes": {"extId": "another"}}, False),
        ({"id": None}, False),
    ],
)
def test_a_reading_names_its_pass(data: dict[str, Any], *, names: bool) -> None:
    assert reading({"data": {"attributes": {}} | data}).names("0a1b2c") is names


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 9999,
        [],
        {"data": None},
        {"data": []},
        {"data": {"attributes": []}},
        holding(latestMessage=7),
        holding(latestMessage=[]),
        holding(latestMessage=None) | {"errors": ["partial"]},
        holding(latestMessage="Hello") | {"errors": [{"code": 7}]},
        holding(latestMessage=None) | {"errors": "partial"},
    ],
    ids=lambda body: repr(body)[:40],
)
def test_a_pass_that_can_not_be_read(body: object) -> None:
    found = reading(body)
    assert (found.latest, found.http_status, bool(found.error)) == (Latest.UNREADABLE, 200, True)


@pytest.mark.parametrize("errors", [None, [], {}, ""])
def test_a_pass_with_an_empty_field_for_errors_can_be_read(errors: object) -> None:
    assert reading(holding(latestMessage=None) | {"errors": errors}).latest is Latest.NULL


@pytest.mark.parametrize("status", [201, 204, 302, 404, 429, 500])
def test_only_a_200_is_a_reading(status: int) -> None:
    assert reading({"errors": ["no"]}, status=status) == PassReading(latest=Latest.UNREADABLE, http_status=status, error="no")
    assert reading(holding(latestMessage="Hello"), status=status).latest is Latest.UNREADABLE
    assert reading(holding(latestMessage="Hello"), whole=False).latest is Latest.UNREADABLE


def test_the_token_of_a_reading_is_masked() -> None:
    assert TOKEN not in repr(reading(holding(latestMessage=f"a {TOKEN}", status=TOKEN, deviceType=TOKEN)))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(-(2**63), 2**63),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["meta", "notifications", "status", "message", "errors", "data", "attributes", "latestMessage"]), inner
        )
    ),
)


@given(
    body=st.binary() | st.text().map(str.encode) | JSON.map(orjson.dumps),
    status=st.integers(100, 999),
    header=st.text(),
    whole=st.booleans(),
)
def test_no_answer_makes_reading_it_raise(body: bytes, status: int, header: str, *, whole: bool) -> None:
    names = ("x-rate-limit-retry-after", "retry-after", "date", "x-rate-limit-limit", "x-rate-limit-remaining")
    found = reply(body, status=status, whole=whole, headers=dict.fromkeys(names, header))
    texts = [found.notification_status, found.notification_message, found.error]
    assert all(len(text) <= LONGEST_EXCERPT and text.isprintable() for text in texts)
    assert found.readable or 200 <= status < 300
    back = reading(body, status=status, whole=whole)
    assert all(len(text) <= LONGEST_EXCERPT and text.isprintable() for text in (back.pass_status, back.device_type, back.error))
    "".join([*texts, back.text]).encode()


API = Signature(documented=True, json=True)
SOME_JSON = Signature(json=True)
PAGE = Signature(page=True)
MARKUP = b"<!DOCTYPE html><title>Sign in</title>"


@pytest.mark.parametrize(
    ("status", "headers", "body", "signature"),
    [
        (200, {}, notified("delivered"), API),
        (200, {}, holding(latestMessage="x") | notified("delivered"), API),
        (404, {}, {"errors": ["Pass not found"]}, API),
        (500, {"X-Rate-Limit-Remaining": "3"}, b"", Signature(documented=True, empty=True)),
        (502, {"x-rate-limit-url": "/api"}, MARKUP, Signature(documented=True, page=True)),
        # The name that most other services use.
        (404, {"x-ratelimit-limit": "60"}, {"message": "Not Found"}, SOME_JSON),
        (400, {}, {"errors": [{"code": 7}]}, SOME_JSON),
        (400, {}, {"errors": []}, SOME_JSON),
        (400, {"x-rate-limit-limit": " "}, b"", Signature(empty=True)),
        (404, {"content-type": "text/plain"}, b"404: Not Found", Signature(empty=True)),
        (404, {"content-type": "text/plain"}, b"404 page not found\n", Signature(empty=True)),
        (404, {"content-type": "text/plain"}, b"default backend - 404", UNSIGNED),
        (404, {"content-type": "text/plain"}, "未找到".encode(), UNSIGNED),
        (400, {}, ["Not Found"], UNSIGNED),
        (400, {}, b'{"errors": ["cut', UNSIGNED),
        (200, {}, {"status": "ok"}, SOME_JSON),
        (200, {}, MARKUP, PAGE),
        (403, {}, b"\xef\xbb\xbf\r\n <html>", PAGE),
        (403, {}, b'<?xml version="1.0"?><Error/>', PAGE),
        (403, {"content-type": "text/html"}, b"Blocked by policy", PAGE),
        (403, {"content-type": "text/html"}, b"", Signature(empty=True)),
        (403, {"content-type": "text/html; charset=utf-8"}, {"errors": ["Forbidden"]}, API),
        (403, {"content-type": "text/plain"}, b"error code: 1020", UNSIGNED),
        (302, {"location": "https://portal.example/login?token=secret"}, b"", Signature(empty=True, redirects_to="portal.example")),
        (302, {"location": "/login?next=x"}, b"", Signature(empty=True, redirects_to="/login")),
        (302, {"location": "https://[half"}, b"", Signature(empty=True, redirects_to="https://[half")),
    ],
)
def test_who_gave_an_answer(status: int, headers: dict[str, str], body: object, signature: Signature) -> None:
    assert reply(body, status=status, headers=headers).signature == signature
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    read = read_pass(http_status=status, headers=CIMultiDict(headers), body=raw, whole=True, token=TOKEN, now=NOON).signature
    assert read.documented is ((signature.documented and status != 200) or b"attributes" in raw)
    assert (read.page, read.empty, read.redirects_to) == (signature.page, signature.empty, signature.redirects_to)


@pytest.mark.parametrize(
    ("age", "readable"), [("0", True), ("1", False), ("86400", False), ("", True), ("soon", True), ("120, 0", False), ("0|120", False)]
)
def test_what_a_cache_kept_is_not_what_the_pass_holds(age: str, *, readable: bool) -> None:
    body = orjson.dumps(holding(latestMessage="x"))
    headers = CIMultiDict(("Age", one) for one in age.split("|"))
    found = read_pass(http_status=200, headers=headers, body=body, whole=True, token=TOKEN, now=NOON)
    assert (found.latest is Latest.TEXT) is readable
    assert found.signature.documented


@pytest.mark.parametrize(
    "header",
    [
        "X-Cache: HIT",
        "X-Cache: MISS, HIT",
        "X-Cache: Miss from child, Hit from parent",
        "X-Cache: Hit from cloudfront",
        "X-Cache: RefreshHit from cloudfront",
        "X-Cache: OriginShieldHit from cloudfront",
        "X-Cache: TCP_HIT",
        "X-Cache: TCP_MEM_HIT from proxy.example",
        "X-Cache: TCP_REMOTE_HIT",
        "X-Cache: TCP_IMS_HIT",
        "X-Cache: TCP_OFFLINE_HIT",
        "X-Cache: TCP_STALE_HIT",
        "X-Cache: TCP_REFRESH_FAIL_HIT",
        "X-Cache: TCP_REFRESH_FAIL_OLD",
        "X-Cache: L1HIT",
        "X-Cache: ORIGINHIT",
        "X-Cache: PARTIAL_HIT",
        "X-Cache: HIT-STALE",
        "X-Cache-Lookup: HIT from squid:3128",
        "X-Cache: HIT from squid|X-Cache-Lookup: HIT from squid:3128",
        # What may have been forwarded all the same is not believed either: its row only stays unknown.
        "X-Cache: MISS from squid|X-Cache-Lookup: HIT from squid:3128",
        "X-Cache: MISS|X-Cache-Lookup: Hit",
        "X-Rack-Cache: stale, invalid, store",
        "X-Rack-Cache: stale, valid, store",
        "Cache-Status: edge; fwd=stale; stored",
        "X-Cache: MISS|X-Cache: HIT",
        "X-Cache-Hits: 3",
        "X-Cache-Hits: 0, 12",
        "X-Cache-Hit: true",
        "X-CacheHit: 1",
        "X-Cache-Status: HIT",
        "X-Cache-Status: STALE",
        "X-From-Cache: 1",
        "X-Proxy-Cache: HIT",
        "X-Nginx-Cache: HIT",
        "X-Fastcgi-Cache: HIT",
        "X-LiteSpeed-Cache: hit,private",
        "X-Drupal-Cache: HIT",
        "X-Rack-Cache: fresh",
        "X-Sucuri-Cache: HIT",
        "X-Vercel-Cache: STALE",
        "X-CDN-Cache-Status: HIT",
        "X-Akamai-Cache-Status: Hit from child",
        "CDN-Cache: HIT",
        "CF-Cache-Status: STALE",
        "CF-Cache-Status: UPDATING",
        "Cache-Status: edge; hit; ttl=30",
        "Cache-Status: nginx; fwd=stale, edge; hit",
        "X-Varnish: 32770 3",
        "Server-Timing: cdn-cache; desc=HIT, edge; dur=1",
        "Server-Timing: cdn-cache-hit,cdn-pop;desc=ZRH50",
        'Warning: 110 - "Response is Stale"',
        'Warning: 199 edge "odd", 111 edge "Revalidation Failed"',
    ],
)
def test_an_answer_whose_headers_say_that_it_was_cached_is_not_believed(header: str) -> None:
    assert not _is_believed(header)
    assert not reply(notified("delivered"), headers=_headers(header)).readable


@pytest.mark.parametrize(
    "header",
    [
        "X-Cache: MISS",
        "X-Cache-Rule: whitelist",
        "X-Cache: TCP_MISS",
        "X-Cache: TCP_REFRESH_MISS",
        "X-Cache: Miss from cloudfront",
        "X-Cache: MISS from fresh.example",
        "X-Cache: MISS from hit-1.cache.example:3128",
        "X-Cache: MISS from whit",
        "X-Cache: TCP_MISS from a23-48-white.deploy.akamaitechnologies.com (AkamaiGHost/11) (-)",
        "X-Cache-Miss-From: parking",
        "X-Cache-Lookup: NONE from squid:3128",
        "X-Cache: MISS from squid|X-Cache-Lookup: MISS from squid:3128",
        "X-Cache-Hits: 0",
        "X-Cache-Hits: 0, 0",
        "X-Cache-Hit: false",
        "X-Cache-Status: Refresh",
        "X-Cache-Status: EXPIRED",
        "X-From-Cache: 0",
        "X-Rack-Cache: miss, store",
        "X-Rack-Cache: invalidate, pass",
        "X-Cache-Key: /api/v1/passes/hit",
        "X-Cache-Tags: hit fresh",
        "X-Drupal-Cache-Contexts: url.hit",
        "Cache-Tag: stale",
        "Cache-Control: no-cache, stale",
        "CDN-Cache-Control: max-age=0, hit",
        "X-Cacheable: NO",
        "CF-Cache-Status: DYNAMIC",
        "CF-Cache-Status: BYPASS",
        "Cache-Status: edge; fwd=bypass",
        "X-Varnish: 32770",
        "X-Varnish: 32770, 3",
        "Server-Timing: cdn-cache; desc=MISS, edge; dur=1",
        "Server-Timing: cache_fetch_hit.active_support;dur=0.1",
        'Warning: 199 edge "110 hits"',
        "Server: hit",
    ],
)
def test_an_ordinary_answer_is_not_taken_for_a_cached_one(header: str) -> None:
    assert _is_believed(header)
    assert reply(notified("delivered"), headers=_headers(header)).readable


def _is_believed(lines: str) -> bool:
    body = orjson.dumps(holding(latestMessage=None))
    found = read_pass(http_status=200, headers=_headers(lines), body=body, whole=True, token=TOKEN, now=NOON)
    return found.latest is Latest.NULL


def _headers(lines: str) -> CIMultiDict[str]:
    parts = (line.partition(": ") for line in lines.split("|"))
    return CIMultiDict((name, value) for name, _, value in parts)


def test_an_answer_to_a_message_that_a_cache_gave_does_not_show_that_it_was_taken() -> None:
    found = reply(notified("delivered"), headers={"Age": "30", "X-Cache": "HIT", "x-rate-limit-limit": "10"})
    assert (found.readable, found.completes, found.error) == (False, False, FROM_A_CACHE)
    assert classify(found).proof is Evidence.AMBIGUOUS
    assert not foreign(found)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 410, 422, 429])
def test_a_refusal_of_a_message_that_a_cache_gave_does_not_show_that_it_was_not_taken(status: int) -> None:
    headers = {"Age": "30", "X-Cache": "HIT", "x-rate-limit-limit": "10"}
    found = reply({"errors": ["x"]}, status=status, headers=headers)
    assert (found.readable, found.completes, found.error) == (False, False, FROM_A_CACHE)
    assert _settled(found) is Status.UNKNOWN
    assert not foreign(found)
    batch = wire.read_answer(http_status=status, headers=CIMultiDict(headers), body=b'{"errors": ["x"]}', whole=True, token=TOKEN, now=NOON)
    assert proof_of(batch) is Proof.UNKNOWN


def _settled(found: Reply) -> Status:
    claim = Claim(campaign=1, row=1, fencing_token=1, pass_id="A", message="Hi", attempts=0, counted_attempts=0)
    settlement = settle_attempt(claim, found, classify(found), policy=Policy(), sent_at=NOON, latency_seconds=0.1, jitter=0.0)
    return settlement.outcome.status


@pytest.mark.parametrize("body", [b'{"errors": ["Pass not found"]}', b"", b"404 Not Found"])
@pytest.mark.parametrize("status", [404, 410, 401])
def test_a_refusal_that_a_cache_kept_does_not_say_what_there_is_now(status: int, body: bytes) -> None:
    headers = CIMultiDict({"Age": "30", "x-rate-limit-limit": "10"})
    found = read_pass(http_status=status, headers=headers, body=body, whole=True, token=TOKEN, now=NOON)
    assert (found.latest, found.completes, found.error) == (Latest.UNREADABLE, False, FROM_A_CACHE)
    assert (found.signature.by_api, found.signature.empty) == (False, False)
    assert reach_of(found) is Reach.UNREADABLE
    assert not foreign(found)


def test_an_answer_that_broke_off_is_known_to_be_so() -> None:
    assert not reply(b"{", whole=False).signature.whole
    assert not reply(b"", status=404, whole=False).signature.empty
    assert reply(b"", status=403, headers={"Content-Type": "text/html"}, whole=False).signature.page
    assert not reading(b"{", whole=False).signature.whole
