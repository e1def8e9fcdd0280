"""The way to the API, without a socket: the simulator's state, behind a network that loses, delays and cuts what it carries."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import orjson

from campaign.domain.verdict import Fault, Latest, PassReading, Reply
from campaign.sender.api.responses import read_pass, read_reply
from campaign.sender.port import InFlight
from campaign.simulator.api.replies import Reply as Answer
from campaign.simulator.api.replies import carry_out, objection_reply
from campaign.simulator.api.routes import read_target
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.faults import Act
from campaign.simulator.state import Clock, State, Visit
from tests.simulation.machine import PROCESS, Machine, outside
from tests.simulation.plan import LATE_SECONDS, Plan

TOKEN: Final = "token"
ENTITY: Final = "shop"
LONGEST_WAY_SECONDS: Final = 0.8
"""A request that is not taken by then never is. With `late_seconds` it is less than any quiet period, as the promise assumes."""
WRITE_SECONDS: Final = 0.01
"""From its slot until a request is written, at most."""

FOREIGN_TEXT: Final = "A message of somebody else."


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A request that left: when, by both clocks, for which pass, and for how long its process was not suspended before."""

    at: float
    wall: float
    pass_id: str
    awake_seconds: float


@dataclass(kw_only=True)
class Network:
    """The API, and the way to it.

    `slow` is the chance that a way takes long; `unreachable` that no connection is made; `repeated` that an intermediary repeats the
    creation of a batch, and the answer is the refusal of the second one. `down` is an outage. `left` hears of each pass to which a request
    leaves. `answers` counts what came back: to which process, of which pass, with which HTTP status. `left_at` has the time at which each
    request left, by the number that the API gave it.
    """

    state: State
    luck: random.Random
    config: SimulatorConfig
    wall: Callable[[], float]
    slow: float = 0.05
    unreachable: float = 0.0
    repeated: float = 0.0
    repeats: random.Random = field(default_factory=random.Random)
    down: bool = False
    left: Callable[[str], None] = lambda _: None
    written: list[Written] = field(default_factory=list)
    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    left_at: dict[int, float] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, machine: Machine, *, missing: Sequence[str]) -> Self:
        """As the plan has it; of `missing` passes, some are not there, and the rest may not be written to."""
        config = SimulatorConfig(
            seed=plan.seed % 2**31,
            faults=plan.faults,
            batch_faults=plan.batch_faults,
            entities=frozenset({ENTITY}),
            validation_seconds=1.0,
            sending_seconds=2.0,
            missing=frozenset(missing[: plan.missing]),
            forbidden=frozenset(missing[plan.missing :]),
            statuses={"active": 1.0 - plan.issued, "issued": plan.issued} if plan.issued else {"active": 1.0},
            undelivered_when_issued=True,
            limit_per_second=plan.limit_per_second,
            late_seconds=LATE_SECONDS,
            hang_seconds=1.0,
            deep_levels=1000,
        )
        clock = Clock(monotonic_ns=lambda: int(machine.monotonic() * 1e9), unix_ns=lambda: int(machine.wall() * 1e9))
        # With luck of its own, so that a seed of any other campaign means the same as before.
        repeats = random.Random(f"repeats {plan.seed}")
        return cls(
            state=State(config, clock=clock),
            luck=random.Random(f"network {plan.seed}"),
            config=config,
            wall=machine.wall,
            slow=plan.slow,
            unreachable=plan.unreachable,
            repeated=repeats.choice((0.0, 0.0, 0.2, 0.5)),
            repeats=repeats,
        )

    def write_foreign(self, pass_id: str) -> None:
        """Another program sends its message to the pass."""
        visit = Visit(number=0, target=read_target("POST", f"/api/v1/passes/{pass_id}/notification"), token=0)
        self.state.process(visit, FOREIGN_TEXT)

    def way_seconds(self) -> float:
        return self.luck.uniform(0.1, LONGEST_WAY_SECONDS) if self.luck.random() < self.slow else self.luck.uniform(0.001, 0.05)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes,
        answered: "asyncio.Future[Answer | None]",
        *,
        carry_out: Callable[[State, Visit, bytes], Answer],
    ) -> None:
        """The request is on its way; the API takes it also if its sender is killed, and perhaps if it is suspended."""
        loop = asyncio.get_running_loop()
        process = PROCESS.get()
        left_at = loop.time()

        def answer(reply: Answer | None, after: float) -> None:
            def arrive() -> None:
                if not answered.done():
                    answered.set_result(reply)

            loop.call_later(after, arrive, context=outside())

        def taken() -> None:
            if process is not None and process.suspended and self.luck.random() < 0.7:
                return
            visit = self.state.arrive(method=method, raw_path=path, authorization=f"Bearer {TOKEN}")
            self.left_at[visit.number] = left_at
            reply = carry_out(self.state, visit, body) if visit.objection is None else objection_reply(visit, visit.objection)
            if reply.cause:
                self.faults[reply.cause] = self.faults.get(reply.cause, 0) + 1
            if (late := reply.late_message) is not None:
                loop.call_later(self.config.late_seconds * self.luck.random(), self.state.process, visit, late, context=outside())
            if reply.act is not Act.HANG:
                answer(reply, self.way_seconds() + (self.config.slow_seconds if reply.act is Act.ANSWER_SLOWLY else 0.0))

        loop.call_later(self.way_seconds(), taken, context=outside())


