"""What a probe has seen of the batch API, held against each numbered assumption of `wire`. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from campaign.domain.batches import PLACEHOLDER, BatchAnswer, Proof, RemoteState, proof_of
from campaign.sender.api.responses import parse_json
from campaign.sender.batches.wire import KNOWN, Report, ReportError, Shape, csv_rows, plain, read_deliveries, read_errors

_SHAPE: Final = "CAMPAIGN_BATCH_SHAPE"
_NO_SETTING: Final = "No setting changes this. Send with --via single, and report what came."


class Found(StrEnum):
    """`NOT_SEEN` is neither: what was asked did not show it."""

    AS_ASSUMED = "as_assumed"
    DIFFERS = "differs"
    NOT_SEEN = "not_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`assumption` and `detail` are sentences; `remedy` says what to change if the API differs."""

    number: int
    assumption: str
    found: Found
    detail: str = ""
    remedy: str = ""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What a probe has asked for and seen; None is not seen.

    `answers` are all, by their step, in their order; `attributes` are the batch's, as last shown. `latest` is the message that the pass
    holds in the end. `is_validated` says that the batch was ready to be sent, `released` that it was to be.
    """

    shape: Shape
    name: str
    pass_id: str
    text: str
    answers: list[tuple[str, BatchAnswer]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    state: RemoteState | None = None
    is_validated: bool = False
    listed: bool | None = None
    errors: bytes | None = None
    deliveries: bytes | None = None
    latest: str | None = None
    released: bool = False

    def answer(self, step: str) -> BatchAnswer | None:
        return next((answer for name, answer in reversed(self.answers) if name == step), None)

    @property
    def was_sent(self) -> bool:
        return self.state in {RemoteState.SUCCESSFUL, RemoteState.COMPLETED_WITH_ERRORS}


def attributes_in(body: bytes, batch_id: str) -> dict[str, Any]:
    """The attributes of a batch in the body of an answer, whether it is as assumed or not."""
    return next(
        (item["attributes"] for item in _items(body) if item.get("id") == batch_id and isinstance(item.get("attributes"), dict)), {}
    )


def id_in(body: bytes) -> str:
    """The id of the only batch in the body of an answer, even if nothing else of it is as assumed; else empty."""
    ids = [item["id"] for item in _items(body) if isinstance(item.get("id"), str)]
    return ids[0] if len(ids) == 1 else ""


def _items(body: bytes) -> list[dict[str, Any]]:
    document = parse_json(body)
    data = document.get("data") if isinstance(document, dict) else None
    return [item for item in (data if isinstance(data, list) else [data]) if isinstance(item, dict)]


def findings(seen: Seen) -> list[Finding]:
    """Every assumption, in the order of their numbers."""
    shape = seen.shape
    files = _Files(seen)
    return [
        _finding(1, f"The list of recipients has the key “{shape.recipients}”.", _recipients(seen)),
        _finding(2, f"A recipient's pass has the key “{shape.recipient_id}”.", _recipient_id(seen, files)),
        _finding(3, "A variable's value is beside the pass, under the variable's name.", _variable(seen)),
        _finding(4, f"The address of the errors CSV is the attribute “{shape.errors_url}”.", _url(seen, "errors_url")),
        _finding(4, f"The address of the delivery CSV is the attribute “{shape.deliveries_url}”.", _url(seen, "deliveries_url")),
        _finding(5, f"The CSV files have the pass in a column “{'” or “'.join(shape.id_columns)}”.", files.ids()),
        _finding(
            6, f"The delivery CSV has the status in a column “{shape.status_column}”, as {', '.join(sorted(KNOWN))}.", files.statuses()
        ),
        _finding(7, f"What went wrong is in a column “{'” or “'.join(shape.detail_columns)}”.", files.details()),
        _finding(8, "The list of batches shows a batch as soon as it is created.", _listed(seen)),
        _finding(9, "A batch keeps the name that it was given.", _named(seen)),
        _finding(10, "Every answer shows the batch, with a documented status.", _answered(seen)),
    ]


Comparison = tuple[Found, str, str]
_FINE: Final[Comparison] = (Found.AS_ASSUMED, "", "")


def _not_seen(detail: str = "") -> Comparison:
    return Found.NOT_SEEN, detail, ""


def _differs(detail: str, remedy: str) -> Comparison:
    return Found.DIFFERS, detail, remedy


def _keys(*keys: str) -> str:
    return f"Set {' or '.join(keys)} in {_SHAPE}."


def _finding(number: int, assumption: str, compared: Comparison) -> Finding:
    found, detail, remedy = compared
    return Finding(number=number, assumption=assumption, found=found, detail=detail, remedy=remedy)


def _recipients(seen: Seen) -> Comparison:
    created = seen.answer("create")
    if created is not None and proof_of(created) is Proof.REFUSED:
        return _differs(
            f"PassEntry refused the batch ({created.http_status}): {created.error}. This, 2 or 3 is not as assumed.",
            _keys("recipients", "recipient_id"),
        )
    if seen.attributes.get("totalRecipients") == 0:
        return _differs("PassEntry found no recipient in the batch.", _keys("recipients"))
    if seen.errors is not None or seen.is_validated:
        return _FINE
    if seen.state is RemoteState.FAILED:
        return _differs("PassEntry refused the batch when it validated it, and does not say why.", _keys("recipients", "recipient_id"))
    return _not_seen("The batch was not validated.")


def _recipient_id(seen: Seen, files: "_Files") -> Comparison:
    if files.errors_name_pass or files.deliveries_name_pass or seen.latest == seen.text:
        return _FINE
    if seen.errors is not None:
        return _differs(f"PassEntry refused a recipient: {_text(seen.errors)}", _keys("recipient_id"))
    return _FINE if seen.is_validated else _not_seen()


def _variable(seen: Seen) -> Comparison:
    if seen.latest is None:
        return _not_seen("Nothing was sent, or the pass does not show its latest message: look at the phone.")
    if seen.latest == seen.text:
        return _FINE
    if PLACEHOLDER in seen.latest:
        return _differs(f"The pass has the message “{seen.latest}”.", _NO_SETTING)
    return _not_seen(f"The pass has another message, “{seen.latest}”: look at the phone.")


def _url(seen: Seen, key: str) -> Comparison:
    name = getattr(seen.shape, key)
    if name in seen.attributes:
        return _FINE
    due = seen.was_sent if key == "deliveries_url" else seen.state in {RemoteState.FAILED, RemoteState.COMPLETED_WITH_ERRORS}
    if not due:
        return _not_seen("No recipient was refused." if key == "errors_url" else "The batch was not sent to its end.")
    near = _addresses(seen, key) or {"...": ""}
    return _differs(f"The batch has the attributes {_named_all(seen.attributes)}.", _keys(*(f"{key} to “{one}”" for one in near)))


def address_of(seen: Seen, key: str) -> str:
    """Where a CSV file is, by the assumed attribute, or else by the only one that can be meant; empty where there is none."""
    found = seen.attributes.get(getattr(seen.shape, key))
    others = list(_addresses(seen, key).values())
    return found if isinstance(found, str) and found else others[0] if len(others) == 1 else ""


def _addresses(seen: Seen, key: str) -> dict[str, str]:
    """Attributes with the address of a file that is not one of the assumed, those first whose name says which."""
    known = {seen.shape.errors_url, seen.shape.deliveries_url}
    near = {name: str(value) for name, value in seen.attributes.items() if name not in known and _is_url(value)}
    word = "error" if key == "errors_url" else "deliver"
    return {name: value for name, value in near.items() if word in name.casefold()} or near


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))


class _Files:
    """The two CSV files of a batch, as far as there are any."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._tables = {
            name: _table(content) for name, content in (("errors", seen.errors), ("delivery", seen.deliveries)) if content is not None
        }
        self.errors_name_pass = self._names_pass(seen.errors, read_errors)
        self.deliveries_name_pass = self._names_pass(seen.deliveries, read_deliveries)

    def _names_pass(self, content: bytes | None, read: Callable[..., Report]) -> bool:
        try:
            return content is not None and read(content, shape=self._seen.shape).of(self._seen.pass_id) is not None
        except ReportError:
            return False

    def ids(self) -> Comparison:
        for name, (header, rows) in self._tables.items():
            if not _have(header, self._seen.shape.id_columns):
                holding = _columns_with(header, rows, {self._seen.pass_id})
                return _differs(f"The {name} CSV has the columns {_named_all(header)}.", _setting("id_columns", holding))
            # An errors CSV may tell of the batch, but a delivery CSV without the pass settles no row.
            if name == "delivery" and not self.deliveries_name_pass and _have(header, [self._seen.shape.status_column]):
                return _differs(
                    f"The delivery CSV does not name the pass {self._seen.pass_id}: {_text(self._seen.deliveries or b'')}",
                    "Give lists the ids that this file has.",
                )
        return _FINE if self._tables else _not_seen("There was no such file.")

    def statuses(self) -> Comparison:
        if "delivery" not in self._tables:
            return _not_seen("There was no such file.")
        header, rows = self._tables["delivery"]
        column = self._seen.shape.status_column
        if not _have(header, [column]):
            holding = _columns_with(header, rows, KNOWN)
            return _differs(f"The delivery CSV has the columns {_named_all(header)}.", _setting("status_column", holding))
        place = [plain(name) for name in header].index(plain(column))
        words = sorted({row[place].strip() for row in rows if len(row) > place})
        if unknown := [word for word in words if word not in KNOWN]:
            return _differs(
                f"The delivery CSV has the status {_named_all(unknown)}.",
                "No setting changes this: the word is kept as it came, with the status not_delivered.",
            )
        return _FINE

    def details(self) -> Comparison:
        for name, (header, _) in self._tables.items():
            if not _have(header, self._seen.shape.detail_columns):
                return _differs(f"The {name} CSV has the columns {_named_all(header)}.", _setting("detail_columns", []))
        return _FINE if self._tables else _not_seen("There was no such file.")


