"""Whatever an id holds, it is one segment of the path, as the server sees it before it decodes anything."""

import pytest

from campaign.domain.verdict import Fault, Latest
from tests.integration.gateway.rawserver import gateway, serving

IDS = {
    "a/b?x=1#y": "a%2Fb%3Fx%3D1%23y",
    "../../admin": "..%2F..%2Fadmin",
    "%2e%2e": "%252e%252e",
    "...": "...",
    "a b": "a%20b",
    " a ": "%20a%20",
    "ä": "%C3%A4",
    "a\u0308": "a%CC%88",
    "🎁": "%F0%9F%8E%81",
    "100%": "100%25",
    "a+b": "a%2Bb",
    "a;b=c,d": "a%3Bb%3Dc%2Cd",
    "a\\..\\b": "a%5C..%5Cb",
    "a:b@c": "a%3Ab%40c",
    "~-_.": "~-_.",
    "a\r\nX-Evil: 1": "a%0D%0AX-Evil%3A%201",
    "\x00": "%00",
    "e89b1330fc391ec89656f3c664318cff8805471e": "e89b1330fc391ec89656f3c664318cff8805471e",
    "0a1b2c3d-0000-4000-8000-0123456789ab": "0a1b2c3d-0000-4000-8000-0123456789ab",
}


async def test_an_id_is_one_segment_of_the_path() -> None:
    async with serving() as server, gateway(server.url + "/behind/a-proxy/") as campaign:
        for pass_id in IDS:
            await campaign.send(pass_id, "Hello")
            await campaign.read(pass_id)
        received = [wire.received.decode().split("\r\n") for wire in server.wires]
    lines = [[line.rpartition("}}")[2] for line in wire if line.endswith(" HTTP/1.1")] for wire in received]
    assert lines == [
        [f"POST /behind/a-proxy/api/v1/passes/{segment}/notification HTTP/1.1" for segment in IDS.values()],
        [f"GET /behind/a-proxy/api/v1/passes/{segment} HTTP/1.1" for segment in IDS.values()],
    ]


@pytest.mark.parametrize("pass_id", ["", ".", "..", "a\ud83d"])
async def test_what_no_url_can_name_is_never_sent(pass_id: str) -> None:
    async with serving() as server, gateway(server.url) as campaign:
        fault = await campaign.send(pass_id, "Hello")
        reading = await campaign.read(pass_id)
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.written) == ("bad_id", False)
    assert (reading.latest, reading.http_status) == (Latest.UNREADABLE, None)
    assert server.wires == []
