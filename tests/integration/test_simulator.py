"""The simulator on its socket: what a client sees of every answer and every fault, and what the books say of it."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from campaign.domain.errors import UsageError
from campaign.simulator.config import Latency, SimulatorConfig, Storm
from campaign.simulator.faults import PLANS, Fault, Processing
from campaign.simulator.passes import PassChange
from campaign.simulator.records import Ending, LoggedRequest
from campaign.simulator.server import Simulator, bound_socket
from campaign.simulator.state import Clock
from tests.ambiguous_faults import AMBIGUOUS
from tests.errors import raises
from tests.simulator_client import SimulatorClient

TOKEN = {"Authorization": "Bearer secret-token"}
Condition = Callable[[], bool]


class Client:
    """A plain client: follows nothing, hides nothing."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session

    def url(self, path: str) -> URL:
        return URL(self.simulator.url + path, encoded=True)

    async def post(self, segment: str = "a", message: str = "Hello") -> tuple[int, bytes, dict[str, str]]:
        body = {"notification": {"message": message}}
        path = f"/api/v1/passes/{segment}/notification"
        async with self.session.post(self.url(path), json=body, headers=TOKEN, allow_redirects=False) as answer:
            return answer.status, await answer.read(), {name.lower(): value for name, value in answer.headers.items()}

    async def get(self, segment: str = "a") -> tuple[int, bytes]:
        async with self.session.get(self.url(f"/api/v1/passes/{segment}"), headers=TOKEN) as answer:
            return answer.status, await answer.read()

    async def latest(self, segment: str = "a") -> str | None:
        _, body = await self.get(segment)
        found: str | None = json.loads(body)["data"]["attributes"]["latestMessage"]
        return found


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Client]:
    async with Simulator(SimulatorConfig(**{"limit_per_second": 0, **settings})) as simulator, aiohttp.ClientSession() as session:
        yield Client(simulator, session)


