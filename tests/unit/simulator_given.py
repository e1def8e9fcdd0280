"""The simulator's batches without a network, on a clock that the test owns."""

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import orjson

from campaign.simulator.api.replies import Reply, carry_out, objection_reply
from campaign.simulator.batches.replies import carry_out_batch
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.records import AuditFile
from campaign.simulator.state import Clock, State

HOST = "http://127.0.0.1:1"
CREATE = "/api/v1/entities/simulated-entity/messaging/wallet"


@dataclass
class Time:
    """Seconds that pass when the test says so; the wall clock may be set apart."""

    now_seconds: float = 100.0
    unix_seconds: float = 1_700_000_000.0

    def pass_by(self, seconds: float) -> None:
        self.now_seconds += seconds
        self.unix_seconds += seconds

    def clock(self) -> Clock:
        return Clock(monotonic_ns=lambda: round(self.now_seconds * 1e9), unix_ns=lambda: round(self.unix_seconds * 1e9))

    def after(self, **span: float) -> str:
        """ISO 8601 in UTC."""
        return (datetime.fromtimestamp(self.unix_seconds, UTC) + timedelta(**span)).isoformat()


@dataclass
class Vendor:
    """The simulator as its clients see it, and its audit."""

    config: SimulatorConfig = field(default_factory=lambda: SimulatorConfig(limit_per_second=0))
    time: Time = field(default_factory=Time)
    audit_file: AuditFile | None = None

    def __post_init__(self) -> None:
        self.state = State(self.config, clock=self.time.clock(), audit_file=self.audit_file)

    def ask(self, method: str, path: str, document: object = None, content_type: str = "application/json") -> Reply:
        visit = self.state.arrive(method=method, raw_path=path.removeprefix(HOST), authorization="Bearer t")
        if visit.objection is not None:
            return objection_reply(visit, visit.objection)
        body = b"" if document is None else orjson.dumps(document)
        if visit.target.endpoint.step:
            return carry_out_batch(self.state, visit, content_type=content_type, body=body, own_host=HOST, other_host="http://localhost")
        return carry_out(self.state, visit, content_type=content_type, body=body, other_host="http://localhost")

    def asked(self, method: str, path: str, document: object = None) -> Any:
        """The answer's JSON, of a success."""
        reply = self.ask(method, path, document)
        assert 200 <= reply.status < 300, (reply.status, reply.body)
        return orjson.loads(reply.body)

    def create(self, *pass_ids: str, **more: Any) -> str:
        """The id of a new batch that says Hello."""
        found: str = self.asked("POST", CREATE, new_batch(*pass_ids, **more))["data"]["id"]
        return found

    def look(self, batch_id: str) -> Any:
        """The attributes."""
        return self.asked("GET", f"/api/v1/batches/{batch_id}")["data"]["attributes"]

    def status(self, batch_id: str) -> str:
        found: str = self.look(batch_id)["status"]
        return found

    def scheduled(self, *pass_ids: str, **more: Any) -> str:
        """The id of a validated batch that waits for its time, a day ahead."""
        batch_id = self.create(*pass_ids, scheduledAt=self.time.after(days=1), **more)
        self.time.pass_by(self.config.validation_seconds)
        return batch_id

    def send_now(self, batch_id: str) -> None:
        self.asked("POST", f"/api/v1/batches/{batch_id}/send-now")

    def sent(self, *pass_ids: str, **more: Any) -> str:
        """The id of a batch that has come to its end, if it comes to one."""
        batch_id = self.create(*pass_ids, **more)
        self.time.pass_by(60.0)
        return batch_id

    def file(self, url: str) -> list[list[str]]:
        return list(csv.reader(StringIO(self.ask("GET", url).body.decode())))

    def delivery(self, batch_id: str) -> list[list[str]]:
        return self.file(self.look(batch_id)["deliveryCsvUrl"])

    def errors(self, batch_id: str) -> list[list[str]]:
        return self.file(self.look(batch_id)["errorsCsvUrl"])

    def processed(self) -> list[tuple[str, str]]:
        return [(entry.id, entry.message) for entry in self.state.records.notifications.entries()]


def new_batch(*pass_ids: str, **more: Any) -> dict[str, Any]:
    return {"batch": {"message": "Hello", "name": "June", "recipients": [{"passId": pass_id} for pass_id in pass_ids or ("a",)]} | more}
