"""Judges a simulated campaign by what the API processed: nothing twice, nothing lost, nothing early, and a ledger that says the same."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, pairwise
from math import floor
from typing import Final

from campaign.domain.model import Outcome, StagedRow
from campaign.domain.status import Status
from campaign.domain.verdict import EARLIER_ATTEMPT
from campaign.sender.attempt import OnUnknown
from tests.simulation.evidence import Evidence
from tests.simulation.network import WRITE_SECONDS
from tests.simulation.plan import DAY_SECONDS, WINDOW_SECONDS
from tests.simulation.plan import Kind as Event

ARRIVED: Final = frozenset({Status.DELIVERED, Status.NOT_DELIVERED, Status.ACCEPTED})
DRAIN_SECONDS: Final = 15.0
SLEEP_SECONDS: Final = 10.0
_MOVED: Final = frozenset({Event.STEP, Event.SLEEP, Event.SUSPEND})
"""Between the decision to send and the writing it may become another hour then."""


class Kind(StrEnum):
    DOUBLE = "sent twice"
    LOST = "lost"
    WRONG = "wrong status"
    HISTORY = "wrong history"
    PACE = "too fast"
    HOURS = "outside of the window"
    CANCELLED = "sent after a cancel"
    STUCK = "does not end"
    LEDGER = "the ledger is wrong"
    RESULTS = "the results are wrong"
    BROKEN = "the code broke off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    kind: Kind
    words: str


def violations_in(evidence: Evidence) -> list[Violation]:
    """Everything that breaks an invariant of the design."""
    return [
        *_whole(evidence),
        *_runners(evidence),
        *_cancelled(evidence),
        *_rows(evidence),
        *_history(evidence),
        *_pace(evidence),
        *_hours(evidence),
    ]


def _whole(evidence: Evidence) -> Iterator[Violation]:
    for problem in (*evidence.problems, *evidence.stored.problems):
        yield Violation(kind=Kind.LEDGER, words=problem)
    open_rows = [row.outcome for row in evidence.stored.rows.values() if row.outcome.status is Status.PENDING]
    # Where no pass is known to hold its message, nothing tells a refused token from refused passes: a person has to look.
    none_accepted = all(row.outcome.status not in {Status.DELIVERED, Status.ACCEPTED} for row in evidence.stored.rows.values())
    all_refused = none_accepted and all(outcome.http_status == 403 for outcome in open_rows)
    if not evidence.finished and not all_refused:
        yield Violation(kind=Kind.STUCK, words="the same command again and again does not finish it")
    if sorted(evidence.stored.rows) != [row.row for row in evidence.staged]:
        yield Violation(kind=Kind.LOST, words="the ledger has other rows than were staged")
    if evidence.sent_at_the_end:
        yield Violation(
            kind=Kind.DOUBLE, words=f"{evidence.sent_at_the_end} requests left when all had ended, and the same command ran once more"
        )
    if (
        evidence.plan.from_list
        and evidence.finished
        and evidence.results != {row.row: row.outcome.status.value for row in evidence.stored.rows.values()}
    ):
        yield Violation(kind=Kind.RESULTS, words="the results file says something else than the ledger")


def _leases_hold(evidence: Evidence) -> bool:
    """Whether a process that is at work keeps its lease: not if the ledger can't be written, or the machine is away for longer."""
    full = Event.FULL in evidence.happened
    return not full and not any(event.kind is Event.SLEEP and event.seconds > SLEEP_SECONDS for event in evidence.plan.events)


def _runners(evidence: Evidence) -> Iterator[Violation]:
    if evidence.stored.active_runners:
        yield Violation(kind=Kind.LEDGER, words=f"{evidence.stored.active_runners} runners are still said to be at work")
    if _leases_hold(evidence):
        for process in sorted(evidence.stored.buried & evidence.at_work):
            yield Violation(kind=Kind.LEDGER, words=f"“{process}” was at work all the time, and was taken for dead")


def _cancelled(evidence: Evidence) -> Iterator[Violation]:
    if evidence.cancelled_at is None:
        return
    # Who was suspended has not heard of it yet.
    late = [one for one in evidence.network.written if one.at > evidence.cancelled_at + DRAIN_SECONDS and one.awake_seconds > DRAIN_SECONDS]
    if late:
        yield Violation(kind=Kind.CANCELLED, words=f"{len(late)} requests left after it was cancelled")


def _rows(evidence: Evidence) -> Iterator[Violation]:
    for staged in evidence.staged:
        row = evidence.stored.rows.get(staged.row)
        if row is None:
            continue
        if staged.outcome.status is Status.SKIPPED:
            if row.outcome.status is not Status.SKIPPED:
                yield Violation(kind=Kind.WRONG, words=f"row {staged.row} is a duplicate and {row.outcome.status}")
        else:
            yield from _row(evidence, staged, row.outcome)


