"""Converts values of the domain to tuples of a ledger's tables, and back. The order of columns is the same in every backend."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from itertools import islice
from typing import Any, Final

import orjson

from campaign.domain.batches import Batch, BatchState
from campaign.domain.model import UNSENT, Claim, Outcome, ResultRow, Settlement, StagedRow
from campaign.domain.retry_selection import Selection
from campaign.domain.row_state import RowState
from campaign.domain.status import ENDED, MAY_HAVE_ARRIVED, OPEN, Status
from campaign.domain.verdict import EARLIER_ATTEMPT, quiet_after, same_text
from campaign.ledger.port import CampaignRecord, CampaignSpec, DesiredState, UnverifiedRow
from campaign.ledger.records import ROWS_AT_ONCE, AttemptColumns, ResultColumns

_LINES: Final = "lines"
_MARK: Final = "mark"
_PLACE: Final = "list_place"
"""Stored among the settings of a campaign, though they are none."""

_BATCH: Final = [field.name for field in fields(Batch)]
_RESULT: Final = [field.name for field in fields(ResultColumns)]
_ATTEMPT: Final = [field.name for field in fields(AttemptColumns)]
_STATUSES: Final[dict[str, Status]] = {status.value: status for status in Status}
"""A lookup is faster than a call of `Status`, which matters for a million rows."""

REFERENCES_AFTER: Final = (
    {"others": False, "written_over": False},
    {"others": True, "written_over": False},
    {"others": False, "written_over": True},
)
"""What the statement `reference_passes_after` is asked for in turn, until it finds a pass.

