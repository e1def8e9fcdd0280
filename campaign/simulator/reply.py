"""What a request that was let in is told: the one place where a message is processed. Decides and does it in one step, without waiting."""

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, assert_never

from campaign.simulator import bodies
from campaign.simulator.config import VENDOR_RETRY_AFTER
from campaign.simulator.faults import Fault
from campaign.simulator.messages import Objection, read_message
from campaign.simulator.passes import ISSUED, PassChange
from campaign.simulator.plans import BY_SOMEBODY_ELSE, NORMAL_NOTIFY, NORMAL_SHOW, PLANS, Act, Body, End, Plan, Processing
from campaign.simulator.routes import ELSEWHERE, Endpoint
from campaign.simulator.world import NO_SUCH_PASS, Visit, World

JSON: Final = "application/json; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is to be done with the connection, and said on it.

    `cause` is the fault that took place, or None. `late_message` is to be processed after the answer.
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
    return NORMAL_NOTIFY if visit.target.endpoint is Endpoint.NOTIFY else NORMAL_SHOW


def objection_reply(visit: Visit, objection: Objection) -> Reply:
    return Reply(
        act=Act.ANSWER,
        status=objection.status,
        body=bodies.errors_body(objection.error),
        headers=visit.headers,
        cause=visit.cause,
    )


def elsewhere_reply() -> Reply:
    """Looks like a success, so that whoever follows a redirect believes it."""
    data = bodies.data_object("elsewhere", status="active", device_type="apple", latest_message=None)
    return Reply(act=Act.ANSWER, status=200, body=bodies.notification_body(data, bodies.DELIVERED))


def portal_reply(kind: str, *, other_host: str) -> Reply:
    """What somebody else answers who stands in the API's place; `kind` is as in the configuration."""
    match kind:
        case "page":
            return Reply(act=Act.ANSWER, status=200, body=bodies.html_body(200), content_type=HTML)
        case "json":
            return Reply(act=Act.ANSWER, status=200, body=b'{"status":"ok"}')
        case _:
            return Reply(act=Act.ANSWER, status=int(kind), headers={"Location": f"{other_host}/login"}, content_type=HTML)


def carry_out(world: World, visit: Visit, *, content_type: str, body: bytes, other_host: str) -> Reply:
    """Checks the request, processes its message if that is the plan, and says what comes of it.

    Args:
        world: where it happens.
        visit: an admitted request.
        content_type: of its body.
        body: as it came.
        other_host: this server under another name, for redirects that lead to another host.

    Raises:
        OSError: the audit file can't be written; nothing was processed.
    """
    plan = plan_for(visit)
    end = plan.end(visit.draw.variant)
    if visit.fault is Fault.TAKEN_THEN:
        end = replace(end, status=world.config.taken_then[visit.draw.variant % len(world.config.taken_then)])
    message: str | Objection = ""
    if plan.needs_pass and not world.exists(visit.pass_id):
        return objection_reply(visit, NO_SUCH_PASS)
    if plan.needs_pass and visit.target.endpoint is Endpoint.NOTIFY:
        message = read_message(content_type=content_type, body=body)
    if isinstance(message, Objection):
        return objection_reply(visit, message)
    if plan.processing is Processing.NOW:
        world.process(visit, message)
    if visit.fault is Fault.NOT_DELIVERED:
        world.passes.change(visit.pass_id, PassChange(status=ISSUED))
    return Reply(
        act=end.act,
        status=end.status,
        body=_body(world, visit, end),
        content_type=HTML if end.body is Body.HTML else JSON,
        headers=_headers(world, visit, end, other_host),
        cause=visit.fault,
        late_message=message if plan.processing is Processing.LATE else None,
    )


def _headers(world: World, visit: Visit, end: End, other_host: str) -> dict[str, str]:
    own = {} if visit.fault in BY_SOMEBODY_ELSE else visit.headers
    match end.status:
        case HTTPStatus.TOO_MANY_REQUESTS if visit.fault not in BY_SOMEBODY_ELSE:
            return own | {VENDOR_RETRY_AFTER: world.config.retry_after}
        case status if 300 <= status < 400:
            host = other_host if visit.draw.variant % 2 else ""
            return own | {"Location": f"{host}{ELSEWHERE}{visit.number}"}
        case _:
            return own


def _body(world: World, visit: Visit, end: End) -> bytes:
    if end.act not in {Act.ANSWER, Act.ANSWER_SLOWLY, Act.CUT_BODY}:
        return b""
    match end.body:
        case Body.ERRORS:
            return bodies.errors_body("Pass not found" if end.status == HTTPStatus.NOT_FOUND else HTTPStatus(end.status).phrase)
        case Body.HTML:
            return bodies.html_body(end.status)
        case Body.DEEP:
            return bodies.deep_body(world.config.deep_levels)
        case Body.PASS | Body.PASS_WITHOUT_MESSAGE | Body.PASS_WITH_NULL_MESSAGE:
            return _pass_body(world, visit, end.body)
        case Body.HALF:
            whole = _pass_body(world, visit, Body.PASS)
            return whole[: len(whole) // 2]
        case _:
            assert_never(end.body)


def _pass_body(world: World, visit: Visit, body: Body) -> bytes:
    status, device_type = world.traits(visit.pass_id)
    latest = None if body is Body.PASS_WITH_NULL_MESSAGE else world.passes.latest_message(visit.pass_id)
    data: dict[str, Any] = bodies.data_object(visit.pass_id, status=status, device_type=device_type, latest_message=latest)
    if visit.target.endpoint is Endpoint.NOTIFY:
        return bodies.notification_body(data, _notification(world, visit, status))
    if body is Body.PASS_WITHOUT_MESSAGE:
        del data["attributes"]["latestMessage"]
    return bodies.pass_body(data)


def _notification(world: World, visit: Visit, status: str) -> tuple[str, str]:
    if visit.fault is Fault.UNKNOWN_STATUS:
        return bodies.UNHEARD_OF
    if visit.fault is Fault.NOT_DELIVERED or (world.config.undelivered_when_issued and status == ISSUED):
        return bodies.NOT_DELIVERED
    return bodies.DELIVERED
