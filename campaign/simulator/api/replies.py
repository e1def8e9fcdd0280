"""Makes the answers: complete bodies like the vendor's, broken bodies, and the choice for a visit."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, Final, assert_never

import orjson

from campaign.simulator.api.routes import ELSEWHERE, Endpoint, Objection, list_meta, read_message, read_page
from campaign.simulator.config import VENDOR_RETRY_AFTER
from campaign.simulator.faults import BY_SOMEBODY_ELSE, NORMAL_NOTIFY, NORMAL_SHOW, PLANS, Act, Body, End, Fault, Plan, Processing
from campaign.simulator.passes import ISSUED, PassChange
from campaign.simulator.state import NO_SUCH_PASS, State, Visit

PASS_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
DELIVERED: Final = ("delivered", "Delivered succesfully")
NOT_DELIVERED: Final = ("notDelivered", "Pass has not been added to the wallet")
UNHEARD_OF: Final = ("heldForReview", "Notification is held for review")
"""Statuses of a notification: as the vendor writes them, including its spelling mistake, and one that the vendor doesn't have."""

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


def names_of(pass_id: str) -> tuple[str, str]:
    """The pass's UUID and its external id. An id in the vendor's form is the UUID; any other is the external id."""
    digest = blake2b(pass_id.encode(), digest_size=32).digest()
    if PASS_ID.fullmatch(pass_id):
        return pass_id, f"customer-{int.from_bytes(digest[24:28]) % 1_000_000:06d}"
    return digest[:20].hex(), pass_id


def data_object(pass_id: str, *, status: str, device_type: str, latest_message: str | None) -> dict[str, Any]:
    """The `data` of an answer about a pass."""
    digest = blake2b(pass_id.encode(), digest_size=32).digest()
    key, ext_id = names_of(pass_id)
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
            "extId": ext_id,
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


