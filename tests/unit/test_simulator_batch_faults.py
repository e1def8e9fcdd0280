"""Each fault of batches: what the client sees, and what was really done."""

from typing import Any

import orjson
import pytest

from campaign.domain.errors import UsageError
from campaign.simulator.api.replies import Reply
from campaign.simulator.api.routes import STEPS
from campaign.simulator.batches.faults import NAMES, STEP_FAULTS, BatchFault, parse_batch_faults
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.faults import PLANS, Act, Fault, Processing
from tests.errors import raises
from tests.unit.simulator_given import CREATE, Vendor, new_batch

MANY = tuple(f"pass-{number}" for number in range(30))


def of(fault: str, **settings: Any) -> Vendor:
    return Vendor(SimulatorConfig(**{"limit_per_second": 0, "batch_faults": {fault: 1.0}, **settings}))


def outcome(reply: Reply) -> int | str:
    """A status, or how the connection ended."""
    return reply.status if reply.act in {Act.ANSWER, Act.ANSWER_SLOWLY} else reply.act.name


def step(vendor: Vendor, name: str) -> tuple[Reply, bool]:
    """Takes the one step on a batch that is ready for it, and says whether it was taken in the end."""
    faults = vendor.state.config.batch_faults
    vendor.state.configure({"batch_faults": {}})
    batch_id = vendor.sent("a") if name == "csv" else vendor.scheduled("a")
    url = vendor.look(batch_id)["deliveryCsvUrl"]
    vendor.state.configure({"batch_faults": faults})
    method, path = {
        "create": ("POST", CREATE),
        "look": ("GET", f"/api/v1/batches/{batch_id}"),
        "list": ("GET", "/api/v1/batches?page=1"),
        "send_now": ("POST", f"/api/v1/batches/{batch_id}/send-now"),
        "cancel": ("PATCH", f"/api/v1/batches/{batch_id}/cancel"),
        "csv": ("GET", url),
    }[name]
    before = state_of(vendor)
    reply = vendor.ask(method, path, new_batch("b", scheduledAt=vendor.time.after(days=1)) if name == "create" else None)
    return reply, state_of(vendor) != before


def state_of(vendor: Vendor) -> list[tuple[str, str]]:
    return [(record.name, "moved" if record.status not in {"validating", "scheduled"} else "") for record in vendor.state.batches.records()]


@pytest.mark.parametrize("name", STEP_FAULTS)
def test_a_fault_of_a_step_does_exactly_if_its_name_says_so(name: str) -> None:
    at, fault = STEP_FAULTS[name]
    vendor = of(name, huge_bytes=1000, deep_levels=10)
    reply, done = step(vendor, at)
    plan = PLANS[fault]
    assert done == (plan.processing is Processing.NOW and at in {"create", "send_now", "cancel"})
    assert reply.cause == name
    assert reply.act in {end.act for end in plan.ends}
    if reply.act is not Act.ANSWER or fault is Fault.TAKEN_THEN:
        return
    accepted = at == "create" and fault not in {Fault.HTML_OK, Fault.DEEP_JSON}
    statuses = {202 if accepted and end.status == 200 else end.status for end in plan.ends}
    assert reply.status in statuses
    assert (reply.headers.get("x-rate-limit-retry-after") == "1.0") == (fault is Fault.THROTTLE)


@pytest.mark.parametrize("at", ["create", "send_now", "cancel"])
def test_what_is_late_is_done_after_the_client_gave_up(at: str) -> None:
    vendor = of(f"{at}_late", late_seconds=5.0)
    reply, done = step(vendor, at)
    assert (outcome(reply) in {504, "CLOSE", "RESET"}, done) == (True, False)
    before = state_of(vendor)
    assert vendor.state.summary().late_pending == 1
    vendor.time.pass_by(4.9)
    assert state_of(vendor) == before
    vendor.time.pass_by(0.1)
    assert state_of(vendor) != before
    assert vendor.state.summary().late_pending == 0


def test_a_late_step_on_a_batch_that_went_on_meanwhile_changes_nothing() -> None:
    vendor = of("cancel_late")
    batch_id = vendor.scheduled("a")
    vendor.ask("PATCH", f"/api/v1/batches/{batch_id}/cancel")
    vendor.send_now(batch_id)
    vendor.time.pass_by(60.0)
    assert vendor.status(batch_id) == "successful"


def test_a_step_that_can_not_be_is_refused_as_ever() -> None:
    vendor = of("create_cut_after")
    assert vendor.ask("POST", CREATE, new_batch(name="")).status == 422
    vendor = of("send_now_cut_after")
    assert vendor.ask("POST", f"/api/v1/batches/{vendor.create('a')}/send-now").status == 422


def test_a_validation_may_never_end_and_can_still_be_cancelled() -> None:
    vendor = of("validation_stuck")
    batch_id = vendor.sent("a", scheduledAt=vendor.time.after(hours=1))
    vendor.time.pass_by(86_400.0)
    assert vendor.status(batch_id) == "validating"
    vendor.asked("PATCH", f"/api/v1/batches/{batch_id}/cancel")
    assert vendor.status(batch_id) == "cancelled"


