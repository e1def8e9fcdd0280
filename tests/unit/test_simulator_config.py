"""What can't be configured, and settings on their way through JSON."""

from dataclasses import fields, replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.errors import UsageError
from campaign.simulator.api.routes import bearer_token, fingerprint
from campaign.simulator.config import CHANGEABLE, FIXED, Latency, SimulatorConfig, Storm, read_changes, settings_json
from campaign.simulator.faults import Fault
from campaign.simulator.passes import UNCHANGED, PassChange, pick, read_change
from tests.errors import raises
from tests.simulator_client import change_json, changes_json

CHANGED = SimulatorConfig(
    passes_per_page=3,
    limit_per_second=0,
    latency=Latency(low_seconds=0.1, high_seconds=0.2),
    read_latency=Latency(high_seconds=1.0),
    tokens=frozenset({"one", "two"}),
    forbidden_tokens=frozenset({"three"}),
    tokens_accepted_for=5,
    missing=frozenset({"a/b"}),
    existing=frozenset({"c", "d"}),
    forbidden=frozenset({"e"}),
    portal="page",
    taken_then=(502, 499),
    statuses={"issued": 1.0, "active": 2.0},
    device_types={"android": 1.0},
    undelivered_when_issued=True,
    faults={Fault.LATE: 0.5, Fault.READ_NULL: 0.25},
    storms=(Storm(seconds=1.0, after_seconds=2.0, retry_after="soon", header="retry-after"), Storm(seconds=3.0, retry_after=None)),
    retry_after="0.25",
    slow_seconds=0.5,
    late_seconds=0.6,
    hang_seconds=0.7,
    huge_bytes=1000,
    deep_levels=10,
    batches="terms",
    entities=frozenset({"one"}),
    batch_faults={"create_late": 0.5, "sending_stuck": 0.25},
    validation_seconds=0.8,
    sending_seconds=0.9,
    batch_messages_per_second=100.0,
)


@pytest.mark.parametrize(
    ("given_values", "code"),
    [
        ({"host": "0.0.0.0"}, "not_loopback"),  # noqa: S104 - that it is refused is the test
        ({"host": "::"}, "not_loopback"),
        ({"host": "192.168.0.1"}, "not_loopback"),
        ({"host": "example.com"}, "not_loopback"),
        ({"host": ""}, "not_loopback"),
        ({"port": 65536}, "bad_value"),
        ({"port": -1}, "bad_value"),
        ({"limit_per_second": -1}, "bad_value"),
        ({"tokens_accepted_for": -1}, "bad_value"),
        ({"keep_alive_seconds": 0.0}, "bad_value"),
        ({"late_seconds": -0.5}, "bad_value"),
        ({"hang_seconds": float("inf")}, "bad_value"),
        ({"huge_bytes": 0}, "bad_value"),
        ({"portal": "hotel"}, "bad_value"),
        ({"taken_then": ()}, "bad_value"),
        ({"taken_then": (499, 600)}, "bad_value"),
        ({"deep_levels": 0}, "bad_value"),
        ({"retry_after": "1\r\nx: y"}, "bad_header"),
        ({"retry_after": "später"}, "bad_header"),
        ({"statuses": {}}, "bad_value"),
        ({"device_types": {"apple": -1.0, "android": 2.0}}, "bad_value"),
        ({"batches": "maybe"}, "bad_value"),
        ({"batch_messages_per_second": -1.0}, "bad_value"),
        ({"batch_faults": {"sending_stuk": 0.5}}, "unknown_fault"),
        ({"faults": {"lat": 0.5}}, "unknown_fault"),
        ({"faults": {Fault.LATE: 2.0}}, "bad_probability"),
    ],
)
def test_what_can_not_be_is_refused(given_values: dict[str, Any], code: str) -> None:
    with raises(UsageError, code):
        SimulatorConfig(**given_values)


@pytest.mark.parametrize(
    "make", [lambda: Latency(low_seconds=2, high_seconds=1), lambda: Latency(low_seconds=-1), lambda: Latency(high_seconds=float("inf"))]
)
def test_a_latency_has_a_range(make: Any) -> None:
    with raises(UsageError, "bad_value", setting="latency"):
        make()


