"""Batches from their creation to their end: states, limits, CSV files, and the audit over both ways."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.simulator.api.replies import data_object
from campaign.simulator.batches.faults import BatchFault
from campaign.simulator.batches.store import CANCELLABLE, ENDED, BatchStatus
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.passes import PassChange
from campaign.simulator.records import AuditFile, BatchRecord
from tests.unit.simulator_given import CREATE, HOST, Time, Vendor, new_batch

UUID = "123e4567-e89b-12d3-a456-426614174000"
NEXT = {
    BatchStatus.VALIDATING: {BatchStatus.SCHEDULED, BatchStatus.SENDING, BatchStatus.FAILED, BatchStatus.CANCELLED},
    BatchStatus.SCHEDULED: {BatchStatus.SENDING, BatchStatus.CANCELLED},
    BatchStatus.SENDING: {BatchStatus.SUCCESSFUL, BatchStatus.COMPLETED_WITH_ERRORS, BatchStatus.FAILED},
}
SINGLE = {"notification": {"message": "Alone"}}


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


def of(**settings: Any) -> Vendor:
    return Vendor(SimulatorConfig(**{"limit_per_second": 0, **settings}))


def test_a_new_batch_is_answered_as_documented(vendor: Vendor) -> None:
    reply = vendor.ask("POST", CREATE, new_batch("a", "b", tag="summer", scheduledAt="2023-11-15T00:00:00Z"))
    assert reply.status == 202
    answer = vendor.asked("POST", CREATE, new_batch("a", tag="summer", scheduledAt="2023-11-15T00:00:00+00:00"))
    assert answer["links"] == {"self": f"{HOST}/api/v1/batches/{answer['data']['id']}"}
    assert answer["data"]["type"] == "walletMessaging"
    assert answer["data"]["attributes"] == {
        "name": "June",
        "status": "validating",
        "tag": "summer",
        "content": "Hello",
        "scheduledAt": "2023-11-15T00:00:00Z",
        "totalRecipients": 1,
        "completedAt": None,
        "errorsCsvUrl": None,
        "deliveryCsvUrl": None,
    }
    assert vendor.asked("GET", answer["links"]["self"]) == answer


def test_a_scheduled_batch_goes_from_state_to_state_at_its_times(vendor: Vendor) -> None:
    batch_id = vendor.create("a", "b", scheduledAt=vendor.time.after(hours=2))
    assert vendor.status(batch_id) == "validating"
    vendor.time.pass_by(0.2)
    assert vendor.status(batch_id) == "scheduled"
    vendor.time.pass_by(2 * 3600 - 0.3)
    assert vendor.status(batch_id) == "scheduled"
    vendor.time.pass_by(0.2)
    assert vendor.status(batch_id) == "sending"
    assert vendor.look(batch_id)["completedAt"] is None
    vendor.time.pass_by(0.5)
    assert vendor.status(batch_id) == "successful"
    assert vendor.look(batch_id)["completedAt"] == "2023-11-15T00:13:20Z"


def test_without_a_time_it_is_sent_once_validated(vendor: Vendor) -> None:
    batch_id = vendor.create("a")
    vendor.time.pass_by(0.2)
    assert vendor.status(batch_id) == "sending"
    assert vendor.look(batch_id)["scheduledAt"] is None


def test_sending_takes_longer_for_more_recipients_and_is_done_bit_by_bit() -> None:
    vendor = of(sending_seconds=1.0, batch_messages_per_second=8.0)
    batch_id = vendor.scheduled(*(f"pass-{number}" for number in range(16)))
    vendor.send_now(batch_id)
    done = []
    for _ in range(3):
        vendor.time.pass_by(1.0)
        done.append((len(vendor.processed()), vendor.status(batch_id)))
    assert done == [(4, "sending"), (10, "sending"), (16, "successful")]


def test_a_due_batch_is_sent_though_nobody_looks(vendor: Vendor) -> None:
    vendor.create("a", scheduledAt=vendor.time.after(hours=1))
    vendor.time.pass_by(3600.0)
    assert vendor.processed() == []
    vendor.time.pass_by(1.0)
    (entry,) = vendor.state.records.notifications.entries()
    assert entry.at_seconds == 3600.5
    assert entry.unix_seconds == 1_700_003_600.5
    assert vendor.state.summary().batches == {"successful": 1}


def test_a_step_of_the_wall_clock_moves_no_schedule_that_is_set(vendor: Vendor) -> None:
    batch_id = vendor.create("a", scheduledAt=vendor.time.after(hours=1))
    vendor.time.unix_seconds += 7200.0
    vendor.time.pass_by(1.0)
    assert vendor.status(batch_id) == "scheduled"


@pytest.mark.parametrize("action", ["cancel", "send-now"])
def test_steering_is_refused_in_every_other_state(vendor: Vendor, action: str) -> None:
    def steered(batch_id: str) -> tuple[int, str]:
        reply = vendor.ask("PATCH" if action == "cancel" else "POST", f"/api/v1/batches/{batch_id}/{action}")
        return reply.status, vendor.status(batch_id)

    may = {BatchStatus.SCHEDULED} if action == "send-now" else CANCELLABLE
    after = "cancelled" if action == "cancel" else "sending"
    validating = vendor.create("a")
    assert steered(validating) == ((200, after) if BatchStatus.VALIDATING in may else (422, "validating"))
    assert steered(vendor.scheduled("a")) == (200, after)
    sending = vendor.scheduled("a")
    vendor.send_now(sending)
    assert steered(sending) == (422, "sending")
    assert steered(vendor.sent("a")) == (422, "successful")
    cancelled = vendor.scheduled("a")
    vendor.asked("PATCH", f"/api/v1/batches/{cancelled}/cancel")
    assert steered(cancelled) == (422, "cancelled")


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_a_cancelled_batch_sends_nothing(vendor: Vendor, seconds: float) -> None:
    batch_id = vendor.create("a", scheduledAt=vendor.time.after(hours=1))
    vendor.time.pass_by(seconds)
    assert vendor.asked("PATCH", f"/api/v1/batches/{batch_id}/cancel")["data"]["attributes"]["status"] == "cancelled"
    vendor.time.pass_by(86_400.0)
    assert vendor.status(batch_id) == "cancelled"
    assert vendor.look(batch_id)["deliveryCsvUrl"] is None
    assert vendor.processed() == []


def test_what_is_sent_now_is_not_sent_again_at_its_time(vendor: Vendor) -> None:
    vendor.send_now(vendor.scheduled("a"))
    vendor.time.pass_by(10 * 86_400.0)
    assert vendor.processed() == [("a", "Hello")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"message": None},
        {"message": " "},
        {"name": None},
        {"name": ""},
        {"name": 7},
        {"tag": 7},
        {"recipients": None},
        {"recipients": []},
        {"recipients": "a"},
        {"recipients": ["a"]},
        {"recipients": [{"name": "Ann"}]},
        {"recipients": [{"passId": "a", "points": 7}]},
        {"recipients": [{"passId": f"pass-{number}"} for number in range(501)]},
        {"scheduledAt": "soon"},
        {"scheduledAt": 7},
        {"scheduledAt": "2023-11-16T00:00:00"},
        {"scheduledAt": Time().after(minutes=59, seconds=59)},
        {"scheduledAt": Time().after(days=365, seconds=1)},
    ],
)
def test_what_is_no_batch_is_refused_whole(vendor: Vendor, wrong: dict[str, Any]) -> None:
    reply = vendor.ask("POST", CREATE, new_batch(**wrong))
    assert reply.status == 422
    assert reply.body.startswith(b'{"errors":["')
    assert vendor.state.summary().batches == {}


def test_the_limits_themselves_are_allowed(vendor: Vendor) -> None:
    for when in ({"hours": 1}, {"days": 365}):
        vendor.create(*(f"pass-{number}" for number in range(500)), scheduledAt=vendor.time.after(**when))
    assert vendor.state.summary().batches == {"validating": 2}


def test_a_body_that_is_no_json_is_refused(vendor: Vendor) -> None:
    assert vendor.ask("POST", CREATE, new_batch(), content_type="multipart/form-data").status == 400
    assert vendor.ask("POST", CREATE, [1]).status == 422


def test_unknown_entities_and_batches_are_not_found() -> None:
    vendor = of(entities=frozenset({"shop 1"}))
    assert vendor.ask("POST", CREATE, new_batch()).status == 404
    assert vendor.ask("POST", "/api/v1/entities/shop%201/messaging/wallet", new_batch()).status == 202
    for method, path in (("GET", ""), ("PATCH", "/cancel"), ("POST", "/send-now")):
        assert vendor.ask(method, f"/api/v1/batches/{UUID}{path}").status == 404


def test_batches_may_be_refused_as_a_beta_or_for_the_terms(vendor: Vendor) -> None:
    batch_id = vendor.scheduled("a")
    asked = [("POST", CREATE), ("GET", "/api/v1/batches"), ("GET", f"/api/v1/batches/{batch_id}")]
    steered = [("POST", f"/api/v1/batches/{batch_id}/send-now"), ("PATCH", f"/api/v1/batches/{batch_id}/cancel")]
    vendor.state.configure({"batches": "off"})
    off = [vendor.ask(method, path) for method, path in (*asked, *steered)]
    assert {reply.status for reply in off} == {403}
    vendor.state.configure({"batches": "terms"})
    terms = [vendor.ask(method, path, new_batch() if path == CREATE else None) for method, path in (*asked, *steered)]
    assert [reply.status for reply in terms] == [403, 200, 200, 403, 200]
    assert off[0].body != terms[0].body


def test_each_endpoint_has_a_limit_of_its_own_and_recipients_count_for_nothing() -> None:
    vendor = of(limit_per_second=2)
    batch_id = vendor.create(*(f"pass-{number}" for number in range(500)), scheduledAt=vendor.time.after(days=1))
    for method, path, admitted in (
        ("POST", CREATE, 1),
        ("GET", "/api/v1/batches?page=1", 2),
        ("GET", f"/api/v1/batches/{batch_id}", 2),
        ("POST", f"/api/v1/batches/{batch_id}/send-now", 2),
        ("PATCH", f"/api/v1/batches/{batch_id}/cancel", 2),
        ("GET", "/api/v1/passes/a", 2),
    ):
        replies = [vendor.ask(method, path, new_batch()) for _ in range(3)]
        assert [reply.status == 429 for reply in replies] == [False] * admitted + [True] * (3 - admitted), path
        assert replies[-1].headers["x-rate-limit-remaining"] == "0"
        assert replies[-1].headers["x-rate-limit-retry-after"] == "1.000"
        assert "x-rate-limit-url" in replies[0].headers


def test_texts_are_made_of_the_recipients_variables(vendor: Vendor) -> None:
    recipients = [{"passId": "a", "name": "Ann", "points": "7"}, {"passId": "b", "name": "100 %{points}", "points": ""}]
    vendor.sent(message="Hey %{name}, %{points}% off for %{name}!", recipients=recipients)
    assert vendor.processed() == [("a", "Hey Ann, 7% off for Ann!"), ("b", "Hey 100 %{points}, % off for 100 %{points}!")]
    latest = vendor.asked("GET", "/api/v1/passes/a")["data"]["attributes"]["latestMessage"]
    assert latest == "Hey Ann, 7% off for Ann!"


def test_validation_refuses_recipients_one_by_one() -> None:
    vendor = of(missing=frozenset({"gone"}), forbidden=frozenset({"theirs"}))
    names = {"gone": "x", "theirs": "x", "empty": " ", "fine, really": "x"}
    recipients = [{"passId": pass_id, "name": name} for pass_id, name in names.items()] + [{"passId": "nameless"}]
    batch_id = vendor.create(message="%{name}", recipients=recipients)
    assert vendor.look(batch_id)["errorsCsvUrl"] is None
    vendor.time.pass_by(0.2)
    expected = [
        ["passId", "error"],
        ["gone", "Pass not found"],
        ["theirs", "Forbidden"],
        ["empty", "Message can't be blank"],
        ["nameless", "Variable name is missing"],
    ]
    assert vendor.errors(batch_id) == expected
    vendor.time.pass_by(0.5)
    assert vendor.status(batch_id) == "completedWithErrors"
    assert vendor.look(batch_id)["totalRecipients"] == 5
    assert [row[1] for row in vendor.delivery(batch_id)] == ["extId", "fine, really"]


def test_a_batch_without_valid_recipients_fails_at_once() -> None:
    vendor = of(existing=frozenset({"a"}))
    batch_id = vendor.scheduled("b", "c")
    assert vendor.status(batch_id) == "failed"
    assert len(vendor.errors(batch_id)) == 3
    assert vendor.delivery(batch_id) == [["passId", "extId", "status", "detail"]]


def test_delivery_is_that_of_single_sends() -> None:
    vendor = of(undelivered_when_issued=True)
    vendor.state.passes.change("new", PassChange(status="issued"))
    vendor.state.passes.change(UUID, PassChange(status="deactivated"))
    batch_id = vendor.create("new", UUID, "gone")
    vendor.state.configure({"missing": frozenset({"gone"})})
    vendor.time.pass_by(1.0)
    rows = vendor.delivery(batch_id)
    own = {pass_id: data_object(pass_id, status="active", device_type="apple", latest_message=None) for pass_id in ("new", "gone", UUID)}
    assert rows == [
        ["passId", "extId", "status", "detail"],
        [own["new"]["id"], "new", "notDelivered", "Pass has not been added to the wallet"],
        [UUID, own[UUID]["attributes"]["extId"], "delivered", "Delivered succesfully"],
        [own["gone"]["id"], "gone", "failed", "Pass not found"],
    ]
    for pass_id, row in (("new", rows[1]), (UUID, rows[2])):
        single = vendor.asked("POST", f"/api/v1/passes/{pass_id}/notification", SINGLE)["meta"]["notifications"]
        assert [single["status"], single["message"]] == row[2:]
    assert vendor.status(batch_id) == "completedWithErrors"
    assert Counter(pass_id for pass_id, message in vendor.processed() if message == "Hello") == Counter(["new", UUID])


def test_files_need_no_token_and_are_found_by_their_signature_alone(vendor: Vendor) -> None:
    url = vendor.look(vendor.sent("a"))["deliveryCsvUrl"]
    path = url.removeprefix(HOST)
    visit = vendor.state.arrive(method="GET", raw_path=path, authorization=None)
    assert (visit.objection, visit.headers) == (None, {})
    reply = vendor.ask("GET", url)
    assert (reply.status, reply.content_type) == (200, "text/csv; charset=utf-8")
    assert vendor.ask("GET", path.partition("?")[0]).status == 404
    assert vendor.ask("GET", path[:-1]).status == 404
    assert vendor.ask("GET", path.replace("delivery", "errors")).status == 404


def test_the_list_has_pages_of_25_newest_first(vendor: Vendor) -> None:
    for number in range(51):
        vendor.create("a", name=f"June {number}")
    pages = [vendor.asked("GET", f"/api/v1/batches?type=walletMessaging&page={page}") for page in (1, 2, 3, 4)]
    assert [len(page["data"]) for page in pages] == [25, 25, 1, 0]
    names = [batch["attributes"]["name"] for page in pages for batch in page["data"]]
    assert names == [f"June {number}" for number in reversed(range(51))]
    assert pages[1]["meta"] == {"totalCount": 51, "resultsPerPage": 25, "currentPage": 2, "totalPages": 3}
    assert vendor.asked("GET", "/api/v1/batches")["data"] == pages[0]["data"]
    assert pages[0]["data"][0] == vendor.asked("GET", f"/api/v1/batches/{pages[0]['data'][0]['id']}")["data"]
    assert vendor.asked("GET", "/api/v1/batches?type=emailMessaging")["meta"]["totalCount"] == 0
    assert vendor.ask("GET", "/api/v1/batches?page=0").status == 422


def test_names_need_not_be_unique(vendor: Vendor) -> None:
    assert vendor.create("a") != vendor.create("a")
    vendor.time.pass_by(60.0)
    assert vendor.processed() == [("a", "Hello")] * 2


def test_the_audit_counts_over_both_ways_and_names_them(vendor: Vendor) -> None:
    vendor.asked("POST", "/api/v1/passes/a/notification", SINGLE)
    batch_id = vendor.sent("a", "b", message="Alone")
    entries = list(vendor.state.records.notifications.entries())
    assert [(entry.id, entry.way, entry.batch_id, entry.batch_name, entry.request) for entry in entries] == [
        ("a", "single", None, None, 1),
        ("a", "batch", batch_id, "June", 2),
        ("b", "batch", batch_id, "June", 2),
    ]
    assert len({entry.token for entry in entries}) == 1
    summary = vendor.state.summary()
    assert (summary.processed, summary.processed_in_batches, summary.distinct_passes, summary.surplus) == (3, 2, 2, 1)


def test_batches_are_listed_for_tests_as_they_stand() -> None:
    vendor = of(existing=frozenset({"a"}), batch_faults={BatchFault.DELIVERY_CSV_CUT: 1.0})
    batch_id = vendor.sent("a", "b", tag="t")
    assert list(vendor.state.batches.records()) == [
        BatchRecord(
            id=batch_id,
            name="June",
            tag="t",
            status="completedWithErrors",
            scheduled_at=None,
            created_unix_seconds=1_700_000_000.0,
            request=1,
            total_recipients=2,
            refused=1,
            processed=1,
            fault="delivery_csv_cut",
        )
    ]


def test_a_reset_forgets_batches_only_with_the_passes(vendor: Vendor) -> None:
    batch_id = vendor.scheduled("a")
    vendor.state.reset(passes=False)
    vendor.send_now(batch_id)
    vendor.time.pass_by(1.0)
    assert [entry.batch_name for entry in vendor.state.records.notifications.entries()] == ["June"]
    vendor.scheduled("a")
    vendor.state.reset(passes=True)
    vendor.time.pass_by(7 * 86_400.0)
    assert vendor.processed() == []
    assert vendor.state.summary().batches == {}


def test_what_the_audit_file_does_not_hold_failed(tmp_path: Path) -> None:
    audit_file = AuditFile(tmp_path / "audit.jsonl")
    vendor = Vendor(audit_file=audit_file)
    assert vendor.status(vendor.sent("a", "b")) == "successful"
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert '"batch_name":"June"' in lines[0]
    audit_file.close()
    batch_id = vendor.sent("c")
    assert vendor.status(batch_id) == "failed"
    assert vendor.delivery(batch_id)[1][2] == "failed"
    assert [pass_id for pass_id, _ in vendor.processed()] == ["a", "b"]


STEPS = st.one_of(
    st.tuples(st.just("create"), st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6), st.booleans()),
    st.tuples(st.just("send-now"), st.integers(0, 9)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 0.3, 1.0, 4000.0])),
)


@given(
    steps=st.lists(STEPS, max_size=25),
    seed=st.integers(0, 99),
    faults=st.dictionaries(st.sampled_from([*BatchFault, "send_now_late", "create_late", "cancel_error_before"]), st.just(0.1)),
)
def test_a_recipient_gets_at_most_one_message_a_batch_and_states_only_go_forward(
    steps: list[tuple[Any, ...]], seed: int, faults: dict[str, float]
) -> None:
    vendor = of(seed=seed, batch_faults=faults, missing=frozenset({"f"}))
    seen: dict[str, str] = {}
    recipients: dict[str, list[str]] = {}
    for number, step in enumerate(steps):
        known = list(vendor.state.batches.records())
        match step:
            case "create", list() as pass_ids, bool() as scheduled:
                more = {"scheduledAt": vendor.time.after(hours=1)} if scheduled else {}
                recipients[f"batch-{number}"] = pass_ids
                vendor.ask("POST", CREATE, new_batch(*pass_ids, name=f"batch-{number}", **more))
            case "wait", float() as seconds:
                vendor.time.pass_by(seconds)
            case action, int() as index if index < len(known):
                vendor.ask("POST" if action == "send-now" else "PATCH", f"/api/v1/batches/{known[index].id}/{action}")
        for record in vendor.state.batches.records():
            before = seen.get(record.id, record.status)
            assert before == record.status or record.status in reachable(BatchStatus(before))
            seen[record.id] = record.status
    messages = Counter((entry.batch_name, entry.id) for entry in vendor.state.records.notifications.entries())
    for (name, pass_id), count in messages.items():
        assert name is not None
        assert count <= recipients[name].count(pass_id)
    for record in vendor.state.batches.records():
        assert record.processed == sum(count for (name, _), count in messages.items() if name == record.name)
        if record.status not in {*ENDED, BatchStatus.SENDING}:
            assert record.processed == 0


def reachable(status: BatchStatus) -> set[BatchStatus]:
    following = NEXT.get(status, set())
    return following.union(*map(reachable, following))