def test_a_batch_may_stay_sending_with_none_half_or_all_of_its_messages() -> None:
    processed = set()
    for number in range(20):
        vendor = of("sending_stuck")
        batch_id = vendor.sent(*MANY, name=f"June {number}")
        assert vendor.status(batch_id) == "sending"
        assert vendor.look(batch_id)["deliveryCsvUrl"] is None
        processed.add(len(vendor.processed()))
    assert processed == {0, 15, 30}


def test_a_batch_may_fail_whole() -> None:
    vendor = of("batch_failed")
    batch_id = vendor.sent("a", "b")
    assert vendor.status(batch_id) == "failed"
    assert [row[2] for row in vendor.delivery(batch_id)] == ["status", "failed", "failed"]
    assert vendor.processed() == []


@pytest.mark.parametrize("count", [1, 2, 30])
def test_every_third_recipient_may_fail(count: int) -> None:
    vendor = of("recipients_failed")
    batch_id = vendor.sent(*MANY[:count])
    rows = vendor.delivery(batch_id)[1:]
    failed = [ext_id for _, ext_id, status, _ in rows if status == "failed"]
    assert len(rows) == count
    assert len(failed) == max(1, count // 3)
    assert [pass_id for pass_id, _ in vendor.processed()] == [pass_id for pass_id in MANY[:count] if pass_id not in failed]
    assert vendor.status(batch_id) == ("failed" if count == 1 else "completedWithErrors")


@pytest.mark.parametrize("fault", [fault for fault in BatchFault if fault.startswith("delivery_csv")])
def test_what_is_wrong_with_a_delivery_csv_is_not_wrong_with_the_delivery(fault: BatchFault) -> None:
    vendor = of(fault)
    batch_id = vendor.sent(*MANY)
    assert vendor.status(batch_id) == "successful"
    assert len(vendor.processed()) == 30
    if fault is BatchFault.DELIVERY_CSV_MISSING:
        assert vendor.look(batch_id)["deliveryCsvUrl"] is None
        return
    url = vendor.look(batch_id)["deliveryCsvUrl"]
    rows = vendor.file(url)
    unknown = [row for row in rows if row[2:] == ["heldForReview", "Notification is held for review"]]
    assert (rows[0] != ["passId", "extId", "status", "detail"]) == (fault is BatchFault.DELIVERY_CSV_OTHER_COLUMNS)
    assert len(unknown) == (10 if fault is BatchFault.DELIVERY_CSV_UNKNOWN_STATUS else 0)
    assert (len(rows) == 21) == (fault in {BatchFault.DELIVERY_CSV_LACKS_ROWS, BatchFault.DELIVERY_CSV_CUT})
    assert vendor.ask("GET", url).body.endswith(b"\n") == (fault is not BatchFault.DELIVERY_CSV_CUT)


def test_the_same_seed_gives_the_same_faults_to_the_same_names() -> None:
    def befell(seed: int, names: list[str]) -> dict[str, str | None]:
        vendor = Vendor(SimulatorConfig(limit_per_second=0, seed=seed, batch_faults={"sending_stuck": 0.3, "delivery_csv_cut": 0.3}))
        for name in names:
            vendor.create("a", name=name)
        return {record.name: record.fault for record in vendor.state.batches.records()}

    names = [f"June {number}" for number in range(40)]
    assert befell(1, names) == befell(1, names[::-1])
    assert befell(1, names) != befell(2, names)
    assert set(befell(1, names).values()) == {None, "sending_stuck", "delivery_csv_cut"}


def test_requests_are_logged_with_the_fault_of_their_step() -> None:
    vendor = of("create_error_after")
    assert orjson.loads(vendor.ask("POST", CREATE, new_batch()).body).keys() == {"errors"}
    visit = vendor.state.arrive(method="POST", raw_path=CREATE, authorization=None)
    assert visit.fault_name is None
    visit = vendor.state.arrive(method="POST", raw_path=CREATE, authorization="Bearer t")
    assert visit.fault_name == "create_error_after"


def test_there_is_every_fault_of_a_message_for_every_step() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {step for step, _ in STEP_FAULTS.values()} == set(STEPS)
    assert {f"{step}_{kind}" for step in STEPS for kind in ("error_before", "error_after", "throttle", "cut_after", "slow")} <= set(NAMES)


def test_faults_are_read_as_options() -> None:
    assert parse_batch_faults(["create_late=5%", "sending_stuck=0.1"]) == {"create_late": 0.05, "sending_stuck": 0.1}


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["create_lat=0.1"], "unknown_fault"),
        (["late=0.1"], "unknown_fault"),
        (["create_not_delivered=0.1"], "unknown_fault"),
        (["create_late"], "bad_probability"),
        (["create_late=2"], "bad_probability"),
        (["create_late=0.6", "create_gone=0.6"], "bad_probability"),
        (["sending_stuck=0.6", "validation_stuck=0.6"], "bad_probability"),
        (["create_late=0.1", "create_late=0.1"], "repeated_fault"),
    ],
)
def test_faults_that_make_no_sense_are_refused(texts: list[str], code: str) -> None:
    with raises(UsageError, code):
        parse_batch_faults(texts)


def test_faults_of_two_steps_do_not_add_up() -> None:
    assert len(parse_batch_faults(["create_late=0.9", "look_slow=0.9", "sending_stuck=0.9"])) == 3