@pytest.mark.parametrize(
    "storm",
    [
        {"seconds": -1.0},
        {"seconds": 1.0, "after_seconds": float("nan")},
        {"seconds": 1.0, "header": "x"},
        {"seconds": 1.0, "retry_after": "\n"},
    ],
)
def test_a_storm_that_can_not_be_is_refused(storm: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Storm(**storm)


@pytest.mark.parametrize(("host", "address"), [("localhost", "127.0.0.1"), ("127.0.0.9", "127.0.0.9"), ("::1", "::1")])
def test_loopback_is_loopback_in_every_form(host: str, address: str) -> None:
    assert SimulatorConfig(host=host).host == address


def test_every_setting_goes_through_json_unharmed() -> None:
    changes = {name: getattr(CHANGED, name) for name in CHANGEABLE}
    assert all(getattr(SimulatorConfig(), name) != value for name, value in changes.items())
    sent = orjson.loads(
        orjson.dumps(
            changes_json({**changes, "faults": {str(fault): share for fault, share in CHANGED.faults.items()}}),
            option=orjson.OPT_NON_STR_KEYS,
        )
    )
    assert replace(SimulatorConfig(), **read_changes(sent)) == CHANGED


def test_settings_are_shown_without_tokens() -> None:
    shown = orjson.dumps(settings_json(CHANGED)).decode()
    assert fingerprint("one") in shown
    assert "three" not in shown
    assert orjson.loads(shown)["faults"] == {"late": 0.5, "read_null": 0.25}
    assert set(orjson.loads(shown)) == set(CHANGEABLE)


def test_a_latency_may_be_one_number() -> None:
    assert read_changes({"latency": 0.5}) == {"latency": Latency(low_seconds=0.5, high_seconds=0.5)}


@pytest.mark.parametrize(
    ("document", "code", "setting"),
    [
        ({"limit": 1}, "unknown_setting", "limit"),
        ({"limit_per_secnd": 1}, "unknown_setting", "limit_per_secnd"),
        ({"limit_per_second": 1.5}, "bad_value", "limit_per_second"),
        ({"limit_per_second": True}, "bad_value", "limit_per_second"),
        ({"slow_seconds": "1"}, "bad_value", "slow_seconds"),
        ({"slow_seconds": False}, "bad_value", "slow_seconds"),
        ({"undelivered_when_issued": 1}, "bad_value", "undelivered_when_issued"),
        ({"retry_after": 1}, "bad_value", "retry_after"),
        ({"tokens": "one"}, "bad_value", "tokens"),
        ({"missing": [1]}, "bad_value", "missing"),
        ({"faults": ["late"]}, "bad_value", "faults"),
        ({"latency": [1, 2, 3]}, "bad_value", "latency"),
        ({"storms": {"seconds": 1}}, "bad_value", "storms"),
        ({"storms": [{"after_seconds": 1}]}, "bad_value", "storms.seconds"),
        ({"storms": [{"seconds": 1, "size": 1}]}, "bad_value", "storms.size"),
        ({"storms": [{"seconds": "1"}]}, "bad_value", "storms.seconds"),
    ],
)
def test_settings_that_are_no_settings_are_refused(document: object, code: str, setting: str) -> None:
    with raises(UsageError, code, setting=setting):
        read_changes(document)


def test_settings_are_an_object() -> None:
    with raises(UsageError, "not_an_object"):
        read_changes([])


@pytest.mark.parametrize("name", sorted(FIXED))
def test_what_is_fixed_stays(name: str) -> None:
    assert name in {item.name for item in fields(SimulatorConfig)}
    with raises(UsageError, "not_changeable", setting=name):
        read_changes({name: 1})


@pytest.mark.parametrize(
    "change",
    [
        PassChange(latest_message=None),
        PassChange(latest_message="x"),
        PassChange(status="removed"),
        PassChange(device_type="apple", latest_message="é"),
    ],
)
def test_a_change_of_a_pass_goes_through_json_unharmed(change: PassChange) -> None:
    assert read_change(change_json(change)) == change


def test_a_message_that_is_not_given_is_not_null() -> None:
    assert read_change({"status": "issued"}).latest_message is UNCHANGED
    assert read_change({"latestMessage": None}).latest_message is None


@pytest.mark.parametrize("document", [[], {}, {"message": "x"}, {"latestMessage": 1}, {"status": None}, {"status": ""}, {"deviceType": 7}])
def test_a_change_that_is_none_is_refused(document: object) -> None:
    with pytest.raises(UsageError):
        read_change(document)


def test_weights_are_shared_out_by_the_key_alone() -> None:
    weights = {"issued": 1.0, "active": 3.0, "removed": 0.0}
    found = [pick(weights, f"key-{number}") for number in range(4000)]
    assert found.count("issued") == pytest.approx(1000, rel=0.1)
    assert found.count("removed") == 0
    assert found == [pick(weights, f"key-{number}") for number in range(4000)]


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer   abc ", "abc"),
        ("Bearer a.b-c_d~e+f/g=", "a.b-c_d~e+f/g="),
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer a b", None),
        ("Basic abc", None),
        ("abc", None),
    ],
)
def test_a_bearer_token_is_read(header: str | None, token: str | None) -> None:
    assert bearer_token(header) == token


@given(token=st.text(st.characters(exclude_categories=["Cs"]), min_size=13))
def test_a_fingerprint_is_short_and_not_the_token(token: str) -> None:
    assert len(fingerprint(token)) == 12
    assert token not in fingerprint(token)
