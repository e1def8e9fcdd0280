"""Arrival to processing without a network, on a clock that the test owns."""

from pathlib import Path

import pytest

from campaign.domain.errors import UsageError
from campaign.simulator.config import SimulatorConfig, Storm
from campaign.simulator.faults import Fault
from campaign.simulator.passes import PassChange
from campaign.simulator.records import AuditFile, Ending
from campaign.simulator.state import State, Visit
from tests.unit.simulator_given import Time

BODY = b'{"notification":{"message":"Hello"}}'


@pytest.fixture
def time() -> Time:
    return Time()


def post(state: State, who: str = "a", bearer: str | None = "t") -> Visit:
    return state.arrive(method="POST", raw_path=f"/api/v1/passes/{who}/notification", authorization=f"Bearer {bearer}" if bearer else None)


def get(state: State, who: str = "a", bearer: str = "t") -> Visit:
    return state.arrive(method="GET", raw_path=f"/api/v1/passes/{who}", authorization=f"Bearer {bearer}")


def status(visit: Visit) -> int:
    return visit.objection.status if visit.objection else 200


def test_the_limit_is_separate_for_endpoint_and_token(time: Time) -> None:
    state = State(SimulatorConfig(limit_per_second=2), clock=time.clock())
    assert [status(post(state)) for _ in range(3)] == [200, 200, 429]
    assert [status(get(state)) for _ in range(3)] == [200, 200, 429]
    assert [status(post(state, bearer="u")) for _ in range(3)] == [200, 200, 429]
    time.pass_by(1.0)
    assert status(post(state)) == 200


def test_a_refused_request_is_told_when_to_come_back_and_then_let_in(time: Time) -> None:
    state = State(SimulatorConfig(limit_per_second=2), clock=time.clock())
    post(state)
    time.pass_by(0.3)
    assert post(state).headers["x-rate-limit-remaining"] == "0"
    time.pass_by(0.3)
    for _ in range(20):
        refused = post(state)
        assert status(refused) == 429
    assert refused.headers["x-rate-limit-retry-after"] == "0.400"
    assert refused.headers["x-rate-limit-url"] == "/api/v1/passes/:id/notification"
    time.pass_by(0.4)
    assert status(post(state)) == 200
    use = state.summary().endpoints[0]
    assert (use.arrived, use.admitted, use.max_admitted_in_a_second, use.max_arrived_in_a_second) == (23, 3, 2, 22)


def test_no_limit_is_no_limit_and_says_nothing_of_one(time: Time) -> None:
    state = State(SimulatorConfig(limit_per_second=0), clock=time.clock())
    visits = [post(state) for _ in range(500)]
    assert {status(visit) for visit in visits} == {200}
    assert visits[-1].headers == {}
    assert state.summary().max_admitted_in_a_second == 500


def test_tokens_are_let_in_refused_and_forbidden(time: Time) -> None:
    config = SimulatorConfig(tokens=frozenset({"good"}), forbidden_tokens=frozenset({"bad"}))
    state = State(config, clock=time.clock())
    assert [status(post(state, bearer=token)) for token in ("good", "bad", "other", None)] == [200, 403, 401, 401]
    anyone = State(SimulatorConfig(forbidden_tokens=frozenset({"bad"})), clock=time.clock())
    assert [status(post(anyone, bearer=token)) for token in ("good", "bad", "other", None)] == [200, 403, 200, 401]


def test_refused_tokens_do_not_use_up_the_limit(time: Time) -> None:
    state = State(SimulatorConfig(limit_per_second=1, tokens=frozenset({"good"})), clock=time.clock())
    for _ in range(5):
        assert post(state, bearer="other").headers["x-rate-limit-remaining"] == "1"
    assert state.summary().max_admitted_in_a_second == 0


