"""`http://localhost` is this machine, or nothing is sent there."""

import socket
from typing import Any

import pytest

from campaign.domain.verdict import Fault, Reply
from tests.integration.gateway.rawserver import answer, gateway, serving


async def test_a_name_server_can_not_take_the_token_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def elsewhere(host: str, *given: Any, **more: Any) -> Any:
        return real("192.0.2.1" if host == "localhost" else host, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    async with gateway("http://localhost:8080", connect_seconds=0.5) as campaign:
        fault = await campaign.send("a", "Hello")
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.written) == ("dns", False)
    assert "not this machine" in fault.error


async def test_but_this_machine_is_found() -> None:
    async with serving(answer) as server, gateway(server.url.replace("127.0.0.1", "localhost")) as campaign:
        assert isinstance(await campaign.send("a", "Hello"), Reply)
