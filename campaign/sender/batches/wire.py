"""The JSON and the CSV files of the batch API; no other module knows them. Pure.

The vendor documents how a batch is created, looked at, released and cancelled. What no page of it shows is assumed here, once, each with a
number that `docs/developers/batches.md` explains. `Shape` changes the names, and `campaign probe` shows what really comes. What does not
fit is said with what came, and never guessed at.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Self

import orjson

from campaign.domain.batches import VARIABLE, BatchAnswer, Delivery, RemoteBatch, RemoteState, Wording
from campaign.domain.verdict import DELIVERED_VALUE
from campaign.sender.api.responses import FROM_A_CACHE, excerpt, is_cached, parse_json, read_reply

MOST_ROWS: Final = 100_000
"""Of a CSV file that is read."""

KNOWN: Final = frozenset({"delivered", "notDelivered", "failed"})
"""The words for what became of a recipient, as far as they can be known; any other is recorded as it came."""

_PASS_UUID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,200}")
"""Of a batch: it becomes part of a path."""


class ReportError(Exception):
    """A CSV file of a batch is not as assumed; the text says what came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The names that no page of the vendor shows. A name of a column is found whatever its case, blanks, dashes and underscores are.

    1. `recipients` is the key of the list of recipients, 2. `recipient_id` that of a recipient's pass UUID or external id; 3. a variable's
    value stands beside it under the variable's own name. 4. `errors_url` and `deliveries_url` are the attributes with the addresses of the
    CSV files. 5. In these a pass is in one of `id_columns`, 6. its status under `status_column`, in the words of `delivered`,
    `notDelivered` and `failed`; 7. what went wrong under `detail_columns`. 8. The list of type `walletMessaging` shows a batch as soon as
    it is created, 9. under the name that it was given. 10. Every answer shows the batch, with a documented status.
    """

    recipients: str = "recipients"
    recipient_id: str = "passId"
    errors_url: str = "errorsCsvUrl"
    deliveries_url: str = "deliveryCsvUrl"
    id_columns: tuple[str, ...] = ("passId", "extId")
    status_column: str = "status"
    detail_columns: tuple[str, ...] = ("detail", "error", "message", "reason")

    @classmethod
    def parse(cls, text: str) -> Self:
        """A JSON object with the names that differ.

        Raises:
            ValueError: it is none, or a key is unknown.
        """
        found = parse_json(text)
        known: dict[str, Any] = {name.name: name.default for name in fields(cls)}
        if not isinstance(found, dict) or set(found) - set(known):
            raise ValueError(f"this is not a JSON object with some of the keys {', '.join(known)}")
        for key, value in found.items():
            texts = value if isinstance(known[key], tuple) else [value]
            if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
                raise ValueError(f"{key}: this should be {'a list of names' if isinstance(known[key], tuple) else 'a name'}")
        given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
        return cls(**given)


USUAL: Final = Shape()


def create_body(wording: Wording, ids: Sequence[str], *, name: str, tag: str, scheduled_at: float, shape: Shape = USUAL) -> bytes:
    """The JSON that creates a batch which is sent at `scheduled_at`, Unix seconds, if nobody releases it before.

    Raises:
        ValueError: a text holds half a character.
    """
    texts = wording.texts or ()
    recipients = [{shape.recipient_id: pass_id} | ({VARIABLE: texts[place]} if texts else {}) for place, pass_id in enumerate(ids)]
    at = datetime.fromtimestamp(scheduled_at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    batch = {"message": wording.message, shape.recipients: recipients, "scheduledAt": at, "name": name, "tag": tag}
    return orjson.dumps({"batch": batch})


def read_answer(
    *, http_status: int, headers: Mapping[str, str], body: bytes, whole: bool, token: str, now: float, shape: Shape = USUAL
) -> BatchAnswer:
    """The answer to any request about batches. Arguments as for `responses.read_reply`."""
    reply = read_reply(http_status=http_status, headers=headers, body=body, whole=whole, token=token, now=now)
    if not 200 <= http_status < 300:
        return BatchAnswer(
            http_status=http_status,
            by_api=reply.completes and not reply.signature.page,
            error=reply.error,
            retry_after_seconds=reply.retry_after_seconds,
        )
    if is_cached(headers):
        # It may be older than a batch, which would then be created again.
        return BatchAnswer(http_status=http_status, readable=False, error=FROM_A_CACHE)
    parsed = parse_json(body) if whole else None
    document = parsed if isinstance(parsed, dict) else {}
    data = document.get("data")
    found = data if isinstance(data, list) else [data]
    batches = tuple(one for one in (_batch(item, shape) for item in found) if one is not None)
    pages = _number(document, "totalPages") if isinstance(data, list) else 1
    if data == []:
        pages = max(1, pages)
    # Errors may have kept batches out of a list.
    readable = data is not None and len(batches) == len(found) and pages > 0 and not document.get("errors")
    return BatchAnswer(
        http_status=http_status,
        readable=readable,
        error="" if readable else _unrecognized(body, found, token=token),
        batches=batches,
        pages=pages,
        page=_number(document, "currentPage") if isinstance(data, list) else 0,
    )


def _batch(item: Any, shape: Shape) -> RemoteBatch | None:
    attributes = item.get("attributes") if isinstance(item, dict) else None
    if not isinstance(attributes, dict) or not isinstance(item.get("id"), str) or not _ID.fullmatch(item["id"]):
        return None
    try:
        state = RemoteState(str(attributes.get("status")))
    except ValueError:
        return None
    name, errors, deliveries = (attributes.get(key) for key in ("name", shape.errors_url, shape.deliveries_url))
    return RemoteBatch(
        id=item["id"],
        name=name if isinstance(name, str) else "",
        state=state,
        errors_url=errors if isinstance(errors, str) else "",
        deliveries_url=deliveries if isinstance(deliveries, str) else "",
        detailed=shape.errors_url in attributes,
    )


def _unrecognized(body: bytes, found: Sequence[Any], *, token: str) -> str:
    states = ", ".join(state.value for state in RemoteState)
    item = next((item for item in found if not isinstance(item, dict) or _batch(item, USUAL) is None), None)
    attributes = item.get("attributes") if isinstance(item, dict) else None
    if isinstance(attributes, dict) and "status" in attributes:
        return excerpt(f"The batch's status is {attributes['status']!r}, and only {states} are known", secret=token)
    came = body[:2000].decode(errors="replace")
    return excerpt(
        f"The answer shows no batch with data.id and data.attributes.status, or no meta.totalPages of its list: {came}", secret=token
    )


def _number(document: Any, name: str) -> int:
    """A number of pages, or of a page, in the `meta` of a list; 0 if it does not say."""
    meta = document.get("meta") if isinstance(document, dict) else None
    number = meta.get(name) if isinstance(meta, dict) else None
    return number if isinstance(number, int) and 0 < number < 100_000 else 0


class Report:
    """Lines of a CSV file by the ID that a list has of a pass: a UUID in any case, an external ID exactly.

    Of a pass whose lines contradict each other nothing is said, unless one of them says that it was delivered: what may have arrived must
    never seem to have failed.
    """

    def __init__(self) -> None:
        self._lines: dict[str, Delivery | None] = {}

    def add(self, pass_id: str, delivery: Delivery) -> None:
        key = _key(pass_id)
        known = self._lines.get(key, delivery)
        if known is None or known.status != delivery.status:
            known = next((one for one in (known, delivery) if one is not None and one.status == DELIVERED_VALUE), None)
        self._lines[key] = known

    def of(self, pass_id: str) -> Delivery | None:
        return self._lines.get(_key(pass_id))


def _key(pass_id: str) -> str:
    return pass_id.lower() if _PASS_UUID.fullmatch(pass_id) else pass_id


def read_deliveries(content: bytes, *, shape: Shape = USUAL) -> Report:
    """The delivery report of a batch that has ended.

    Raises:
        ReportError: it has other columns, or is no CSV. Of one that is cut short the whole lines are read.
    """
    return _report(content, shape, status=shape.status_column)


def read_errors(content: bytes, *, shape: Shape = USUAL) -> Report:
    """The recipients that the vendor refused; each one's `detail` says why.

    Raises:
        ReportError: as for `read_deliveries`.
    """
    return _report(content, shape, status=None)


def _report(content: bytes, shape: Shape, *, status: str | None) -> Report:
    rows = csv_rows(content)
    header = next(rows, [])
    places = {plain(name): place for place, name in enumerate(header)}
    ids = [places[plain(name)] for name in shape.id_columns if plain(name) in places]
    state = None if status is None else places.get(plain(status))
    if not ids or (status is not None and state is None):
        wanted = f"{' or '.join(shape.id_columns)}" + ("" if status is None else f" and {status}")
        raise ReportError(f"its columns are {', '.join(header)[:300] or 'none'}, without {wanted}")
    detail = next((places[plain(name)] for name in shape.detail_columns if plain(name) in places and places[plain(name)] != state), None)
    report = Report()
    lines = list(rows)
    if lines and not content.endswith(b"\n") and _may_be_cut(lines[-1], columns=len(header), ids=ids, state=state):
        del lines[-1]
    for number, row in enumerate(lines, 2):
        if len(row) != len(header):
            raise ReportError(f"its line {number} has {len(row)} values for {len(header)} columns")
        word = "" if state is None else row[state].strip()
        if state is not None and not word:
            raise ReportError(f"its line {number} has no {status}")
        delivery = Delivery(status=word[:100], detail="" if detail is None else row[detail][:300])
        for pass_id in {row[place] for place in ids if row[place]}:
            report.add(pass_id, delivery)
    return report


def _may_be_cut(last: list[str], *, columns: int, ids: list[int], state: int | None) -> bool:
    """Whether a last line without its end may be half of one, and say half an ID or half a word."""
    return len(last) != columns or columns - 1 in ids or (state is not None and last[state].strip() not in KNOWN)


def csv_rows(content: bytes) -> Iterator[list[str]]:
    """The lines of a CSV file that are not blank, the header first; raises ReportError."""
    try:
        text = content.decode("utf-8-sig")
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True)):
            if number > MOST_ROWS:
                raise ReportError(f"it has more than {MOST_ROWS:,} lines")
            if row:
                yield row
    except csv.Error as error:
        # A value in quotation marks that the end of the file cuts short.
        if "unexpected end of data" not in str(error):
            raise ReportError(f"it is no CSV in UTF-8 ({error})") from error
    except UnicodeDecodeError as error:
        raise ReportError(f"it is no CSV in UTF-8 ({error})") from error


def plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()