def _table(content: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        rows = list(csv_rows(content))
    except ReportError:
        rows = []
    return (rows[0], rows[1:]) if rows else ([], [])


def _have(header: Iterable[str], columns: Iterable[str]) -> bool:
    return bool({plain(name) for name in header} & {plain(name) for name in columns})


def _columns_with(header: Sequence[str], rows: Iterable[Sequence[str]], values: Iterable[str]) -> list[str]:
    wanted = {value.casefold() for value in values}
    return [name for place, name in enumerate(header) if any(len(row) > place and row[place].casefold() in wanted for row in rows)]


def _setting(key: str, holding: Sequence[str]) -> str:
    return _keys(f"{key} to {_named_all(holding)}" if holding else key)


def _listed(seen: Seen) -> Comparison:
    if seen.listed is None:
        return _not_seen()
    if seen.listed:
        return _FINE
    return _differs("The first page of the list does not show the batch: one whose answer is lost could not be found again.", _NO_SETTING)


def _named(seen: Seen) -> Comparison:
    if not seen.attributes:
        return _not_seen()
    if seen.attributes.get("name") == seen.name:
        return _FINE
    return _differs(f"The name of “{seen.name}” came back as {seen.attributes.get('name')!r}.", _NO_SETTING)


def _answered(seen: Seen) -> Comparison:
    unlike = [
        (step, one) for step, one in seen.answers if one.http_status is not None and 200 <= one.http_status < 300 and not one.readable
    ]
    if unlike:
        return _differs(f"Asked to {unlike[0][0]}: {unlike[0][1].error}", _NO_SETTING)
    refused = [(step, one) for step, one in seen.answers if step != "create" and proof_of(one) in {Proof.REFUSED, Proof.NO_ACCESS}]
    if refused:
        return _differs(f"Asked to {refused[0][0]}, PassEntry answered {refused[0][1].http_status}: {refused[0][1].error}", _NO_SETTING)
    return _FINE if any(proof_of(one) is Proof.DONE for _, one in seen.answers) else _not_seen()


def _named_all(names: Iterable[str] | Mapping[str, Any]) -> str:
    return ", ".join(f"“{name}”" for name in names)[:600] or "none"


def _text(content: bytes) -> str:
    return " / ".join(content[:600].decode(errors="replace").split("\n")).strip(" /")
