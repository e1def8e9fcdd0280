"""Answers in the seed's full shape, and what a request body must hold."""

from typing import Any

import orjson
import pytest

from campaign.simulator.api.replies import DELIVERED, data_object, deep_body, html_body, notification_body
from campaign.simulator.api.routes import Objection, read_message

DESIGN = "backgroundColor labelColor textColor bannerImageUrl logoImageUrl thumbnailImageUrl artworkImageUrl secondaryLogoImageUrl"
GUIDE = "venueOpenDateTime venueCloseDateTime bagPolicyUrl orderFoodUrl transitInformationUrl parkingInformationUrl"
ATTRIBUTES = (
    "downloadUrl passType deviceType createdAt status extId groupTag groupTags addedAt removedAt deactivatedAt nullifiedAt expiresAt "
    "passTemplateUuid passTemplateName nfc barcode latestMessage passContent passDesign locations "
    "beacons enhancedEventData passSource binding"
)
SEED_KEYS = {
    (): "data meta",
    ("data",): "id type attributes",
    ("data", "attributes"): ATTRIBUTES,
    ("data", "attributes", "barcode"): "enabled type source value displayText",
    ("data", "attributes", "passDesign"): f"{DESIGN} venueMapImageUrl",
    ("data", "attributes", "locations", 0): "name latitude longitude radius message address",
    ("data", "attributes", "beacons", 0): "proximityUuid major minor message name",
    ("data", "attributes", "enhancedEventData"): "event venue seat eventGuide",
    ("data", "attributes", "enhancedEventData", "event"): "name startDateTime endDateTime",
    ("data", "attributes", "enhancedEventData", "venue"): "name region location contactPhoneNumber contactEmailAddress websiteUrl",
    ("data", "attributes", "enhancedEventData", "venue", "location"): "latitude longitude",
    ("data", "attributes", "enhancedEventData", "seat"): "number row section gate",
    ("data", "attributes", "enhancedEventData", "eventGuide"): (
        f"{GUIDE} directionsInformationUrl merchandiseUrl accessibilityUrl addOnUrl"
    ),
    ("data", "attributes", "passSource"): "oneOf",
    ("data", "attributes", "passSource", "oneOf"): "appleBase64 googleDownloadUrl",
    ("data", "attributes", "binding"): "platform bound bindingEmail learnMoreUrl",
    ("meta",): "notifications",
    ("meta", "notifications"): "status message",
}
OWN_ID = "e89b1330fc391ec89656f3c664318cff8805471e"


def data(pass_id: str, status: str = "active") -> dict[str, Any]:
    return data_object(pass_id, status=status, device_type="apple", latest_message="Hello")


@pytest.mark.parametrize(("place", "keys"), SEED_KEYS.items(), ids=lambda value: str(value)[:40])
def test_the_answer_has_every_attribute_of_the_seed_and_no_other(place: tuple[str | int, ...], keys: str) -> None:
    found: Any = orjson.loads(notification_body(data(OWN_ID), DELIVERED))
    for step in place:
        found = found[step]
    assert set(found) == set(keys.split())


def test_the_vendors_own_words_are_kept_with_their_slip() -> None:
    body = orjson.loads(notification_body(data(OWN_ID), DELIVERED))
    assert body["meta"]["notifications"] == {"status": "delivered", "message": "Delivered succesfully"}


def test_values_follow_from_the_id() -> None:
    assert data("a") == data("a")
    assert data("a")["id"] != data("b")["id"]


@pytest.mark.parametrize("pass_id", [OWN_ID, "123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"])
def test_an_id_of_the_vendors_form_is_the_passs_own(pass_id: str) -> None:
    assert data(pass_id)["id"] == pass_id
    assert data(pass_id)["attributes"]["extId"] != pass_id


def test_any_other_id_is_the_external_one() -> None:
    assert data("Café 7/8")["attributes"]["extId"] == "Café 7/8"
    assert len(data("Café 7/8")["id"]) == 40


@pytest.mark.parametrize(
    ("status", "given"),
    [
        ("issued", set()),
        ("active", {"addedAt"}),
        ("removed", {"addedAt", "removedAt"}),
        ("deactivated", {"addedAt", "deactivatedAt"}),
        ("nullified", {"addedAt", "nullifiedAt"}),
    ],
)
def test_the_dates_fit_the_status(status: str, given: set[str]) -> None:
    attributes = data("a", status)["attributes"]
    assert {name for name in ("addedAt", "removedAt", "deactivatedAt", "nullifiedAt") if attributes[name]} == given


def test_broken_bodies_are_broken() -> None:
    assert b"<html>" in html_body(502)
    assert orjson.loads(deep_body(3)) == {"data": [[[]]]}
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(deep_body(100_000))


def test_a_message_is_taken_as_it_came() -> None:
    assert read_message(content_type="application/json", body='{"notification":{"message":" Grüße 🎁 "}}'.encode()) == " Grüße 🎁 "


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b'{"notification":{"message":"x"}}', 400),
        ("application/octet-stream", b'{"notification":{"message":"x"}}', 400),
        ("application/json", b'{"notification":', 400),
        ("application/json", b"", 400),
        ("application/json", b'{"notification":{"message":"\xff"}}', 400),
        ("application/json", rb'{"notification":{"message":"\ud800"}}', 400),
        ("application/json", b"[]", 422),
        ("application/json", b'"x"', 422),
        ("application/json", b"{}", 422),
        ("application/json", b'{"notification":"x"}', 422),
        ("application/json", b'{"notification":{}}', 422),
        ("application/json", b'{"notification":{"message":null}}', 422),
        ("application/json", b'{"notification":{"message":7}}', 422),
        ("application/json", b'{"notification":{"message":""}}', 422),
        ("application/json", b'{"notification":{"message":" \\n"}}', 422),
    ],
)
def test_what_holds_no_message_is_refused(content_type: str, body: bytes, status: int) -> None:
    answer = read_message(content_type=content_type, body=body)
    assert isinstance(answer, Objection)
    assert answer.status == status
    assert answer.error
