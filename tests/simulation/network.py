"""The way to the API, without a socket: the simulator's state, behind a network that loses, delays and cuts what it carries."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

import orjson

from campaign.domain.verdict import Fault, Latest, PassReading, Reply
from campaign.sender.port import InFlight
from campaign.sender.responses import read_pass, read_reply
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.faults import Act
from campaign.simulator.replies import Reply as Answer
from campaign.simulator.replies import carry_out, objection_reply
from campaign.simulator.state import State
from tests.simulation.machine import outside

TOKEN: Final = "token"
LONGEST_WAY_SECONDS: Final = 0.8
"""A request that is not taken by then never is. With `late_seconds` it is less than any quiet period, as the promise assumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A request that left: when, by both clocks, and for which pass."""

    at: float
    wall: float
    pass_id: str


@dataclass(kw_only=True)
class Network:
    """`slow` is the chance that a way takes long; `unreachable` that no connection is made. `down` is an outage."""

    state: State
    luck: random.Random
    config: SimulatorConfig
    wall: Callable[[], float]
    slow: float = 0.05
    unreachable: float = 0.0
    down: bool = False
    written: list[Written] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)

    def way_seconds(self) -> float:
        return self.luck.uniform(0.1, LONGEST_WAY_SECONDS) if self.luck.random() < self.slow else self.luck.uniform(0.001, 0.05)

    def ask(self, method: str, path: str, body: bytes, answered: "asyncio.Future[Answer | None]") -> None:
        """The request is on its way; whatever becomes of its sender, the API takes it."""
        loop = asyncio.get_running_loop()

        def answer(reply: Answer | None, after: float) -> None:
            def arrive() -> None:
                if not answered.done():
                    answered.set_result(reply)

            loop.call_later(after, arrive, context=outside())

        def taken() -> None:
            visit = self.state.arrive(method=method, raw_path=path, authorization=f"Bearer {TOKEN}")
            if visit.objection is not None:
                reply = objection_reply(visit, visit.objection)
            else:
                reply = carry_out(self.state, visit, content_type="application/json", body=body, other_host="http://elsewhere")
            if reply.cause:
                self.faults[reply.cause] = self.faults.get(reply.cause, 0) + 1
            if (late := reply.late_message) is not None:
                loop.call_later(self.config.late_seconds * self.luck.random(), self.state.process, visit, late, context=outside())
            if reply.act is not Act.HANG:
                answer(reply, self.way_seconds() + (self.config.slow_seconds if reply.act is Act.ANSWER_SLOWLY else 0.0))

        loop.call_later(self.way_seconds(), taken, context=outside())


class SimulatedGateway:
    """Satisfies `sender.port.Gateway`."""

    def __init__(self, network: Network, timeout_seconds: float) -> None:
        self._network = network
        self._timeout = timeout_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Fault:
        network = self._network
        await asyncio.sleep(network.luck.uniform(0.0, 0.01))
        if network.down or network.luck.random() < network.unreachable:
            return Fault(reason="connect", written=False, error="No connection.", cause="connect")
        if in_flight is not None and not in_flight.may_write():
            return Fault(reason="connect", written=False, error="The lease ended.")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer | None] = loop.create_future()
        # From here on it may arrive.
        if in_flight is not None:
            in_flight.written = True
        network.written.append(Written(at=loop.time(), wall=network.wall(), pass_id=pass_id))
        body = orjson.dumps({"notification": {"message": message}})
        network.ask("POST", f"/api/v1/passes/{pass_id}/notification", body, answered)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await answered
        except TimeoutError:
            return Fault(reason="timeout", written=True, error="No answer in time.")
        match answer:
            case Answer(act=Act.ANSWER | Act.ANSWER_SLOWLY):
                headers = {"Content-Type": answer.content_type} | answer.headers
                return read_reply(http_status=answer.status, headers=headers, body=answer.body, whole=True, token=TOKEN, now=network.wall())
            case Answer(act=Act.CUT_BODY | Act.HUGE | Act.GZIP_BOMB | Act.ENDLESS_HEADERS):
                return Fault(reason="bad_reply", written=True, error="The answer was not whole.")
            case _:
                return Fault(reason="disconnected", written=True, error="The connection was cut.")

    async def read(self, pass_id: str) -> PassReading:
        network = self._network
        await asyncio.sleep(network.luck.uniform(0.0, 0.01))
        if network.down or network.luck.random() < network.unreachable:
            return PassReading(latest=Latest.UNREADABLE, error="No connection.")
        answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        network.ask("GET", f"/api/v1/passes/{pass_id}", b"", answered)
        try:
            async with asyncio.timeout(15.0):
                answer = await answered
        except TimeoutError:
            return PassReading(latest=Latest.UNREADABLE, error="No answer in time.")
        if answer is None or answer.act is not Act.ANSWER:
            return PassReading(latest=Latest.UNREADABLE, error="The connection was cut.")
        headers = {"Content-Type": answer.content_type} | answer.headers
        return read_pass(http_status=answer.status, headers=headers, body=answer.body, whole=True, token=TOKEN, now=network.wall())
