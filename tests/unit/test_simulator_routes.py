"""Ids in paths: one segment, decoded once, or none."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.simulator.api.routes import Endpoint, decode_segment, read_target

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("segment", "pass_id"),
    [
        ("abc", "abc"),
        ("a%2Fb", "a/b"),
        ("a%2fb%3Fx%3D1%23y", "a/b?x=1#y"),
        ("%2e%2e", ".."),
        ("..%2F..%2Fadmin", "../../admin"),
        ("%252e%252e", "%2e%2e"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("M%C3%BCller", "Müller"),
        ("%F0%9F%8E%81", "🎁"),
        ("100%25", "100%"),
        ("a%zz", None),
        ("a%", None),
        ("%ff", None),
        ("%ED%A0%80", None),
        ("a b", None),
        ("Müller", None),
        ('a"b', None),
    ],
)
def test_a_segment_is_decoded_once_or_not_at_all(segment: str, pass_id: str | None) -> None:
    assert decode_segment(segment) == pass_id


@given(pass_id=TEXTS)
def test_whatever_is_encoded_as_one_segment_is_one_id(pass_id: str) -> None:
    segment = quote(pass_id, safe="").replace(".", "%2E")
    for method, path, endpoint in (
        ("POST", f"/api/v1/passes/{segment}/notification", Endpoint.NOTIFY),
        ("GET", f"/api/v1/passes/{segment}", Endpoint.SHOW),
    ):
        target = read_target(method, path)
        assert (target.endpoint, target.pass_id, target.raw_path) == (endpoint, pass_id, path)


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("POST", "/api/v1/passes/a/notification?x=1", Endpoint.NOTIFY),
        ("POST", "/api/v1/passes/a/b/notification", Endpoint.OTHER),
        ("POST", "/api/v1/passes/a/notification/", Endpoint.OTHER),
        ("POST", "/api/v1/passes//notification", Endpoint.OTHER),
        ("POST", "/api/v1/passes/../notification", Endpoint.OTHER),
        ("POST", "/api/v1/passes/./notification", Endpoint.OTHER),
        ("POST", "/api/v1/passes/a?x=1/notification", Endpoint.OTHER),
        ("POST", "/api/v1/passes/a", Endpoint.OTHER),
        ("GET", "/api/v1/passes/a/notification", Endpoint.OTHER),
        ("GET", "/api/v1/passes/", Endpoint.OTHER),
        ("GET", "/api/v1/passes/a/b", Endpoint.OTHER),
        ("PUT", "/api/v1/passes/a", Endpoint.OTHER),
        ("GET", "/api/v2/passes/a", Endpoint.OTHER),
        ("POST", "/elsewhere/7", Endpoint.ELSEWHERE),
        ("GET", "/", Endpoint.OTHER),
    ],
)
def test_only_the_documented_paths_lead_to_a_pass(method: str, path: str, endpoint: Endpoint) -> None:
    assert read_target(method, path).endpoint is endpoint