def _carry_out(state: State, visit: Visit, body: bytes) -> Answer:
    return carry_out(state, visit, content_type="application/json", body=body, other_host="http://elsewhere")


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
        await asyncio.sleep(network.luck.uniform(0.0, WRITE_SECONDS))
        if network.down or network.luck.random() < network.unreachable:
            return Fault(reason="connect", written=False, error="No connection.", cause="connect")
        if in_flight is not None and not in_flight.may_write():
            return Fault(reason="connect", written=False, error="The lease ended.")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer | None] = loop.create_future()
        # From here on it may arrive.
        if in_flight is not None:
            in_flight.written = True
        awake_seconds = loop.time() - process.resumed_at if (process := PROCESS.get()) is not None else math.inf
        network.written.append(Written(at=loop.time(), wall=network.wall(), pass_id=pass_id, awake_seconds=awake_seconds))
        network.left(pass_id)
        body = orjson.dumps({"notification": {"message": message}})
        network.ask("POST", f"/api/v1/passes/{pass_id}/notification", body, answered, carry_out=_carry_out)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await answered
        except TimeoutError:
            return Fault(reason="timeout", written=True, error="No answer in time.")
        match answer:
            case Answer(act=Act.ANSWER | Act.ANSWER_SLOWLY):
                if process is not None:
                    network.answers[process.name, pass_id, answer.status] += 1
                headers = {"Content-Type": answer.content_type} | answer.headers
                return read_reply(http_status=answer.status, headers=headers, body=answer.body, whole=True, token=TOKEN, now=network.wall())
            case Answer(act=Act.CUT_BODY | Act.HUGE | Act.GZIP_BOMB | Act.ENDLESS_HEADERS):
                return Fault(reason="bad_reply", written=True, error="The answer was not whole.")
            case _:
                return Fault(reason="disconnected", written=True, error="The connection was cut.")

    async def read(self, pass_id: str) -> PassReading:
        network = self._network
        await asyncio.sleep(network.luck.uniform(0.0, WRITE_SECONDS))
        if network.down or network.luck.random() < network.unreachable:
            return PassReading(latest=Latest.UNREADABLE, error="No connection.")
        answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        network.ask("GET", f"/api/v1/passes/{pass_id}", b"", answered, carry_out=_carry_out)
        try:
            async with asyncio.timeout(15.0):
                answer = await answered
        except TimeoutError:
            return PassReading(latest=Latest.UNREADABLE, error="No answer in time.")
        if answer is None or answer.act is not Act.ANSWER:
            return PassReading(latest=Latest.UNREADABLE, error="The connection was cut.")
        headers = {"Content-Type": answer.content_type} | answer.headers
        return read_pass(http_status=answer.status, headers=headers, body=answer.body, whole=True, token=TOKEN, now=network.wall())