def test_tokens_may_be_accepted_for_some_requests_more(time: Time) -> None:
    state = State(SimulatorConfig(tokens_accepted_for=2), clock=time.clock())
    assert [status(visit) for visit in (post(state), get(state), post(state), get(state))] == [200, 200, 401, 401]
    state.configure({"limit_per_second": 9})
    assert status(post(state)) == 401
    state.configure({"tokens_accepted_for": 1})
    assert [status(post(state)), status(post(state))] == [200, 401]
    state.configure({"tokens_accepted_for": None})
    assert status(post(state)) == 200


def test_a_storm_throttles_every_post_for_its_time_and_no_read(time: Time) -> None:
    storm = Storm(seconds=2.0, after_seconds=1.0, retry_after="Wed, 21 Oct 2015 07:28:00 GMT", header="retry-after")
    state = State(SimulatorConfig(storms=(storm,)), clock=time.clock())
    assert status(post(state)) == 200
    time.pass_by(1.0)
    stormed = post(state)
    assert (status(stormed), stormed.cause, stormed.headers["retry-after"]) == (429, "storm", "Wed, 21 Oct 2015 07:28:00 GMT")
    assert "x-rate-limit-retry-after" not in stormed.headers
    assert status(get(state)) == 200
    time.pass_by(1.99)
    assert status(post(state)) == 429
    time.pass_by(0.01)
    assert status(post(state)) == 200


def test_a_storm_asked_for_later_is_counted_from_then(time: Time) -> None:
    state = State(SimulatorConfig(), clock=time.clock())
    time.pass_by(60.0)
    state.configure({"storms": (Storm(seconds=5.0, retry_after=None),)})
    stormed = post(state)
    assert status(stormed) == 429
    assert not any("retry-after" in name for name in stormed.headers)
    time.pass_by(4.0)
    state.configure({"limit_per_second": 5})
    assert status(post(state)) == 429
    time.pass_by(1.0)
    assert status(post(state)) == 200
    state.configure({"storms": (Storm(seconds=5.0),)})
    assert status(post(state)) == 429
    state.configure({"storms": ()})
    assert status(post(state)) == 200


def test_a_lower_limit_holds_for_what_was_admitted_before(time: Time) -> None:
    state = State(SimulatorConfig(limit_per_second=10), clock=time.clock())
    for _ in range(5):
        post(state)
    state.configure({"limit_per_second": 3})
    assert status(post(state)) == 429


def test_faults_do_not_depend_on_the_order_or_on_what_was_throttled(time: Time) -> None:
    faults = {Fault.LATE: 0.3, Fault.GONE: 0.3}
    ids = [f"p{number}" for number in range(50)]
    calm = State(SimulatorConfig(limit_per_second=0, seed=3, faults=faults), clock=time.clock())
    expected = {(pass_id, turn): post(calm, pass_id).fault for turn in range(3) for pass_id in ids}
    assert set(expected.values()) == {Fault.LATE, Fault.GONE, None}
    throttled = State(SimulatorConfig(limit_per_second=7, seed=3, faults=faults), clock=time.clock())
    for pass_id in reversed(ids):
        for turn in range(3):
            visit = post(throttled, pass_id)
            while visit.objection:
                assert visit.fault is None
                time.pass_by(0.5)
                visit = post(throttled, pass_id)
            assert visit.fault is expected[pass_id, turn]


def test_another_seed_gives_other_faults(time: Time) -> None:
    def faults(seed: int) -> list[Fault | None]:
        state = State(SimulatorConfig(limit_per_second=0, seed=seed, faults={Fault.LATE: 0.5}), clock=time.clock())
        return [post(state, f"p{number}").fault for number in range(40)]

    assert faults(1) == faults(1) != faults(2)


def test_a_badly_encoded_id_is_answered_400_and_unknown_paths_404(time: Time) -> None:
    state = State(SimulatorConfig(), clock=time.clock())
    assert status(post(state, "a%zz")) == 400
    assert status(post(state, "a/b")) == 404