JSON: Final = "application/json; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
WORDS: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, or another effect on the connection.

    `cause` is the fault that occurred, or None. `late_message` is a message to process later, after `late_seconds`.
    """

    act: Act
    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    cause: str | None = None
    late_message: str | None = None


def plan_for(visit: Visit) -> Plan:
    if visit.fault is not None:
        return PLANS[visit.fault]
    return NORMAL_SHOW if visit.target.endpoint.reads else NORMAL_NOTIFY


def end_for(state: State, visit: Visit) -> End:
    plan, variant = plan_for(visit), visit.draw.variant
    if visit.fault is Fault.TAKEN_THEN:
        statuses = state.config.taken_then
        # The division combines each status with each form.
        return replace(plan.end(variant // len(statuses)), status=statuses[variant % len(statuses)])
    return plan.end(variant)


def objection_reply(visit: Visit, objection: Objection) -> Reply:
    body = errors_body(objection.error)
    return Reply(act=Act.ANSWER, status=objection.status, body=body, headers=visit.headers, cause=visit.cause)


def elsewhere_reply() -> Reply:
    """An answer that looks like a success to a client that follows a redirect."""
    data = data_object("elsewhere", status="active", device_type="apple", latest_message=None)
    return Reply(act=Act.ANSWER, status=200, body=notification_body(data, DELIVERED))


def list_reply(state: State, visit: Visit) -> Reply:
    page = read_page(visit.target.segment)
    if isinstance(page, Objection):
        return objection_reply(visit, page)
    passes, size = state.listed(), state.config.passes_per_page
    data = [_data_of(state, pass_id) for pass_id in passes[(page - 1) * size : page * size]]
    body = orjson.dumps({"data": data, "meta": list_meta(total=len(passes), size=size, page=page)})
    return Reply(act=Act.ANSWER, status=200, body=body, headers=visit.headers)


def _data_of(state: State, pass_id: str) -> dict[str, Any]:
    status, device_type = state.traits(pass_id)
    return data_object(pass_id, status=status, device_type=device_type, latest_message=state.passes.latest_message(pass_id))


def portal_reply(kind: str, *, other_host: str) -> Reply:
    """The answer of a portal in place of the API; `kind` is the setting `portal`."""
    match kind:
        case "page":
            return Reply(act=Act.ANSWER, status=200, body=html_body(200), content_type=HTML)
        case "json":
            return Reply(act=Act.ANSWER, status=200, body=b'{"status":"ok"}')
        case _:
            return Reply(act=Act.ANSWER, status=int(kind), headers={"Location": f"{other_host}/login"}, content_type=HTML)


def carry_out(state: State, visit: Visit, *, content_type: str, body: bytes, other_host: str) -> Reply:
    """Check the request, process its message if the plan says so, and return the reply.

    Redirects to another host go to `other_host`, the URL of this server with another host name.

    Raises:
        OSError: the audit file can't be written; nothing was processed.
    """
    plan = plan_for(visit)
    message: str | Objection = ""
    if plan.needs_pass and not state.exists(visit.pass_id):
        return objection_reply(visit, NO_SUCH_PASS)
    if plan.needs_pass and visit.target.endpoint is Endpoint.NOTIFY:
        message = read_message(content_type=content_type, body=body)
    if isinstance(message, Objection):
        return objection_reply(visit, message)
    if plan.processing is Processing.NOW:
        state.process(visit, message)
    if visit.fault is Fault.NOT_DELIVERED:
        state.passes.change(visit.pass_id, PassChange(status=ISSUED))
    reply = end_reply(state, visit, end_for(state, visit), other_host=other_host, whole=partial(_pass_body, state, visit))
    return replace(reply, late_message=message if plan.processing is Processing.LATE else None)


def end_reply(state: State, visit: Visit, end: End, *, other_host: str, whole: Callable[[Body], bytes]) -> Reply:
    """The reply for the end of a plan; `whole` makes the body of a success."""
    return Reply(
        act=end.act,
        status=end.status,
        body=_body(state, end, whole),
        content_type={Body.HTML: HTML, Body.WORDS: WORDS}.get(end.body, JSON),
        headers=_headers(state, visit, end, other_host),
        cause=visit.fault_name,
    )


def _headers(state: State, visit: Visit, end: End, other_host: str) -> dict[str, str]:
    own = {} if visit.fault in BY_SOMEBODY_ELSE else visit.headers
    match end.status:
        case HTTPStatus.TOO_MANY_REQUESTS if visit.fault not in BY_SOMEBODY_ELSE:
            return own | {VENDOR_RETRY_AFTER: state.config.retry_after}
        case status if 300 <= status < 400:
            host = other_host if visit.draw.variant % 2 else ""
            return own | {"Location": f"{host}{ELSEWHERE}{visit.number}"}
        case _:
            return own


def _body(state: State, end: End, whole: Callable[[Body], bytes]) -> bytes:
    if end.act not in {Act.ANSWER, Act.ANSWER_SLOWLY, Act.CUT_BODY}:
        return b""
    match end.body:
        case Body.ERRORS:
            return errors_body("Pass not found" if end.status == HTTPStatus.NOT_FOUND else HTTPStatus(end.status).phrase)
        case Body.HTML:
            return html_body(end.status)
        case Body.WORDS:
            return f"{end.status}: the service is not available\n".encode()
        case Body.NOTHING:
            return b""
        case Body.DEEP:
            return deep_body(state.config.deep_levels)
        case Body.PASS | Body.PASS_WITHOUT_MESSAGE | Body.PASS_WITH_NULL_MESSAGE:
            return whole(end.body)
        case Body.HALF:
            body = whole(Body.PASS)
            return body[: len(body) // 2]
        case _:
            assert_never(end.body)


def _pass_body(state: State, visit: Visit, body: Body) -> bytes:
    status, device_type = state.traits(visit.pass_id)
    latest = None if body is Body.PASS_WITH_NULL_MESSAGE else state.passes.latest_message(visit.pass_id)
    data: dict[str, Any] = data_object(visit.pass_id, status=status, device_type=device_type, latest_message=latest)
    if visit.target.endpoint is Endpoint.NOTIFY:
        return notification_body(data, _notification(state, visit, status))
    if body is Body.PASS_WITHOUT_MESSAGE:
        del data["attributes"]["latestMessage"]
    return pass_body(data)


def _notification(state: State, visit: Visit, status: str) -> tuple[str, str]:
    if visit.fault is Fault.UNKNOWN_STATUS:
        return UNHEARD_OF
    return NOT_DELIVERED if visit.fault is Fault.NOT_DELIVERED or not state.delivers_to(status) else DELIVERED
