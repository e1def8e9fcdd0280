"""Judges a finished campaign: nothing sent twice, nothing lost, and three witnesses that agree."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from campaign.domain.text.formula_escape import escape_formula
from tests.chaos.evidence import Attempt, Evidence, Row

ARRIVED: Final = frozenset({"delivered", "not_delivered", "accepted"})
NEEDS_SOMEONE: Final = frozenset({"failed", "unknown", "invalid"})
SETTLED: Final = ARRIVED | NEEDS_SOMEONE | {"skipped"}
ENDED_BATCHES: Final = frozenset({"successful", "completedWithErrors", "failed", "cancelled"})
CLOCK_SECONDS: Final = 0.1
"""By how much two readings of the wall clock may disagree."""


class Kind(StrEnum):
    DOUBLE = "double"
    LOST = "lost"
    WRONG = "wrong"
    HISTORY = "history"
    FILES = "files"
    LEDGER = "ledger"
    ENDS = "ends"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """`row` is 0 where it is about no row in particular."""

    kind: Kind
    row: int
    words: str


def violations_in(evidence: Evidence, *, quiet_seconds: float) -> list[Violation]:
    """Everything that breaks the promise, or that makes one of the witnesses unreliable."""
    return [
        *_ledger(evidence),
        *_passes(evidence),
        *(found for row in evidence.rows.values() for found in _history(evidence, row, quiet_seconds)),
        *_files(evidence),
        *_batches(evidence),
    ]


def _ledger(evidence: Evidence) -> Iterator[Violation]:
    for problem in evidence.problems:
        yield Violation(kind=Kind.LEDGER, row=0, words=problem)
    if evidence.active_runners:
        yield Violation(kind=Kind.LEDGER, row=0, words=f"{evidence.active_runners} processes are still said to be at work")
    if [row.row for row in evidence.listed] != sorted(evidence.rows):
        yield Violation(kind=Kind.LOST, row=0, words=f"the list has {len(evidence.listed)} rows, the ledger {len(evidence.rows)}")
    for listed in evidence.listed:
        row = evidence.rows.get(listed.row)
        if row is None:
            continue
        if row.status not in SETTLED:
            yield Violation(kind=Kind.LOST, row=row.row, words=f"is {row.status} though the campaign is finished")
        if row.status in {"unknown", "failed"} and not row.reason:
            yield Violation(kind=Kind.WRONG, row=row.row, words=f"is {row.status} without a reason")
        expected = {"": "invalid"}.get(listed.pass_id, "skipped") if not listed.text else ""
        if (expected or row.status in {"invalid", "skipped"}) and row.status != expected:
            yield Violation(kind=Kind.WRONG, row=row.row, words=f"is {row.status}, but by the list should be {expected or 'sent'}")


def _passes(evidence: Evidence) -> Iterator[Violation]:
    """What the simulator processed against what the ledger says of it, pass by pass."""
    listed = {row.pass_id: row for row in evidence.listed if row.text}
    for pass_id in evidence.processed.keys() - listed.keys():
        yield Violation(kind=Kind.WRONG, row=0, words=f"the pass “{pass_id}” got a message, and is not in the list")
    for pass_id, row in listed.items():
        texts = [notification.message for notification in evidence.processed.get(pass_id, [])]
        found = evidence.rows.get(row.row)
        if len(texts) > 1:
            yield Violation(kind=Kind.DOUBLE, row=row.row, words=f"the pass “{pass_id}” got {len(texts)} messages")
        if any(text != row.text for text in texts):
            yield Violation(kind=Kind.WRONG, row=row.row, words=f"the pass “{pass_id}” got {texts}, not “{row.text}”")
        if found is None:
            continue
        if texts and found.status not in ARRIVED | {"unknown"}:
            yield Violation(kind=Kind.LOST, row=row.row, words=f"was processed, and is {found.status} ({found.reason})")
        if not texts and found.status in ARRIVED:
            yield Violation(kind=Kind.LOST, row=row.row, words=f"is {found.status}, and was never processed")
        if len(evidence.requests.get(pass_id, [])) > found.fencing_token:
            words = f"{len(evidence.requests[pass_id])} requests came for it, and it was claimed {found.fencing_token} times"
            yield Violation(kind=Kind.HISTORY, row=row.row, words=words)


def _history(evidence: Evidence, row: Row, quiet_seconds: float) -> Iterator[Violation]:
    history = evidence.attempts.get(row.row, [])

    def violation(words: str) -> Violation:
        return Violation(kind=Kind.HISTORY, row=row.row, words=words)

    fencing_tokens = [attempt.fencing_token for attempt in history]
    if fencing_tokens != sorted(set(fencing_tokens)) or any(fencing_token > row.fencing_token for fencing_token in fencing_tokens):
        yield violation(f"its attempts have the numbers {fencing_tokens}, and its last claim {row.fencing_token}")
    for earlier, later in pairwise(history):
        if earlier.status in ARRIVED:
            yield violation(f"was tried again after attempt {earlier.fencing_token} was {earlier.status}")
        if _was_ambiguous(earlier) and later.sent_at < earlier.settled_at + quiet_seconds - CLOCK_SECONDS:
            waited = later.sent_at - earlier.settled_at
            yield violation(f"attempt {later.fencing_token} came {waited:.2f} s after attempt {earlier.fencing_token}, which was ambiguous")
    if history and row.status in ARRIVED | {"unknown", "failed"} and history[-1].status != row.status:
        yield violation(f"is {row.status}, but its last attempt {history[-1].status}")
    if not history and row.status in ARRIVED | {"unknown", "failed"}:
        yield violation(f"is {row.status} without an attempt")


def _was_ambiguous(attempt: Attempt) -> bool:
    """Read back and shown not to have arrived: concluding takes the reason away."""
    return attempt.status == "pending" and not attempt.reason


def _files(evidence: Evidence) -> Iterator[Violation]:
    if evidence.results is None:
        yield Violation(kind=Kind.FILES, row=0, words="there is no results file")
        return
    numbers = [int(line["delivery_row"]) for line in evidence.results]
    if numbers != sorted(evidence.rows):
        yield Violation(
            kind=Kind.FILES, row=0, words=f"the results have {len(numbers)} rows, or in another order, for {len(evidence.rows)}"
        )
    for line in evidence.results:
        row = evidence.rows.get(int(line["delivery_row"]))
        if row is None:
            continue
        says = (line["pass_id"], line["delivery_message"], line["delivery_status"], line["delivery_reason"], line["delivery_attempts"])
        knows = (escape_formula(row.pass_id), escape_formula(row.message), row.status, row.reason, str(row.attempts))
        if says != knows:
            yield Violation(kind=Kind.FILES, row=row.row, words=f"the results say {says}, the ledger {knows}")
    wanted = [line for line in evidence.results if line["delivery_status"] in NEEDS_SOMEONE]
    if (evidence.failed or []) != wanted or (evidence.failed is not None and not wanted):
        words = f"the failed-rows file has {len(evidence.failed or [])} rows, or other ones, for {len(wanted)}"
        yield Violation(kind=Kind.FILES, row=0, words=words)


def _batches(evidence: Evidence) -> Iterator[Violation]:
    """That nothing is left which the API would send by itself one day."""
    for batch in evidence.batches:
        if batch.status not in ENDED_BATCHES:
            yield Violation(kind=Kind.LEFT, row=0, words=f"the batch “{batch.name}” ({batch.id}) is {batch.status} at the end")
    if evidence.open_batches:
        yield Violation(kind=Kind.LEDGER, row=0, words=f"{evidence.open_batches} batches are still open")