def test_processing_is_seen_in_audit_pass_and_figures_at_once(time: Time) -> None:
    state = State(SimulatorConfig(), clock=time.clock())
    visit = post(state)
    time.pass_by(2.0)
    state.process(visit, "Hello")
    state.process(visit, "Hello")
    assert state.passes.latest_message("a") == "Hello"
    entries = list(state.records.notifications.entries())
    assert [(entry.id, entry.at_seconds, entry.unix_seconds, entry.request) for entry in entries] == [("a", 2.0, 1_700_000_002.0, 1)] * 2
    summary = state.summary()
    assert (summary.processed, summary.distinct_passes, summary.duplicates, summary.surplus) == (2, 1, 1, 1)


def test_a_reset_forgets_the_books_but_neither_the_passes_nor_the_limit(time: Time) -> None:
    state = State(SimulatorConfig(limit_per_second=1), clock=time.clock())
    visit = post(state)
    state.process(visit, "Hello")
    state.reset(passes=False)
    state.end(visit, status=200, ending=Ending.ANSWERED, cause=None)
    summary = state.summary()
    assert (summary.processed, summary.requests, summary.max_admitted_in_a_second) == (0, 0, 0)
    assert state.passes.latest_message("a") == "Hello"
    refused = post(state)
    assert (status(refused), refused.number) == (429, 2)
    assert state.summary().by_ending["open"] == 1


def test_a_reset_with_passes_begins_their_luck_anew(time: Time) -> None:
    state = State(SimulatorConfig(limit_per_second=0, faults={Fault.LATE: 0.5}), clock=time.clock())

    def twenty() -> list[Fault | None]:
        return [post(state).fault for _ in range(20)]

    first = twenty()
    state.reset(passes=False)
    assert twenty() != first
    state.reset(passes=True)
    assert twenty() == first
    assert state.passes.latest_message("a") is None


def test_a_request_in_flight_over_a_reset_is_processed_into_the_new_books(time: Time) -> None:
    state = State(SimulatorConfig(), clock=time.clock())
    post(state, "x")
    visit = post(state, "b")
    state.reset(passes=True)
    post(state, "y")
    state.process(visit, "Late")
    assert [(entry.id, entry.request) for entry in state.records.notifications.entries()] == [("b", 2)]
    assert state.passes.latest_message("b") == "Late"
    assert state.passes.latest_message("y") is None


@pytest.mark.parametrize(
    ("config", "exists"),
    [
        (SimulatorConfig(), True),
        (SimulatorConfig(missing=frozenset({"a"})), False),
        (SimulatorConfig(existing=frozenset({"a"})), True),
        (SimulatorConfig(existing=frozenset({"b"})), False),
        (SimulatorConfig(existing=frozenset({"a"}), missing=frozenset({"a"})), False),
    ],
)
def test_passes_exist_unless_told_otherwise(time: Time, config: SimulatorConfig, *, exists: bool) -> None:
    assert State(config, clock=time.clock()).exists("a") is exists


def test_someone_else_may_write_to_a_pass(time: Time) -> None:
    state = State(SimulatorConfig(), clock=time.clock())
    state.passes.change("a", PassChange(latest_message="Theirs", status="removed"))
    state.passes.change("a", PassChange(device_type="watch"))
    assert state.passes.latest_message("a") == "Theirs"
    assert state.traits("a") == ("removed", "watch")
    assert state.summary().processed == 0


def test_a_bad_change_changes_nothing(time: Time) -> None:
    state = State(SimulatorConfig(), clock=time.clock())
    before = state.config
    for bad in ({"limit_per_second": -1}, {"limit_per_second": 5, "port": 1}, {"no_such": 1}):
        with pytest.raises(UsageError):
            state.configure(bad)
    assert state.config is before


def test_what_the_audit_file_does_not_hold_was_not_processed(time: Time, tmp_path: Path) -> None:
    audit_file = AuditFile(tmp_path / "audit.jsonl")
    state = State(SimulatorConfig(), clock=time.clock(), audit_file=audit_file)
    visit = post(state)
    state.process(visit, "Hello")
    audit_file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        state.process(visit, "Again")
    assert state.summary().processed == 1
    assert state.passes.latest_message("a") == "Hello"
    assert (tmp_path / "audit.jsonl").read_bytes().count(b"\n") == 1
