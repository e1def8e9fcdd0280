"""The simulator without its network: decides how a request is handled, and records it. Nothing here awaits."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from campaign.simulator.api.admission import Admission
from campaign.simulator.api.routes import Endpoint, Objection, Target, TokenNames, bearer_token, decode_segment, read_target
from campaign.simulator.batches.faults import BatchFault, BatchFaultTable
from campaign.simulator.batches.store import PROCESSED, Batch, Batches, Outcome
from campaign.simulator.config import SimulatorConfig, check_names
from campaign.simulator.faults import Draw, Fault, FaultTable, draw
from campaign.simulator.passes import ISSUED, PassTable
from campaign.simulator.records import AuditFile, Ending, Summary
from campaign.simulator.request_log import NO_PASS, STORM, Arrival, Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Two clocks in nanoseconds: one that never decreases, and one since 1970."""

    monotonic_ns: Callable[[], int] = field(default=time.monotonic_ns)
    unix_ns: Callable[[], int] = field(default=time.time_ns)


NO_SUCH_PATH: Final = Objection(status=404, error="Not Found")
NO_SUCH_PASS: Final = Objection(status=404, error="Pass not found")
_FORBIDDEN_PASS: Final = Objection(status=403, error="Forbidden")
_BAD_ID: Final = Objection(status=400, error="The pass id in the path must be one percent-encoded UTF-8 segment")
_BATCHES_OFF: Final = Objection(status=403, error="Batch messaging is in beta and not available to your organisation")
_NO_TERMS: Final = Objection(status=403, error="The terms of batch messaging have not been accepted in the dashboard")
_NO_SUCH_ENTITY: Final = Objection(status=404, error="Entity not found")
_NEED_TERMS: Final = frozenset({Endpoint.CREATE_BATCH, Endpoint.SEND_BATCH})
_NO_FAULT: Final = Draw(chance=0.0, share=0.0, variant=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request after its arrival: refused with an `objection`, or admitted, perhaps with a fault.

    `cause` is the logged cause of a refusal that is not the client's fault.
    """

    number: int
    target: Target
    token: int
    objection: Objection | None = None
    cause: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    draw: Draw = _NO_FAULT

    @property
    def pass_id(self) -> str:
        return self.target.pass_id or ""

    @property
    def fault_name(self) -> str | None:
        step = self.target.endpoint.step
        return f"{step}_{self.fault}" if step and self.fault else self.fault


class State:
    """Passes, batches, limits, faults and records. Every method is atomic, because nothing awaits."""

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
        self._batch_faults = BatchFaultTable(config.batch_faults)
        self._records = Records(passes=self.passes, tokens=self._tokens, started_ns=self._started_ns)
        self._batches = self._no_batches()

    @property
    def records(self) -> Records:
        """The records as of now, including what batches have sent meanwhile."""
        self._advance()
        return self._records

    @property
    def batches(self) -> Batches:
        """The batches as of now."""
        self._advance()
        return self._batches

    @property
    def now_ns(self) -> int:
        return self._clock.monotonic_ns()

    @property
    def unix_ns(self) -> int:
        return self._clock.unix_ns()

    def arrive(self, *, method: str, raw_path: str, authorization: str | None) -> Visit:
        """Record the request, and decide how it is handled."""
        self._advance()
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
        number = self._records.requests.arrive(arrival)
        match target.endpoint:
            case Endpoint.ELSEWHERE:
                return Visit(number=number, target=target, token=arrival.token)
            case Endpoint.OTHER:
                return Visit(number=number, target=target, token=arrival.token, objection=NO_SUCH_PATH)
            case Endpoint.BATCH_FILE:
                return self._with_random_faults(Visit(number=number, target=target, token=arrival.token), arrival)
            case _:
                return self._admit(number, arrival, token)

    def exists(self, pass_id: str) -> bool:
        existing = self.config.existing
        return pass_id not in self.config.missing and (existing is None or pass_id in existing)

    def listed(self) -> list[str]:
        """The organisation's passes: those of the setting `existing`, or else those that were asked for; without `missing` ones."""
        existing = self.config.existing
        return [pass_id for pass_id in (self.passes.ids() if existing is None else sorted(existing)) if self.exists(pass_id)]

    def traits(self, pass_id: str) -> tuple[str, str]:
        """The pass's status and device type."""
        return self.passes.traits(pass_id, statuses=self.config.statuses, device_types=self.config.device_types)

    def process(self, visit: Visit, message: str) -> None:
        """Process a message: write it to the audit, then to the pass.

        Raises:
            OSError: the audit file can't be written; nothing was processed.
        """
        log = self.records.notifications
        at_ns, unix_ns = self._clock.monotonic_ns(), self._clock.unix_ns()
        if self._audit_file is not None:
            self._audit_file.append(
                log.notification(
                    pass_id=visit.pass_id, message=message, request=visit.number, token=visit.token, at_ns=at_ns, unix_ns=unix_ns
                )
            )
        log.add(pass_id=visit.pass_id, message=message, request=visit.number, token=visit.token, at_ns=at_ns, unix_ns=unix_ns)
        self.passes.put_message(visit.pass_id, message)

    def delivers_to(self, status: str) -> bool:
        """Whether a pass with this status is answered `delivered`."""
        return not (self.config.undelivered_when_issued and status == ISSUED)

    def objection_to(self, pass_id: str) -> str | None:
        """Why a batch can't send to the pass; None if it can."""
        if not self.exists(pass_id):
            return NO_SUCH_PASS.error
        return _FORBIDDEN_PASS.error if pass_id in self.config.forbidden else None

    def end(self, visit: Visit, *, status: int, ending: Ending, cause: str | None) -> None:
        """Record how the request ended; a later call replaces it."""
        self._records.requests.end(visit.number, status=status, ending=ending, fault=cause)

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change fields of the configuration.

        Raises:
            UsageError: there is no such field, it is fixed, or a value is invalid; nothing was changed.
        """
        check_names(changes)
        config = replace(self.config, **changes)
        self._admission.configure(config, changed=frozenset(changes), now_ns=self._clock.monotonic_ns())
        self._faults = FaultTable(config.faults)
        self._batch_faults = BatchFaultTable(config.batch_faults)
        self._batches.configure(config)
        self.config = config

    def reset(self, *, passes: bool) -> None:
        """Clear the records; with `passes` also all batches, and every pass with its messages and turns. The rate limit keeps its state."""
        self._advance()
        if passes:
            self.passes = PassTable()
            self._batches = self._no_batches()
        first = self._records.requests.next_number
        self._records = Records(passes=self.passes, tokens=self._tokens, started_ns=self._started_ns, first=first)

    def summary(self) -> Summary:
        return self.records.summary(
            now_ns=self._clock.monotonic_ns(),
            late_pending=self.late_pending + self._batches.late_pending,
            batches=self._batches.by_status(),
        )

    def _admit(self, number: int, arrival: Arrival, token: str | None) -> Visit:
        endpoint = arrival.target.endpoint
        meter = self._records.meter(endpoint, arrival.token)
        meter.arrive(arrival.at_ns)
        verdict = self._admission.admit(endpoint, token=token, token_number=arrival.token, now_ns=arrival.at_ns, unix_ns=arrival.unix_ns)
        objection = verdict.objection
        if objection is None:
            meter.admit(arrival.at_ns)
            objection = self._objection_to_batch(arrival.target) if endpoint.step else self._objection_to_pass(arrival.target)
        visit = Visit(
            number=number,
            target=arrival.target,
            token=arrival.token,
            objection=objection,
            cause=STORM if verdict.in_storm else None,
            headers=verdict.headers,
        )
        # Faults apply only to passes and batches.
        return visit if objection is not None or endpoint is Endpoint.LIST else self._with_random_faults(visit, arrival)

    def _objection_to_pass(self, target: Target) -> Objection | None:
        pass_id = target.pass_id
        if target.endpoint is Endpoint.LIST:
            return None if self.config.passes_per_page else NO_SUCH_PATH
        return _BAD_ID if pass_id is None else _FORBIDDEN_PASS if pass_id in self.config.forbidden else None

    def _objection_to_batch(self, target: Target) -> Objection | None:
        if self.config.batches == "off":
            return _BATCHES_OFF
        if self.config.batches == "terms" and target.endpoint in _NEED_TERMS:
            return _NO_TERMS
        if target.endpoint is Endpoint.CREATE_BATCH and decode_segment(target.segment) not in self.config.entities:
            return _NO_SUCH_ENTITY
        return None

    def _with_random_faults(self, visit: Visit, arrival: Arrival) -> Visit:
        method, step = arrival.method, visit.target.endpoint.step
        if step:
            key = visit.target.segment
            drawn = draw(seed=self.config.seed, method=step, pass_id=key, turn=self._batches.next_turn(step, key))
            return replace(visit, draw=drawn, fault=self._batch_faults.at(step, drawn.chance))
        turn = self.passes.next_turn(arrival.pass_number, method)
        drawn = draw(seed=self.config.seed, method=method, pass_id=visit.pass_id, turn=turn)
        return replace(visit, draw=drawn, fault=self._faults.choose(method, drawn.chance))

    def _no_batches(self) -> Batches:
        return Batches(passes=self.passes, deliver=self._deliver, unix_ns=self._unix_of, config=self.config)

    def _advance(self) -> None:
        self._batches.advance(self._clock.monotonic_ns())

    def _unix_of(self, at_ns: int) -> int:
        return self._clock.unix_ns() - self._clock.monotonic_ns() + at_ns

    def _deliver(self, batch: Batch, first: int, until: int, at_ns: int) -> None:
        outcomes = self._outcomes(batch, first, until)
        rows = [row for row, outcome in enumerate(outcomes, first) if outcome in PROCESSED]
        log, passes = self._records.notifications, self.passes
        number, unix_ns = log.batch(batch.id, batch.name), self._unix_of(at_ns)
        if self._audit_file is not None:
            try:
                self._audit_file.append(
                    *(
                        log.notification(
                            pass_id=passes.pass_id(batch.passes[row]),
                            message=passes.texts.text(batch.texts[row]),
                            request=batch.request,
                            token=batch.token,
                            at_ns=at_ns,
                            unix_ns=unix_ns,
                            batch=number,
                        )
                        for row in rows
                    )
                )
            except OSError:
                # A message that is not in the audit file was not processed.
                outcomes, rows = [Outcome.BROKEN] * (until - first), []
        batch.outcomes[first:until] = bytes(outcomes)
        numbers, texts = [batch.passes[row] for row in rows], [batch.texts[row] for row in rows]
        log.add_many(numbers, texts, request=batch.request, token=batch.token, at_ns=at_ns, unix_ns=unix_ns, batch=number)
        for pass_number, text in zip(numbers, texts, strict=True):
            passes.put_text(pass_number, text)

    def _outcomes(self, batch: Batch, first: int, until: int) -> list[Outcome]:
        config = self.config
        alike = config.existing is None and not (config.missing or config.forbidden or config.undelivered_when_issued)
        if alike and batch.fault is not BatchFault.RECIPIENTS_FAILED:
            return [Outcome.DELIVERED] * (until - first)
        return [self._outcome(batch, row) for row in range(first, until)]

    def _outcome(self, batch: Batch, row: int) -> Outcome:
        pass_id = self.passes.pass_id(batch.passes[row])
        if batch.fault is BatchFault.RECIPIENTS_FAILED and batch.third(row):
            return Outcome.BROKEN
        if not self.exists(pass_id):
            return Outcome.NO_SUCH_PASS
        if pass_id in self.config.forbidden:
            return Outcome.FORBIDDEN
        status, _ = self.traits(pass_id)
        return Outcome.DELIVERED if self.delivers_to(status) else Outcome.NOT_DELIVERED