With no pass at all a null would be believed, so passes that were written over are better than none.
"""


def staged(campaign: int, row: StagedRow) -> tuple[Any, ...]:
    outcome = row.outcome
    # A status is a str, and bound as it is: reading its `value` would cost a third as much as everything else here.
    start = (campaign, row.row, row.pass_id, row.pass_key, row.message, orjson.dumps(row.cells).decode())
    if outcome is UNSENT:
        return (*start, Status.PENDING, "", 0.0, "", "", None, "", 0, 0.0, 0.0, None, row.zone)
    due_at = 0.0 if outcome.status in OPEN else None
    return (
        *start,
        *(outcome.status, outcome.reason, due_at, outcome.notification_status, outcome.notification_message),
        *(outcome.http_status, outcome.error, outcome.attempts, outcome.sent_at, outcome.settled_at, outcome.latency_seconds, row.zone),
    )


def claim_of(campaign: int, values: Sequence[Any]) -> Claim:
    """A claim from the columns of `claimable` and `batch_claims`."""
    row, fencing_token, pass_id, message, attempts, counted_attempts, zone, http_status, may_have_arrived = values
    return Claim(
        campaign=campaign,
        row=row,
        fencing_token=fencing_token,
        pass_id=pass_id,
        message=message,
        attempts=attempts,
        counted_attempts=counted_attempts,
        zone=zone,
        http_status=http_status,
        may_have_arrived=bool(may_have_arrived),
    )


def new_batch(number: int, campaign: int, *, name: str, entity: str, rows: int) -> Batch:
    """A batch as `begin_batch` makes it, with the rows that were claimed for it."""
    return Batch(id=number, campaign=campaign, name=name, entity=entity, state=BatchState.CLAIMED, rows=rows)


def batches(found: Iterable[Sequence[Any]]) -> list[Batch]:
    """The batches in the result of the statement `batches`, whose columns are in the order of the fields."""
    named = (dict(zip(_BATCH, values, strict=True)) for values in found)
    return [Batch(**batch | {"state": BatchState(batch["state"]), "worked_on": bool(batch["worked_on"])}) for batch in named]


def batch_values(batch: Batch, *, ended: bool = False) -> dict[str, Any]:
    """The parameters of `record_batch`, without the runner."""
    return {
        "batch": batch.id,
        "state": (BatchState.ENDED if ended else batch.state).value,
        "remote_id": batch.remote_id,
        "creates": batch.creates,
        "scheduled_at": batch.scheduled_at,
        "released_at": batch.released_at,
    }


def settled(settlement: Settlement, now: float, *, quiet_seconds: float) -> tuple[Any, ...]:
    """The positional parameters of SQLite's statements for a settlement. The third is the status that the attempt is recorded with, the
    last is `quiet_until`.
    """
    outcome, claim, due_in = settlement.outcome, settlement.claim, settlement.waits_seconds
    return (
        *(
            claim.row,
            claim.fencing_token,
            Status.UNKNOWN if settlement.may_have_arrived else outcome.status,
            outcome.status,
            outcome.reason,
        ),
        *(outcome.http_status, outcome.sent_at, outcome.settled_at, outcome.latency_seconds),
        *(None if due_in is None else now + due_in, outcome.attempts, settlement.counted_attempts),
        *(outcome.notification_status, outcome.notification_message, outcome.error, outcome.pass_status, outcome.device_type),
        now + quiet_after(outcome.latency_seconds, quiet_seconds=quiet_seconds),
    )


def attempts_elsewhere(campaign: int, rows: Iterable[StagedRow]) -> list[tuple[Any, ...]]:
    """The attempts of another ledger, from a results file, that may have arrived."""
    found: list[tuple[Any, ...]] = []
    for row in rows:
        outcome = row.outcome
        # A row that is to be sent again although an earlier attempt may have arrived is pending.
        told = Status.UNKNOWN if (outcome.status, outcome.reason) == (Status.PENDING, EARLIER_ATTEMPT) else outcome.status
        attempts = [(0, told)] if told in MAY_HAVE_ARRIVED else []
        if outcome.notification_status and outcome.status in {Status.PENDING, Status.UNKNOWN}:
            # It was answered before it was to be sent again: its pass holds the message.
            attempts.insert(0, (-1, Status.NOT_DELIVERED))
        for fencing_token, status in attempts:
            start = (campaign, row.row, fencing_token, row.pass_key, 0, status.value, outcome.reason, outcome.http_status)
            found.append((*start, outcome.sent_at, outcome.settled_at, outcome.latency_seconds))
    return found


def may_be_of_retry(row: StagedRow) -> bool:
    """Whether a retry that another ledger has stopped may have sent a row from a results file, or is still to do so."""
    return row.outcome.attempts > 0 and row.outcome.status in (OPEN | MAY_HAVE_ARRIVED) - ENDED


def spec_values(spec: CampaignSpec) -> dict[str, Any]:
    """The parameters of `create_campaign` for a spec."""
    more = {_LINES: spec.lines_text, _MARK: spec.mark, _PLACE: spec.list_place}
    settings = spec.settings | {name: text for name, text in more.items() if text}
    return asdict(spec) | {"columns": json.dumps(spec.columns), "settings": json.dumps(settings)}


def record(values: tuple[Any, ...]) -> CampaignRecord:
    campaign, name, list_name, list_sha256, message_sha256, content_sha256, columns, id_column, settings, desired_state, *rest = values
    _staging_runner, rows, created_at, started_at, finished_at, ended, *_, near_ids, retry_after = rest[:-5]
    purged_at, exported_at, exported_to, account, api = rest[-5:]
    kept = json.loads(settings)
    return CampaignRecord(
        id=campaign,
        spec=CampaignSpec(
            name=name,
            list_name=list_name,
            list_sha256=list_sha256,
            message_sha256=message_sha256,
            columns=tuple(json.loads(columns)),
            id_column=id_column,
            list_place=kept.pop(_PLACE, ""),
            lines_text=kept.pop(_LINES, ""),
            mark=kept.pop(_MARK, ""),
            settings=kept,
        ),
        content_sha256=content_sha256,
        rows=rows,
        desired_state=DesiredState(desired_state),
        created_at=created_at,
        started_at=started_at,
        finished_at=finished_at,
        ended=ended,
        purged_at=purged_at,
        exported_at=exported_at,
        exported_to=exported_to,
        account=account,
        api=api,
        near_ids=bool(near_ids),
        retry_is_open=retry_after is not None,
    )


def row_state(values: tuple[Any, ...]) -> RowState:
    row, pass_key, status, attempts, sent_at, begun = values
    return RowState(row, pass_key, _STATUSES[status], attempts, sent_at, bool(begun))


def result(values: tuple[Any, ...]) -> ResultRow:
    row, pass_id, message, cells, status, reason, notification_status, notification_message, http_status, error, attempts, *more = values
    sent_at, settled_at, latency_seconds, pass_status, device_type = more
    return ResultRow(
        row=row,
        pass_id=pass_id,
        message=message,
        cells=tuple(orjson.loads(cells)),
        outcome=Outcome(
            status=_STATUSES[status],
            reason=reason,
            notification_status=notification_status,
            notification_message=notification_message,
            http_status=http_status,
            error=error,
            attempts=attempts,
            sent_at=sent_at,
            settled_at=settled_at,
            latency_seconds=latency_seconds,
            pass_status=pass_status,
            device_type=device_type,
        ),
    )


def result_columns(found: Iterator[tuple[Any, ...]]) -> Iterator[ResultColumns]:
    """The result of the statement `result_columns`, whose columns are in the order of the fields, a part at a time."""
    for columns in _by_column(found, _RESULT):
        # Parsed as one text: parsing each row by itself takes three times as long.
        own = orjson.loads(f"[{','.join(columns['cells'])}]")
        yield ResultColumns(**columns | {"cells": list(zip(*own, strict=True))})


def attempt_columns(found: Iterator[tuple[Any, ...]]) -> Iterator[AttemptColumns]:
    """The result of the statement `attempt_columns`, whose columns are in the order of the fields, a part at a time."""
    return (AttemptColumns(**columns) for columns in _by_column(found, _ATTEMPT))


def _by_column(found: Iterator[tuple[Any, ...]], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    while columns := list(zip(*islice(found, ROWS_AT_ONCE), strict=True)):
        yield dict(zip(names, columns, strict=True))


def unverified_row(campaign: int, values: tuple[Any, ...], others: Sequence[tuple[Any, ...]]) -> UnverifiedRow:
    """An unverified row from its columns. `others` are the other attempts to its pass as (text, status, came after it), newest first."""
    row, fencing_token, pass_id, _pass_key, message, attempts, counted_attempts, reason, baseline, baseline_text, held_until = values
    # A later attempt hides what this one left on the pass.
    hidden = any(later for _, _, later in others)
    newest_known = others[0][0] if others and others[0][1] != Status.UNKNOWN else None
    # A server that lags behind may show the last message only after the baseline, and by it a later one with the same text. That is the
    # newest that surely arrived, or any that may have arrived since.
    known = next((place for place, (_, status, _) in enumerate(others) if status != Status.UNKNOWN), len(others))
    repeats = any(same_text(text, message) for text, _, _ in others[: known + 1])
    return UnverifiedRow(
        claim=Claim(
            campaign=campaign,
            row=row,
            fencing_token=fencing_token,
            pass_id=pass_id,
            message=message,
            attempts=attempts,
            counted_attempts=counted_attempts,
        ),
        reason=reason,
        held_until=held_until,
        sent_before=frozenset(text for text, _, _ in others),
        last_before=None if hidden else baseline_text if baseline else newest_known,
        baseline=bool(baseline) and not hidden and not repeats,
    )


def filters(selection: Selection) -> dict[str, str]:
    """The parameters of statements that select rows by more than their status; an empty list means all."""
    return {"reasons": as_json(sorted(selection.reasons)), "http_statuses": as_json(sorted(selection.http_statuses))}


def as_json(values: Sequence[Any]) -> str:
    """A list as one value, for SQLite's `json_each`."""
    return orjson.dumps(list(values)).decode()


def lot(seed: int, row: int) -> bytes:
    """The rank of a row in the draw for a sample, as 8 bytes: the same for the same seed, in every ledger."""
    return hashlib.blake2b(f"{seed} {row}".encode(), digest_size=8).digest()
