"""The simulator without its network: what a request meets, and what is remembered of it. Nothing here awaits."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from campaign.simulator.admission import Admission
from campaign.simulator.config import SimulatorConfig, check_names
from campaign.simulator.faults import Draw, Fault, FaultTable, draw
from campaign.simulator.passes import PassTable
from campaign.simulator.records import AuditFile, Ending, Summary
from campaign.simulator.request_log import NO_PASS, STORM, Arrival, Records
from campaign.simulator.routes import Endpoint, Objection, Target, TokenNames, bearer_token, read_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Nanoseconds: since any moment but never backwards, and since 1970."""

    monotonic_ns: Callable[[], int] = field(default=time.monotonic_ns)
    unix_ns: Callable[[], int] = field(default=time.time_ns)


NO_SUCH_PATH: Final = Objection(status=404, error="Not Found")
NO_SUCH_PASS: Final = Objection(status=404, error="Pass not found")
_FORBIDDEN_PASS: Final = Objection(status=403, error="Forbidden")
_BAD_ID: Final = Objection(status=400, error="The pass id in the path must be one percent-encoded UTF-8 segment")
_CALM: Final = Draw(chance=0.0, share=0.0, variant=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request from its arrival on: refused with an `objection`, or admitted to its pass, with the fault that befalls it, if any.

    `cause` is what a refusal is put down to in the log, where it is not the client's own doing.
    """

    number: int
    target: Target
    token: int
    objection: Objection | None = None
    cause: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    draw: Draw = _CALM

    @property
    def pass_id(self) -> str:
        return self.target.pass_id or ""


class State:
    """Passes, limits, faults and records. Every method is one step that nothing can come between."""

    def __init__(self, config: SimulatorConfig, *, clock: Clock, audit_file: AuditFile | None = None) -> None:
        self.config = config
        self.passes = PassTable()
        self.late_pending = 0
        self._clock = clock
        self._audit_file = audit_file
        self._started_ns = clock.monotonic_ns()
        self._tokens = TokenNames()
        self._admission = Admission(config, now_ns=self._started_ns)
        self._faults = FaultTable(config.faults)
        self.records = Records(passes=self.passes, tokens=self._tokens, started_ns=self._started_ns)

    def arrive(self, *, method: str, raw_path: str, authorization: str | None) -> Visit:
        """Enters the request in the log and decides what it meets."""
        target = read_target(method, raw_path)
        token = bearer_token(authorization)
        arrival = Arrival(
            method=method,
            target=target,
            raw_path=raw_path,
            pass_number=NO_PASS if target.pass_id is None else self.passes.number(target.pass_id, target.segment),
            token=self._tokens.number(token),
            at_ns=self._clock.monotonic_ns(),
            unix_ns=self._clock.unix_ns(),
        )
        number = self.records.requests.arrive(arrival)
        match target.endpoint:
            case Endpoint.NOTIFY | Endpoint.SHOW:
                return self._admit(number, arrival, token)
            case Endpoint.ELSEWHERE:
                return Visit(number=number, target=target, token=arrival.token)
            case Endpoint.OTHER:
                return Visit(number=number, target=target, token=arrival.token, objection=NO_SUCH_PATH)

    def exists(self, pass_id: str) -> bool:
        existing = self.config.existing
        return pass_id not in self.config.missing and (existing is None or pass_id in existing)

    def traits(self, pass_id: str) -> tuple[str, str]:
        """The pass's status and device type."""
        return self.passes.traits(pass_id, statuses=self.config.statuses, device_types=self.config.device_types)

    def process(self, visit: Visit, message: str) -> None:
        """The moment that counts: the message is in the audit, and the pass holds it.

        Raises:
            OSError: the audit file can't be written; nothing was processed.
        """
        at_ns, unix_ns = self._clock.monotonic_ns(), self._clock.unix_ns()
        log = self.records.notifications
        if self._audit_file is not None:
            self._audit_file.append(
                log.notification(
                    pass_id=visit.pass_id, message=message, request=visit.number, token=visit.token, at_ns=at_ns, unix_ns=unix_ns
                )
            )
        log.add(pass_id=visit.pass_id, message=message, request=visit.number, token=visit.token, at_ns=at_ns, unix_ns=unix_ns)
        self.passes.put_message(visit.pass_id, message)

    def end(self, visit: Visit, *, status: int, ending: Ending, cause: str | None) -> None:
        """Writes down what became of the request; may be corrected by saying it again."""
        self.records.requests.end(visit.number, status=status, ending=ending, fault=cause)

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Changes fields of the configuration from now on.

        Raises:
            UsageError: no such field, a fixed one, or a value that can't be; nothing was changed.
        """
        check_names(changes)
        config = replace(self.config, **changes)
        self._admission.configure(config, changed=frozenset(changes), now_ns=self._clock.monotonic_ns())
        self._faults = FaultTable(config.faults)
        self.config = config

    def reset(self, *, passes: bool) -> None:
        """Forgets the records; with `passes` also every pass's messages and turns. The limit forgets nothing."""
        if passes:
            self.passes = PassTable()
        first = self.records.requests.next_number
        self.records = Records(passes=self.passes, tokens=self._tokens, started_ns=self._started_ns, first=first)

    def summary(self) -> Summary:
        return self.records.summary(now_ns=self._clock.monotonic_ns(), late_pending=self.late_pending)

    def _admit(self, number: int, arrival: Arrival, token: str | None) -> Visit:
        endpoint, method = arrival.target.endpoint, arrival.method
        meter = self.records.meter(endpoint, arrival.token)
        meter.arrive(arrival.at_ns)
        verdict = self._admission.judge(endpoint, token=token, token_number=arrival.token, now_ns=arrival.at_ns, unix_ns=arrival.unix_ns)
        objection = verdict.objection
        if objection is None:
            meter.admit(arrival.at_ns)
            pass_id = arrival.target.pass_id
            objection = _BAD_ID if pass_id is None else _FORBIDDEN_PASS if pass_id in self.config.forbidden else None
        visit = Visit(
            number=number,
            target=arrival.target,
            token=arrival.token,
            objection=objection,
            cause=STORM if verdict.in_storm else None,
            headers=verdict.headers,
        )
        if objection is not None:
            return visit
        turn = self.passes.next_turn(arrival.pass_number, method)
        luck = draw(seed=self.config.seed, method=method, pass_id=visit.pass_id, turn=turn)
        return replace(visit, draw=luck, fault=self._faults.choose(method, luck.chance))