async def until(holds: Condition) -> None:
    """Waits for what another task is about to do; fails by the test's own time limit."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the books have no event to wait for
            await asyncio.sleep(0.005)


def last(client: Client) -> LoggedRequest:
    return client.simulator.requests()[-1]


async def test_a_notification_is_processed_answered_audited_and_read_back() -> None:
    async with running() as client:
        assert await client.latest() is None
        status, body, headers = await client.post(message="Grüße 🎁")
        answer = json.loads(body)
        assert status == 200
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert answer["meta"]["notifications"] == {"status": "delivered", "message": "Delivered succesfully"}
        assert answer["data"]["attributes"]["latestMessage"] == "Grüße 🎁"
        status, shown = await client.get()
        assert (status, json.loads(shown)) == (200, {"data": answer["data"]})
        (entry,) = client.simulator.audit()
        assert (entry.id, entry.message, entry.request) == ("a", "Grüße 🎁", 2)
        assert abs(entry.unix_seconds - time.time()) < 60
        assert "secret" not in entry.token
        assert client.simulator.requests()[1].token == entry.token


@pytest.mark.parametrize(
    ("segment", "pass_id"),
    [
        ("a%2Fb", "a/b"),
        ("%2E%2E%2F%2E%2E%2Fadmin", "../../admin"),
        ("%2e%2e", ".."),
        ("a%2Fb%3Fx%3D1%23y", "a/b?x=1#y"),
        ("%252e%252e", "%2e%2e"),
        ("Caf%C3%A9%20%F0%9F%8E%81", "Café 🎁"),
    ],
)
async def test_an_id_of_any_text_is_one_segment(segment: str, pass_id: str) -> None:
    async with running() as client:
        assert (await client.post(segment))[0] == 200
        assert client.simulator.audit()[0].id == pass_id
        assert last(client).raw_path == f"/api/v1/passes/{segment}/notification"
        assert await client.latest(segment) == "Hello"


async def test_an_id_of_thousands_of_letters_gets_through() -> None:
    async with running() as client:
        assert (await client.post("%C3%A9" * 5000))[0] == 200
        assert client.simulator.audit()[0].id == "é" * 5000


async def test_passes_are_listed_in_pages() -> None:
    config = SimulatorConfig(existing=frozenset(f"pass-{number:02}" for number in range(30)), limit_per_second=2)
    stopped = Clock(monotonic_ns=lambda: 0, unix_ns=lambda: 0)
    async with Simulator(config, clock=stopped) as simulator, aiohttp.ClientSession() as session:
        client = Client(simulator, session)
        client.simulator.set_pass("pass-26", PassChange(status="removed"))

        async def page(query: str) -> tuple[int, dict[str, Any]]:
            async with client.session.get(client.url(f"/api/v1/passes{query}"), headers=TOKEN) as answer:
                return answer.status, await answer.json()

        first, second, throttled = await page(""), await page("?page=2"), await page("?page=3")
        assert [document["meta"] for _, document in (first, second)] == [
            {"totalCount": 30, "resultsPerPage": 25, "currentPage": number, "totalPages": 2} for number in (1, 2)
        ]
        shown = [row["attributes"] for _, document in (first, second) for row in document["data"]]
        assert [row["extId"] for row in shown] == [f"pass-{number:02}" for number in range(30)]
        assert [row["extId"] for row in shown if row["status"] == "removed"] == ["pass-26"]
        # Its limit is one of its own.
        assert throttled[0] == 429
        assert (await client.get("pass-01"))[0] == 200
        client.simulator.configure(passes_per_page=0, limit_per_second=100)
        assert (await page(""))[0] == 404


async def test_a_slash_that_is_not_encoded_leads_nowhere() -> None:
    async with running() as client:
        assert (await client.post("a/b"))[0] == 404
        assert client.simulator.audit() == []
        assert (last(client).id, last(client).status) == (None, 404)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/json"}, b'{"notification":{"message":""}}', 422),
        ({"Content-Type": "application/json"}, b'{"notification":{"message":5}}', 422),
        ({"Content-Type": "application/json"}, b"not json", 400),
        ({"Content-Type": "text/plain"}, b'{"notification":{"message":"x"}}', 400),
        ({"Content-Type": "application/json"}, b'{"notification":{"message":"' + b"x" * 2_000_000 + b'"}}', 413),
    ],
)
async def test_a_message_that_can_not_be_is_refused_and_not_processed(headers: dict[str, str], body: bytes, status: int) -> None:
    async with running() as client:
        url = client.url("/api/v1/passes/a/notification")
        async with client.session.post(url, data=BytesIO(body), headers=TOKEN | headers) as answer:
            assert answer.status == status
            assert list(await answer.json()) == ["errors"]
        assert client.simulator.audit() == []


async def test_missing_passes_and_refused_tokens_are_answered_as_documented() -> None:
    async with running(missing=frozenset({"gone/er"}), limit_per_second=10) as client:
        assert (await client.post("gone%2Fer"))[:2] == (404, b'{"errors":["Pass not found"]}')
        assert (await client.get("gone%2Fer"))[0] == 404
        async with client.session.post(client.url("/api/v1/passes/a/notification"), json={}) as answer:
            assert answer.status == 401
            assert await answer.json() == {"errors": ["Unauthorized"]}
            assert answer.headers["x-rate-limit-limit"] == "10"
        client.simulator.configure(forbidden_tokens=frozenset({"secret-token"}))
        assert (await client.post())[:2] == (403, b'{"errors":["Forbidden"]}')


async def test_the_limit_is_held_and_told() -> None:
    async with running(limit_per_second=3) as client:
        answers = [await client.post() for _ in range(4)]
        assert [status for status, _, _ in answers] == [200, 200, 200, 429]
        assert [headers["x-rate-limit-remaining"] for _, _, headers in answers] == ["2", "1", "0", "0"]
        _, body, headers = answers[-1]
        assert json.loads(body) == {"errors": ["Too Many Requests"]}
        wait_seconds = float(headers["x-rate-limit-retry-after"])
        assert 0 < wait_seconds <= 1
        assert abs(int(headers["x-rate-limit-reset"]) - time.time()) < 60
        assert (await client.get())[0] == 200
        await asyncio.sleep(wait_seconds)
        assert (await client.post())[0] == 200
        assert client.simulator.summary().throttled == 1


async def outcome(sent: Awaitable[tuple[int, bytes, dict[str, str]]], *, seconds: float = 5.0) -> int | str:
    """The status of an answer that makes sense as JSON, else how it failed."""
    try:
        async with asyncio.timeout(seconds):
            status, body, _ = await sent
    except TimeoutError:
        return "no answer"
    except aiohttp.ClientPayloadError:
        return "cut body"
    except aiohttp.ServerDisconnectedError:
        return "closed"
    except aiohttp.ClientOSError:
        return "reset"
    except aiohttp.ClientError as error:
        return type(error).__name__
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return "unreadable"
    return status


SEEN: dict[Fault, tuple[set[int | str], Ending]] = {
    Fault.REFUSE: ({"reset"}, Ending.CUT),
    Fault.CUT_BEFORE: ({"reset", "closed"}, Ending.CUT),
    Fault.CUT_AFTER: ({"reset", "closed"}, Ending.CUT),
    Fault.HANG_BEFORE: ({"no answer"}, Ending.HUNG),
    Fault.HANG_AFTER: ({"no answer"}, Ending.HUNG),
    Fault.ERROR_BEFORE: ({500, 502, 503}, Ending.ANSWERED),
    Fault.ERROR_AFTER: ({500, 502, 503}, Ending.ANSWERED),
    Fault.CUT_JSON: ({"unreadable"}, Ending.ANSWERED),
    Fault.CUT_BODY: ({"cut body"}, Ending.CUT),
    Fault.HTML: ({"unreadable"}, Ending.ANSWERED),
    Fault.HTML_OK: ({"unreadable"}, Ending.ANSWERED),
    Fault.NOT_FOUND: ({404}, Ending.ANSWERED),
    Fault.UNPROCESSABLE: ({422}, Ending.ANSWERED),
    Fault.CONFLICT: ({409}, Ending.ANSWERED),
    Fault.GONE: ({410}, Ending.ANSWERED),
    Fault.NOT_DELIVERED: ({200}, Ending.ANSWERED),
    Fault.UNKNOWN_STATUS: ({200}, Ending.ANSWERED),
    Fault.THROTTLE: ({429}, Ending.ANSWERED),
    Fault.LATE: ({504, "closed", "reset"}, Ending.ANSWERED),
    Fault.SLOW: ({200}, Ending.ANSWERED),
    Fault.REDIRECT: ({307}, Ending.ANSWERED),
    Fault.HUGE: ({200}, Ending.ANSWERED),
    Fault.GZIP_BOMB: ({200}, Ending.ANSWERED),
    Fault.DEEP_JSON: ({"unreadable"}, Ending.ANSWERED),
    Fault.TAKEN_THEN: ({"unreadable"}, Ending.ANSWERED),
    Fault.BLOCKED: ({"unreadable"}, Ending.ANSWERED),
}


@pytest.mark.parametrize("fault", SEEN)
async def test_a_fault_of_a_post_looks_as_it_should_and_the_audit_knows_the_truth(fault: Fault) -> None:
    expected, ending = SEEN[fault]
    times = 12
    async with running(faults={fault: 1.0}, late_seconds=0.02, slow_seconds=0.02, huge_bytes=300_000) as client:
        patience_seconds = 0.15 if expected == {"no answer"} else 5.0
        seen = {await outcome(client.post(f"p{number}"), seconds=patience_seconds) for number in range(times)}
        assert seen == expected
        await until(lambda: client.simulator.summary().late_pending == 0)
        processed = [entry.id for entry in client.simulator.audit()]
        assert sorted(processed) == ([] if PLANS[fault].processing is Processing.NEVER else sorted(f"p{number}" for number in range(times)))
        assert {request.fault for request in client.simulator.requests()} == {fault}
        assert client.simulator.summary().by_fault == {fault.value: times}
        if fault is not Fault.LATE:
            assert {request.ending for request in client.simulator.requests()} == {ending}
        client.simulator.configure(faults={})
        assert (await client.latest("p0") == "Hello") is ("p0" in processed)


def test_every_fault_of_a_post_is_looked_at() -> None:
    assert set(SEEN) | {Fault.ENDLESS_HEADERS} == {fault for fault in Fault if fault.method == "POST"}
    assert AMBIGUOUS - {Fault.ENDLESS_HEADERS, Fault.HUGE, Fault.GZIP_BOMB} <= set(SEEN)


async def test_endless_headers_end_only_with_the_client() -> None:
    async with running(faults={Fault.ENDLESS_HEADERS: 1.0}) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(client.simulator.url).port)
        body = b'{"notification":{"message":"x"}}'
        writer.write(b"POST /api/v1/passes/a/notification HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n")
        writer.write(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head = await reader.readexactly(1_000_000)
        assert head.startswith(b"HTTP/1.1 200 OK\r\nx-filler: ")
        assert b"\r\n\r\n" not in head
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        assert [entry.id for entry in client.simulator.audit()] == ["a"]
        assert last(client).ending is Ending.CUT


async def test_a_bomb_is_small_until_it_is_unpacked() -> None:
    async with running(faults={Fault.GZIP_BOMB: 1.0}, huge_bytes=5_000_000) as client:
        async with aiohttp.ClientSession(auto_decompress=False) as raw:
            packed = await Client(client.simulator, raw).post()
        _, unpacked, _ = await client.post()
        assert len(packed[1]) < 50_000
        assert len(unpacked) > 5_000_000
        assert packed[2]["content-encoding"] == "gzip"


async def test_a_huge_answer_that_nobody_reads_is_lost() -> None:
    async with running(faults={Fault.HUGE: 1.0}, huge_bytes=100_000_000) as client:
        async with client.session.post(
            client.url("/api/v1/passes/a/notification"), json={"notification": {"message": "x"}}, headers=TOKEN
        ) as answer:
            assert answer.headers["Content-Length"].startswith("10000")
            await answer.content.readexactly(100_000)
            answer.close()
        await until(lambda: last(client).ending is Ending.LOST)
        assert last(client).status == 200


READS: dict[Fault, set[int | str]] = {
    Fault.READ_ERROR: {500},
    Fault.READ_HANG: {"no answer"},
    Fault.READ_HTML: {"unreadable"},
    Fault.READ_THROTTLE: {429},
    Fault.READ_MISSING: {200},
    Fault.READ_NULL: {200},
}


@pytest.mark.parametrize("fault", READS)
async def test_a_fault_of_a_read_looks_as_it_should(fault: Fault) -> None:
    async with running(faults={fault: 1.0}) as client:
        await client.post("p0")

        async def read(number: int) -> tuple[int, bytes, dict[str, str]]:
            return *(await client.get(f"p{number}")), {}

        assert {await outcome(read(number), seconds=0.15 if fault is Fault.READ_HANG else 5.0) for number in range(8)} == READS[fault]
        if fault in {Fault.READ_MISSING, Fault.READ_NULL}:
            attributes = json.loads((await client.get("p0"))[1])["data"]["attributes"]
            assert ("latestMessage" in attributes, attributes.get("latestMessage")) == (fault is Fault.READ_NULL, None)
        assert len(client.simulator.audit()) == 1


async def test_a_read_that_is_cut_has_no_status() -> None:
    async with running(faults={Fault.READ_CUT: 1.0}) as client:
        for number in range(6):
            with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
                await client.get(f"p{number}")
        assert {request.ending for request in client.simulator.requests()} == {Ending.CUT}
        assert client.simulator.summary().by_status == {}


async def test_a_fault_that_needs_a_pass_or_a_message_does_not_happen_without() -> None:
    async with running(faults={Fault.CUT_AFTER: 1.0}, missing=frozenset({"m"})) as client:
        assert (await client.post("m"))[0] == 404
        assert (await client.post("a", message=" "))[0] == 422
        assert {request.fault for request in client.simulator.requests()} == {None}
        assert client.simulator.audit() == []


async def test_what_is_not_delivered_says_so_and_stands_as_issued() -> None:
    async with running(faults={Fault.NOT_DELIVERED: 1.0}) as client:
        answer = json.loads((await client.post())[1])
        assert answer["meta"]["notifications"]["status"] == "notDelivered"
        assert answer["data"]["attributes"]["status"] == "issued"
        assert answer["data"]["attributes"]["latestMessage"] == "Hello"
        client.simulator.configure(faults={Fault.UNKNOWN_STATUS: 1.0})
        assert json.loads((await client.post("b"))[1])["meta"]["notifications"]["status"] == "heldForReview"


async def test_issued_passes_are_not_reached_where_that_is_asked_for() -> None:
    async with running(undelivered_when_issued=True, statuses={"issued": 1.0, "active": 1.0}) as client:
        found = [json.loads((await client.post(f"p{number}"))[1]) for number in range(30)]
        pairs = {(answer["data"]["attributes"]["status"], answer["meta"]["notifications"]["status"]) for answer in found}
        assert pairs == {("issued", "notDelivered"), ("active", "delivered")}


async def test_who_follows_a_redirect_is_found_out_with_or_without_token() -> None:
    async with running(faults={Fault.REDIRECT: 1.0}) as client:
        places = [(await client.post(f"p{number}"))[2]["location"] for number in range(12)]
        assert {place.partition("/elsewhere/")[0] for place in places} == {"", client.simulator.url.replace("127.0.0.1", "localhost")}
        body = {"notification": {"message": "Hello"}}
        async with client.session.post(client.url("/api/v1/passes/q/notification"), json=body, headers=TOKEN) as answer:
            assert answer.status == 200
        async with client.session.post(client.url("/elsewhere/1"), json=body) as answer:
            assert answer.status == 200
        summary = client.simulator.summary()
        assert summary.redirects_followed == 2
        assert summary.redirects_followed_with_token <= 1
        async with client.session.post(client.url("/elsewhere/1"), json=body, headers=TOKEN):
            pass
        assert client.simulator.summary().redirects_followed_with_token == summary.redirects_followed_with_token + 1
        assert client.simulator.audit() == []


async def test_late_ones_are_processed_after_the_answer_unless_the_simulator_ends(caplog: pytest.LogCaptureFixture) -> None:
    async with running(faults={Fault.LATE: 1.0}, late_seconds=0.2) as client:
        await outcome(client.post())
        assert client.simulator.audit() == []
        assert client.simulator.summary().late_pending == 1
        assert await client.latest() is None
        await until(lambda: len(client.simulator.audit()) == 1)
        assert client.simulator.summary().late_pending == 0
        await outcome(client.post("b"))
        simulator = client.simulator
    await asyncio.sleep(0.3)
    assert [entry.id for entry in simulator.audit()] == ["a"]
    assert caplog.records == []


async def test_a_storm_has_its_own_retry_after() -> None:
    async with running() as client:
        client.simulator.configure(storms=(Storm(seconds=60.0, retry_after="99999999999"),))
        status, _, headers = await client.post()
        assert (status, headers["x-rate-limit-retry-after"]) == (429, "99999999999")
        assert (last(client).fault, client.simulator.summary().by_fault) == ("storm", {"storm": 1})
        assert (await client.get())[0] == 200


async def test_latency_is_spent_on_both_sides_of_processing() -> None:
    async with running(latency=Latency(low_seconds=1.0, high_seconds=1.0), read_latency=Latency()) as client:
        started = time.monotonic()
        sent = asyncio.create_task(client.post())
        await until(lambda: len(client.simulator.requests()) == 1)
        assert client.simulator.audit() == []
        assert await client.latest() is None
        await sent
        took_seconds = time.monotonic() - started
        (entry,) = client.simulator.audit()
        arrived = client.simulator.requests()[0].at_seconds
        assert entry.at_seconds - arrived > 0.4
        assert took_seconds - (entry.at_seconds - arrived) > 0.4


async def test_a_client_that_is_gone_before_the_answer_was_still_heard() -> None:
    async with running(latency=Latency(low_seconds=0.2, high_seconds=0.2)) as client:
        assert await outcome(client.post(), seconds=0.05) == "no answer"
        await until(lambda: last(client).ending is Ending.LOST)
        assert [entry.id for entry in client.simulator.audit()] == ["a"]
        assert (last(client).status, client.simulator.summary().in_flight) == (None, 0)


async def test_a_body_that_never_comes_through_is_not_processed() -> None:
    async with running() as client:
        _, writer = await asyncio.open_connection("127.0.0.1", URL(client.simulator.url).port)
        writer.write(b"POST /api/v1/passes/a/notification HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n")
        writer.write(b'Content-Type: application/json\r\nContent-Length: 32\r\n\r\n{"notification":{"message"')
        await writer.drain()
        await until(lambda: len(client.simulator.requests()) == 1)
        writer.close()
        await writer.wait_closed()
        await until(lambda: last(client).ending is Ending.LOST)
        assert client.simulator.audit() == []


async def test_the_same_seed_gives_the_same_campaign_in_any_order() -> None:
    faults = {Fault.CUT_AFTER: 0.2, Fault.ERROR_BEFORE: 0.2, Fault.NOT_DELIVERED: 0.2}

    async def campaign(ids: list[str]) -> dict[str | None, str | None]:
        async with running(seed=11, faults=faults) as client:
            for pass_id in ids:
                await outcome(client.post(pass_id))
            return {request.id: request.fault for request in client.simulator.requests()}

    ids = [f"p{number}" for number in range(40)]
    forth = await campaign(ids)
    assert forth == await campaign(ids[::-1])
    assert len(set(forth.values())) == 4


async def test_the_audit_file_holds_every_processed_notification_at_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    async with running(audit_file=path, faults={Fault.CUT_AFTER: 0.5}) as client:
        for number in range(20):
            await outcome(client.post(f"p{number}", message=f"Nº {number}"))
            written = [json.loads(line) for line in path.read_text().splitlines()]
            assert [(line["id"], line["message"]) for line in written] == [(entry.id, entry.message) for entry in client.simulator.audit()]
        assert len(written) == 20
        assert "secret-token" not in path.read_text()


async def test_the_client_sees_over_http_what_the_simulator_sees_itself() -> None:
    async with running(faults={Fault.CUT_AFTER: 0.4}, missing=frozenset({"p3"}), limit_per_second=1000) as client:
        for number in range(12):
            await outcome(client.post(f"p{number}%2F", message=f"{number} 🎁"))
        await outcome(client.post("p3"))
        await client.get("a%2Fb")
        await client.session.delete(client.url("/api/v1/passes/x"))
        remote, simulator = SimulatorClient(client.simulator.url + "/"), client.simulator
        assert await asyncio.to_thread(remote.audit) == simulator.audit()
        assert await asyncio.to_thread(remote.requests) == simulator.requests()
        over_http, direct = await asyncio.to_thread(remote.summary), simulator.summary()
        assert over_http.up_seconds <= direct.up_seconds
        assert (over_http.endpoints, over_http.by_status, over_http.by_fault) == (direct.endpoints, direct.by_status, direct.by_fault)
        assert over_http.processed == 12
        assert len(simulator.requests()) == 15


async def test_everything_can_be_changed_and_reset_over_http() -> None:
    async with running() as client:
        remote = SimulatorClient(client.simulator.url)
        settings = await asyncio.to_thread(
            lambda: remote.set_faults(
                faults={Fault.GONE: 1.0},
                storms=(Storm(seconds=0.0),),
                latency=Latency(high_seconds=0.01),
                tokens=frozenset({"secret-token"}),
            )
        )
        assert settings == await asyncio.to_thread(remote.settings)
        assert settings["faults"] == {"gone": 1.0}
        assert "secret-token" not in json.dumps(settings)
        assert (await client.post())[0] == 410
        await asyncio.to_thread(lambda: remote.set_faults(faults={}))
        await client.post("a%2Fb")
        await asyncio.to_thread(lambda: remote.set_pass("a/b", latest_message=None, status="removed"))
        attributes = json.loads((await client.get("a%2Fb"))[1])["data"]["attributes"]
        assert (attributes["latestMessage"], attributes["status"]) == (None, "removed")
        await asyncio.to_thread(lambda: remote.set_pass("a/b", latest_message="Theirs"))
        assert await client.latest("a%2Fb") == "Theirs"
        await asyncio.to_thread(remote.reset)
        assert (client.simulator.audit(), client.simulator.requests()) == ([], [])
        assert await client.latest("a%2Fb") == "Theirs"
        await asyncio.to_thread(lambda: remote.reset(passes=True))
        assert await client.latest("a%2Fb") is None


async def test_what_is_asked_wrongly_is_refused_and_changes_nothing() -> None:
    async with running() as client:
        remote = SimulatorClient(client.simulator.url)
        for wrong, code in (
            (lambda: remote.set_faults(faults={"gon": 1.0}), "unknown_fault"),
            (lambda: remote.set_faults(limit_per_secnd=1), "unknown_setting"),
            (lambda: remote.set_faults(port=1), "not_changeable"),
            (lambda: remote.set_pass("a"), "not_an_object"),
            (lambda: remote.outage(-1), "bad_value"),
        ):
            with raises(UsageError, code):
                await asyncio.to_thread(wrong)
        async with client.session.put(client.url("/_simulator/faults"), data=b"{") as answer:
            assert answer.status == 400
        async with client.session.get(client.url("/_simulator/nothing")) as answer:
            assert (await answer.json())["code"] == "unknown_route"
        assert (await client.post())[0] == 200


def test_a_url_that_is_none_is_refused() -> None:
    with raises(UsageError, "bad_url"):
        SimulatorClient("file:///etc/passwd")


async def test_control_is_neither_limited_nor_locked_nor_logged() -> None:
    async with running(limit_per_second=1, tokens=frozenset({"other"})) as client:
        for _ in range(5):
            async with client.session.get(client.url("/_simulator/summary")) as answer:
                assert answer.status == 200
        assert client.simulator.requests() == []


async def test_in_an_outage_connections_are_refused_and_afterwards_all_is_as_before() -> None:
    async with running() as client:
        await client.post()
        url = client.simulator.url
        await asyncio.to_thread(lambda: SimulatorClient(url).outage(0.5))
        assert await first_that_is(client, refused=True)
        assert client.simulator.url == url
        assert await first_that_is(client, refused=False)
        assert "a" in {entry.id for entry in client.simulator.audit()}


async def first_that_is(client: Client, *, refused: bool) -> bool:
    """Whether, within ten seconds, a connection is refused, or an answer comes."""
    for _ in range(1000):
        try:
            status, _, _ = await client.post("b")
        except aiohttp.ClientConnectorError:
            if refused:
                return True
        except aiohttp.ClientConnectionError:
            pass
        else:
            if not refused:
                return status == 200
        await asyncio.sleep(0.01)
    return False


async def test_a_request_in_an_outage_is_processed_but_its_answer_is_lost() -> None:
    async with running(latency=Latency(low_seconds=0.2, high_seconds=0.2)) as client:
        sent = asyncio.create_task(outcome(client.post()))
        await until(lambda: len(client.simulator.requests()) == 1)
        await client.simulator.outage(0.3)
        assert await sent in {"closed", "reset"}
        assert [entry.id for entry in client.simulator.audit()] == ["a"]
        assert last(client).ending is Ending.LOST


async def test_the_simulator_may_end_in_the_middle_of_an_outage() -> None:
    async with running() as client:
        await asyncio.to_thread(lambda: SimulatorClient(client.simulator.url).outage(60))
        await asyncio.sleep(0.2)


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with raises(UsageError, "port_taken"):
            async with Simulator(SimulatorConfig(port=port, audit_file=tmp_path / "audit.jsonl")):
                pass


async def test_it_listens_on_ipv6_too() -> None:
    try:
        bound_socket("::1", 0).close()
    except UsageError:
        pytest.skip("this machine has no IPv6 on loopback")
    async with running(host="::1") as client:
        assert client.simulator.url.startswith("http://[::1]:")
        assert (await client.post())[0] == 200


async def test_it_ends_at_once_though_requests_hang_and_connections_idle() -> None:
    async with running(faults={Fault.HANG_AFTER: 0.5}, seed=1) as client:
        sent = [asyncio.create_task(outcome(client.post(f"p{number}"), seconds=30)) for number in range(10)]
        await until(lambda: len(client.simulator.audit()) == 10)
        simulator = client.simulator
        await simulator.__aexit__(None, None, None)
        # None of them had to give up.
        assert {"no answer"}.isdisjoint(await asyncio.gather(*sent))


PROGRAM = """
import json, sys
from pathlib import Path
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.server import serve
config = SimulatorConfig(limit_per_second=0, late_seconds=0.02, slow_seconds=0.02, huge_bytes=300_000, audit_file=Path(sys.argv[1]))
sys.exit(serve(config, json=sys.argv[2] == "json"))
"""


@contextmanager
def program(audit_file: Path, form: str = "json") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The simulator as a program of its own, and its ready line."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(audit_file), form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running_program:
        assert running_program.stdout is not None
        try:
            yield running_program, running_program.stdout.readline()
        finally:
            if running_program.poll() is None:
                running_program.kill()


async def post_to(url: str, pass_id: str) -> tuple[int, bytes, dict[str, str]]:
    body = {"notification": {"message": "Hello"}}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v1/passes/{pass_id}/notification", json=body, headers=TOKEN, allow_redirects=False) as answer,
    ):
        return answer.status, await answer.read(), dict(answer.headers)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_as_a_program_until_it_is_told_to_end(number: signal.Signals, tmp_path: Path) -> None:
    with program(tmp_path / "audit.jsonl") as (served, ready):
        remote = SimulatorClient(json.loads(ready)["url"])
        for turn in range(30):
            assert asyncio.run(post_to(remote.url, f"p{turn // 2}"))[0] == 200
        assert [entry.id for entry in remote.audit()] == [f"p{turn // 2}" for turn in range(30)]
        served.send_signal(number)
        _, errors = served.communicate(timeout=10)
    assert served.returncode == 0
    assert re.findall(r"\d+", errors) == ["30", "15", "15", "0", "429"]
    assert len((tmp_path / "audit.jsonl").read_text().splitlines()) == 30


def test_every_fault_looks_the_same_from_the_program_with_its_faster_loop(tmp_path: Path) -> None:
    with program(tmp_path / "audit.jsonl") as (served, ready):
        remote = SimulatorClient(json.loads(ready)["url"])
        for fault, (expected, _) in SEEN.items():
            remote.set_faults(faults={fault: 1.0})
            patience_seconds = 0.15 if expected == {"no answer"} else 5.0
            seen = {asyncio.run(outcome(post_to(remote.url, f"{fault}{turn}"), seconds=patience_seconds)) for turn in range(4)}
            assert seen <= expected, fault
        deadline = time.monotonic() + 10
        while remote.summary().late_pending and time.monotonic() < deadline:
            time.sleep(0.01)
        processed = {fault for fault in SEEN if PLANS[fault].processing is not Processing.NEVER}
        assert {entry.id for entry in remote.audit()} == {f"{fault}{turn}" for fault in processed for turn in range(4)}
        assert remote.summary().surplus == 0
        served.terminate()
        served.communicate(timeout=10)
    assert served.returncode == 0


def test_it_says_in_a_sentence_where_it_listens(tmp_path: Path) -> None:
    with program(tmp_path / "audit.jsonl", "words") as (served, ready):
        assert ready.startswith("PassEntry is simulated at http://127.0.0.1:")
        served.terminate()
        served.communicate(timeout=10)
    assert served.returncode == 0


async def test_what_someone_else_wrote_is_read_back_but_not_audited() -> None:
    async with running() as client:
        await client.post()
        client.simulator.set_pass("a", PassChange(latest_message="Theirs"))
        assert await client.latest() == "Theirs"
        assert client.simulator.summary().processed == 1


@pytest.mark.parametrize("turns", range(6))
async def test_it_ends_with_no_connection_open_not_even_one_that_came_last(turns: int) -> None:
    async with Simulator(SimulatorConfig()) as simulator:
        address = URL(simulator.url)
        await asyncio.sleep(0)
        clients = [socket.create_connection((address.host, address.port)) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
    for client in clients:
        client.settimeout(5)
        with client, suppress(ConnectionResetError):
            # Also where it was never accepted.
            assert client.recv(1) == b""
