"""Makes the answers about batches: their JSON, their lists, their CSV files."""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from io import StringIO
from itertools import chain
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from campaign.simulator.api.replies import (
    DELIVERED,
    NOT_DELIVERED,
    UNHEARD_OF,
    Reply,
    end_for,
    end_reply,
    names_of,
    objection_reply,
    plan_for,
)
from campaign.simulator.api.routes import BATCHES, FILES, Endpoint, Objection, list_meta, read_page
from campaign.simulator.batches.faults import BatchFault
from campaign.simulator.batches.requests import read_batch
from campaign.simulator.batches.store import CANCELLABLE, PAGE_SIZE, SENDABLE, Batch, Batches, Outcome, has_delivery_file, has_errors_file
from campaign.simulator.faults import Body, Processing
from campaign.simulator.passes import PassTable
from campaign.simulator.state import State, Visit

Asked = Callable[[int], bytes]
"""Does what the request asks at the given moment, and returns the body of the answer."""

TYPE: Final = "walletMessaging"
CSV: Final = "text/csv; charset=utf-8"
ERRORS_HEADER: Final = ("passId", "error")
DELIVERY_HEADER: Final = ("passId", "extId", "status", "detail")
_OTHER_HEADER: Final = ("pass_uuid", "external_id", "result", "info")
_OUTCOMES: Final = {
    Outcome.WAITING: ("", ""),
    Outcome.DELIVERED: DELIVERED,
    Outcome.NOT_DELIVERED: NOT_DELIVERED,
    Outcome.NO_SUCH_PASS: ("failed", "Pass not found"),
    Outcome.FORBIDDEN: ("failed", "Forbidden"),
    Outcome.BROKEN: ("failed", "Notification could not be sent"),
}
_NO_SUCH_BATCH: Final = Objection(status=404, error="Batch not found")
_NO_SUCH_FILE: Final = Objection(status=404, error="File not found")


def carry_out_batch(state: State, visit: Visit, *, content_type: str, body: bytes, own_host: str, other_host: str) -> Reply:
    """Check the request, do what it asks if the plan says so, and return the reply.

    Links to batches and files go to `own_host`, this server's URL, and redirects to `other_host`, the same with another host name.
    """
    plan, endpoint = plan_for(visit), visit.target.endpoint
    asked = _read(state, visit, content_type=content_type, body=body, own_host=own_host)
    whole = b""
    if isinstance(asked, Objection):
        if plan.needs_pass:
            return objection_reply(visit, asked)
    elif endpoint.reads or plan.processing is Processing.NOW:
        whole = asked(state.now_ns)
    elif plan.processing is Processing.LATE:
        state.batches.do_late(state.now_ns + round(state.config.late_seconds * 1e9), asked)
    end = end_for(state, visit)
    succeeds = end.status == HTTPStatus.OK and end.body in {Body.PASS, Body.HALF}
    if succeeds and endpoint is Endpoint.CREATE_BATCH:
        end = replace(end, status=HTTPStatus.ACCEPTED.value)
    reply = end_reply(state, visit, end, other_host=other_host, whole=lambda _: whole)
    return replace(reply, content_type=CSV) if succeeds and endpoint is Endpoint.BATCH_FILE else reply


def _read(state: State, visit: Visit, *, content_type: str, body: bytes, own_host: str) -> Asked | Objection:
    batches, endpoint, segment = state.batches, visit.target.endpoint, visit.target.segment
    if endpoint is Endpoint.CREATE_BATCH:
        new = read_batch(content_type=content_type, body=body, unix_ns=state.unix_ns)
        if isinstance(new, Objection):
            return new
        create = partial(batches.create, new, request=visit.number, token=visit.token, reject=state.objection_to)
        return lambda now_ns: batch_body(create(now_ns=now_ns), batches, own_host)
    if endpoint is Endpoint.LIST_BATCHES:
        return _list(batches, segment, own_host)
    if endpoint is Endpoint.BATCH_FILE:
        file = batches.file(segment)
        return _NO_SUCH_FILE if file is None else lambda _: csv_body(file[0], state.passes, delivery=file[1])
    batch = batches.find(segment)
    if batch is None:
        return _NO_SUCH_BATCH
    if endpoint is Endpoint.SHOW_BATCH:
        return lambda _: batch_body(batch, batches, own_host)
    return _change_state(batches, batch, own_host, cancel=endpoint is Endpoint.CANCEL_BATCH)


def _change_state(batches: Batches, batch: Batch, own_host: str, *, cancel: bool) -> Asked | Objection:
    if batch.status not in (CANCELLABLE if cancel else SENDABLE):
        return Objection(status=422, error=f"Batch can't be {'cancelled' if cancel else 'sent now'} while it is {batch.status}")

    def do(now_ns: int) -> bytes:
        if cancel:
            batches.cancel(batch)
        else:
            batches.send_now(batch, now_ns)
        return batch_body(batch, batches, own_host)

    return do


def _list(batches: Batches, query: str, own_host: str) -> Asked | Objection:
    page = read_page(query)
    if isinstance(page, Objection):
        return page
    known = parse_qs(query).get("type", [TYPE])[-1] == TYPE
    meta = list_meta(total=len(batches) if known else 0, size=PAGE_SIZE, page=page)
    found = batches.page(page) if known else []
    return lambda _: orjson.dumps({"data": [batch_data(batch, batches, own_host) for batch in found], "meta": meta})


def batch_body(batch: Batch, batches: Batches, own_host: str) -> bytes:
    return orjson.dumps({"data": batch_data(batch, batches, own_host), "links": {"self": f"{own_host}{BATCHES}/{batch.id}"}})


def batch_data(batch: Batch, batches: Batches, own_host: str) -> dict[str, Any]:
    def url(*, delivery: bool) -> str:
        return f"{own_host}{FILES}{batches.file_name(batch, delivery=delivery)}"

    return {
        "id": batch.id,
        "type": TYPE,
        "attributes": {
            "name": batch.name,
            "status": batch.status.value,
            "tag": batch.tag,
            "content": batch.content,
            "scheduledAt": batch.scheduled_at,
            "totalRecipients": batch.total,
            "completedAt": None if batch.completed_unix_ns is None else _moment(batch.completed_unix_ns),
            "errorsCsvUrl": url(delivery=False) if has_errors_file(batch) else None,
            "deliveryCsvUrl": url(delivery=True) if has_delivery_file(batch) else None,
        },
    }


def csv_body(batch: Batch, passes: PassTable, *, delivery: bool) -> bytes:
    """The errors CSV or the delivery CSV, with the effect of the batch's fault."""
    if not delivery:
        return _csv([ERRORS_HEADER, *batch.refused])
    header = _OTHER_HEADER if batch.fault is BatchFault.DELIVERY_CSV_OTHER_COLUMNS else DELIVERY_HEADER
    whole = _csv(chain([header], _delivery_rows(batch, passes)))
    return whole[: len(whole) * 2 // 3] if batch.fault is BatchFault.DELIVERY_CSV_CUT else whole


def _delivery_rows(batch: Batch, passes: PassTable) -> Iterator[tuple[str, ...]]:
    for row, outcome in enumerate(batch.outcomes):
        if batch.fault is BatchFault.DELIVERY_CSV_LACKS_ROWS and batch.third(row):
            continue
        unknown = batch.fault is BatchFault.DELIVERY_CSV_UNKNOWN_STATUS and batch.third(row)
        yield *names_of(passes.pass_id(batch.passes[row])), *(UNHEARD_OF if unknown else _OUTCOMES[Outcome(outcome)])


def _csv(rows: Iterable[tuple[str, ...]]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _moment(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