def _row(evidence: Evidence, staged: StagedRow, outcome: Outcome) -> Iterator[Violation]:
    """What the API processed of a row, against what the ledger says of it."""
    plan, status = evidence.plan, outcome.status
    left_at, left = evidence.messages.get(staged.pass_id, []), evidence.requests[staged.pass_id]
    count, by_person = len(left_at), evidence.retries.most(staged.row)
    resends = plan.max_attempts * (1 + by_person) if plan.on_unknown is OnUnknown.RESEND else 0
    if count > 1 + by_person + resends or (not resends and evidence.retries.unasked(staged.row, left_at)):
        yield Violation(kind=Kind.DOUBLE, words=f"row {staged.row} got {count} messages")
    # A correction adds to the text.
    if not all(text.startswith(staged.message) for text in evidence.texts.get(staged.pass_id, ())):
        yield Violation(kind=Kind.WRONG, words=f"row {staged.row} got {evidence.texts[staged.pass_id]}")
    # A person had it sent again that was not delivered, and that was refused or cancelled.
    known = evidence.stored.times(staged.row, Status.NOT_DELIVERED) if by_person else 0
    if count > known and status not in ARRIVED | {Status.UNKNOWN}:
        yield Violation(kind=Kind.LOST, words=f"row {staged.row} was processed and is {status.value} ({outcome.reason})")
    if not count and status in ARRIVED:
        yield Violation(kind=Kind.WRONG, words=f"row {staged.row} is {status.value} and was never processed")
    if evidence.finished and status in {Status.PENDING, Status.SENDING}:
        yield Violation(kind=Kind.LOST, words=f"row {staged.row} is {status.value} at the end")
    if left > evidence.stored.fencing_tokens[staged.row]:
        words = f"row {staged.row} was claimed {evidence.stored.fencing_tokens[staged.row]} times, and {left} requests left"
        yield Violation(kind=Kind.HISTORY, words=words)


def _history(evidence: Evidence) -> Iterator[Violation]:
    for number, found in groupby(evidence.stored.attempts, key=lambda attempt: attempt.row):
        attempts = list(found)
        fencing_tokens = [attempt.fencing_token for attempt in attempts]
        if fencing_tokens != sorted(set(fencing_tokens)) or fencing_tokens[-1] > evidence.stored.fencing_tokens[number]:
            yield Violation(
                kind=Kind.HISTORY, words=f"row {number}: attempts {fencing_tokens}, last claim {evidence.stored.fencing_tokens[number]}"
            )
        for earlier, _ in pairwise(attempts):
            if earlier.status in {Status.DELIVERED, Status.ACCEPTED}:
                yield Violation(kind=Kind.HISTORY, words=f"row {number} was tried again after it was {earlier.status}")
        again = sum(earlier.status == Status.NOT_DELIVERED for earlier, _ in pairwise(attempts))
        if again > (most := evidence.retries.most(number)):
            yield Violation(
                kind=Kind.DOUBLE, words=f"row {number} was sent {again} times after it was not delivered, {most} times were asked for"
            )
        last, row = attempts[-1], evidence.stored.rows[number]
        settled = ARRIVED | {Status.UNKNOWN, Status.FAILED}
        if row.outcome.reason != EARLIER_ATTEMPT and row.outcome.status in settled and last.status != row.outcome.status.value:
            yield Violation(kind=Kind.HISTORY, words=f"row {number} is {row.outcome.status.value}, its last attempt {last.status}")


def _answers(evidence: Evidence) -> Iterator[Violation]:
    """What was answered to a process is in the ledger as its own, and nothing else is."""
    passes = {row.row: row.pass_id for row in evidence.staged}
    told = Counter(
        (attempt.process, passes[attempt.row], attempt.http_status)
        for attempt in evidence.stored.attempts
        if attempt.http_status is not None
    )
    came = evidence.network.answers
    for process, pass_id, http_status in sorted(told - came):
        yield Violation(kind=Kind.HISTORY, words=f"the ledger has an answer {http_status} of {pass_id} that never came to “{process}”")
    if not _leases_hold(evidence):
        return
    for process, pass_id, http_status in sorted(came - told):
        if process in evidence.at_work:
            yield Violation(kind=Kind.HISTORY, words=f"an answer {http_status} of {pass_id} came to “{process}” and is not in the ledger")


def _pace(evidence: Evidence) -> Iterator[Violation]:
    rate = evidence.plan.rate
    if rate is None:
        return
    # A process that is suspended between its slot and the writing writes when it goes on: one request for each time.
    held_up = {round(one.at - one.awake_seconds, 6): one for one in evidence.network.written if one.awake_seconds <= WRITE_SECONDS}
    times = sorted(one.at for one in evidence.network.written if one not in held_up.values())
    most = floor(rate) + 1
    first = 0
    for place, at in enumerate(times):
        while times[first] <= at - 1.0:
            first += 1
        if place - first + 1 > most:
            yield Violation(kind=Kind.PACE, words=f"{place - first + 1} requests within a second at {rate:g} a second")
            return


def _hours(evidence: Evidence) -> Iterator[Violation]:
    if evidence.plan.window is None:
        return
    opens, closes = WINDOW_SECONDS
    for one in evidence.network.written:
        of_day = one.wall % DAY_SECONDS
        # A step of the clock may come between the decision and the writing.
        if not opens - 1 <= of_day < closes + 1 and not _MOVED & evidence.happened.keys():
            yield Violation(kind=Kind.HOURS, words=f"a request left at {of_day / 3600:.2f} h")
            return
