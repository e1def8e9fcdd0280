"""Any bytes for an answer: each attempt ends in time, is never taken for more than it was, and leaves the next one alone."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings

from campaign.domain.verdict import Evidence, Latest, Reply, classify
from campaign.sender.api.gateway import HttpGateway
from tests.examples import examples
from tests.integration.gateway.rawserver import DELIVERED, OK, RawServer, Wire, gateway, http, serving
from tests.security.answers import Answer, answers, says_delivered

pytestmark = pytest.mark.fuzz

TOTAL_SECONDS = 0.25
SLACK_SECONDS = 1.0
NEXT = http(404, b'{"errors": ["the next"]}')


@dataclass
class Api:
    """A server that gives one hostile answer, and an honest one to whatever comes after it."""

    runner: asyncio.Runner
    server: RawServer
    client: HttpGateway
    answer: Answer | None = None
    seen: list[bytes] = field(default_factory=list)

    async def script(self, wire: Wire) -> None:
        while True:
            self.seen.append(await wire.request())
            if self.answer is None:
                await wire.write(NEXT)
                continue
            answer, self.answer = self.answer, None
            for piece in answer.pieces:
                await wire.write(piece)
                await asyncio.sleep(0)
            if answer.end == "close":
                wire.close()
            elif answer.end == "reset":
                wire.reset()


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    found: list[Api] = []

    async def script(wire: Wire) -> None:
        await found[0].script(wire)

    with asyncio.Runner() as runner:
        context = serving(script)
        server = runner.run(context.__aenter__())
        client = gateway(server.url, connect_seconds=0.5, total_seconds=TOTAL_SECONDS)
        runner.run(client.__aenter__())
        found.append(Api(runner=runner, server=server, client=client))
        yield found[0]
        runner.run(client.__aexit__(None, None, None))
        runner.run(context.__aexit__(None, None, None))


def whole(raw: bytes) -> Answer:
    return Answer(pieces=(raw,), end="stay")


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answers())
@example(whole(OK))
@example(whole(OK + OK))
@example(whole(b"HTTP/1.1 100 Continue\r\n\r\n" + OK))
@example(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + DELIVERED))
def test_no_bytes_make_a_send_raise_hang_or_claim_too_much(api: Api, answer: Answer) -> None:
    async def story() -> None:
        api.answer = answer
        api.seen.clear()
        async with asyncio.timeout(TOTAL_SECONDS + SLACK_SECONDS):
            result = await api.client.send("first", "Hello")
        assert len(api.seen) == 1
        proof = classify(result).proof
        assert proof is not Evidence.NOT_ACCEPTED
        assert proof is not Evidence.DELIVERED or says_delivered(answer.raw), (answer, result)
        assert len(repr(result)) < 2_000
        async with asyncio.timeout(TOTAL_SECONDS + SLACK_SECONDS):
            after = await api.client.send("next", "Hello")
        # On a connection that was spoilt it may fail, but it never ends with somebody else's answer.
        if isinstance(after, Reply):
            assert (after.http_status, after.error) == (404, "the next")
        else:
            assert after.written or len(api.seen) == 1

    api.runner.run(story())


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answers())
def test_no_bytes_make_a_read_raise_hang_or_claim_too_much(api: Api, answer: Answer) -> None:
    async def story() -> None:
        api.answer = answer
        async with asyncio.timeout(TOTAL_SECONDS + SLACK_SECONDS):
            reading = await api.client.read("first")
        assert reading.latest is not Latest.TEXT or reading.http_status == 200
        assert reading.latest is not Latest.TEXT or b"latestMessage" in answer.raw or b"gzip" in answer.raw
        assert len(reading.error) <= 400

    api.runner.run(story())
