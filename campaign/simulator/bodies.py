"""The bodies of answers: the vendor's in full shape, with believable values that follow from the id, and the broken ones."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

import orjson

PASS_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
DELIVERED: Final = ("delivered", "Delivered succesfully")
NOT_DELIVERED: Final = ("notDelivered", "Pass has not been added to the wallet")
UNHEARD_OF: Final = ("heldForReview", "Notification is held for review")
"""Statuses of a notification as the vendor writes them, its own slip included, and one that it never wrote."""

_FIRST_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
_ADDED: Final = frozenset({"active", "removed", "deactivated", "nullified"})
_DESIGN: Final = {"backgroundColor": "#0B3D2E", "labelColor": "#C9E4CA", "textColor": "#FFFFFF"} | {
    f"{image}ImageUrl": f"https://cdn.example.com/images/{image}.png"
    for image in ("banner", "logo", "thumbnail", "artwork", "secondaryLogo", "venueMap")
}
_LOCATIONS: Final = [
    {
        "name": "West Entrance",
        "latitude": 51.54321132456805,
        "longitude": -0.022901231803803924,
        "radius": 90,
        "message": "Welcome! Enjoy the show!",
        "address": "Mick's Garage, Queens Yard, London, England, E9 5EN, United Kingdom",
    }
]
_BEACONS: Final = [
    {
        "proximityUuid": "E2C56DB5-DFFB-48D2-B060-D0F5A71096E0",
        "major": 65535,
        "minor": 8525,
        "message": "You're near my store",
        "name": "West Entrance",
    }
]
_VENUE: Final = {
    "name": "Fulham Green",
    "region": "London",
    "location": {"latitude": 51.468532, "longitude": -0.210611},
    "contactPhoneNumber": "+447400123456",
    "contactEmailAddress": "hello@example.com",
    "websiteUrl": "https://www.example.com",
}
_GUIDE: Final = {"venueOpenDateTime": "2026-12-10T17:00:00Z", "venueCloseDateTime": "2026-12-10T22:00:00Z"} | {
    f"{page}Url": f"https://www.example.com/{page}"
    for page in (
        "bagPolicy",
        "orderFood",
        "transitInformation",
        "parkingInformation",
        "directionsInformation",
        "merchandise",
        "accessibility",
        "addOn",
    )
}
_EVENT: Final = {"name": "PassEntry Christmas Party", "startDateTime": "2026-12-10T18:00:00Z", "endDateTime": "2026-12-10T22:00:00Z"}


def data_object(pass_id: str, *, status: str, device_type: str, latest_message: str | None) -> dict[str, Any]:
    """The `data` of both endpoints. An id that looks like the vendor's is the pass's own, any other its external id."""
    digest = blake2b(pass_id.encode(), digest_size=32).digest()
    own = bool(PASS_ID.fullmatch(pass_id))
    key = pass_id if own else digest[:20].hex()
    created = _FIRST_DAY + timedelta(seconds=int.from_bytes(digest[20:23]) * 3)
    added = status in _ADDED
    ended = _moment(created + timedelta(days=40))
    return {
        "id": key,
        "type": "pass",
        "attributes": {
            "downloadUrl": f"https://download.example.com/{key}",
            "passType": ("generic", "storeCard", "coupon", "eventTicket")[digest[23] % 4],
            "deviceType": device_type,
            "createdAt": _moment(created),
            "status": status,
            "extId": f"customer-{int.from_bytes(digest[24:28]) % 1_000_000:06d}" if own else pass_id,
            "groupTag": "loyalty",
            "groupTags": ["loyalty", ("bronze", "silver", "gold")[digest[28] % 3]],
            "addedAt": _moment(created + timedelta(minutes=7)) if added else None,
            "removedAt": ended if status == "removed" else None,
            "deactivatedAt": ended if status == "deactivated" else None,
            "nullifiedAt": ended if status == "nullified" else None,
            "expiresAt": _moment(created + timedelta(days=3650)),
            "passTemplateUuid": "5a0c6f1f3c0b4d2f9f6b0f4f4e8a7c1d2b3e4f50",
            "passTemplateName": "Loyalty card",
            "nfc": None,
            "barcode": {"enabled": True, "type": "qr", "source": "uuid", "value": key[:12], "displayText": True},
            "latestMessage": latest_message,
            "passContent": {"points": {"label": "Points", "value": str(int.from_bytes(digest[29:31]))}},
            "passDesign": _DESIGN,
            "locations": _LOCATIONS,
            "beacons": _BEACONS,
            "enhancedEventData": {
                "event": _EVENT,
                "venue": _VENUE,
                "seat": {"number": str(digest[31] % 40 + 1), "row": "ABCDEFGH"[digest[30] % 8], "section": "312", "gate": "26"},
                "eventGuide": _GUIDE,
            },
            "passSource": {
                "oneOf": {"appleBase64": "UEsDBAoAAAAAAA==", "googleDownloadUrl": f"https://pay.google.com/gp/v/save/{key}"},
            },
            "binding": {
                "platform": "apple" if device_type == "apple" else "google",
                "bound": added,
                "bindingEmail": f"{key[:12]}@example.com",
                "learnMoreUrl": "https://www.example.com/binding",
            },
        },
    }


def notification_body(data: Mapping[str, Any], notification: tuple[str, str]) -> bytes:
    status, message = notification
    return orjson.dumps({"data": data, "meta": {"notifications": {"status": status, "message": message}}})


def pass_body(data: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"data": data})


def errors_body(*errors: str) -> bytes:
    return orjson.dumps({"errors": errors})


def html_body(status: int) -> bytes:
    title = {200: "We'll be right back", 502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable"}.get(status, str(status))
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr>\r\n</body>\r\n</html>\r\n"
    return page.encode()


def deep_body(levels: int) -> bytes:
    return b'{"data":' + b"[" * levels + b"]" * levels + b"}"


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
