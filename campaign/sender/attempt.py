"""Turns the end of one attempt into its settlement: decided here, written by the settlements."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from campaign.domain.model import Claim, Outcome, Settlement
from campaign.domain.pace.pacing import delay_seconds
from campaign.domain.status import WITHOUT_MESSAGE, Status
from campaign.domain.verdict import EARLIER_ATTEMPT, AttemptOutcome, Evidence, Fault, Reply, quiet_after, status_after


class OnUnknown(StrEnum):
    """What to do with a row that may have arrived: read the pass back, leave it to a person, or send it again, perhaps twice."""

    VERIFY = "verify"
    HOLD = "hold"
    RESEND = "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    max_attempts: int = 5
    on_unknown: OnUnknown = OnUnknown.VERIFY
    quiet_seconds: float = 10.0


def settle_attempt(
    claim: Claim,
    result: Reply | Fault,
    verdict: AttemptOutcome,
    *,
    policy: Policy,
    sent_at: float,
    latency_seconds: float,
    jitter: float,
    held_against: bool = True,
) -> Settlement:
    """The settlement of a claim.

    `sent_at` is in Unix seconds; `latency_seconds` counts from the first byte to the end of the answer; `jitter` is a draw from [0, 1).
    `held_against` says whether the attempt counts towards `max_attempts`: not if the run interrupted it, or the API is down for all.
    """
    if verdict.proof is Evidence.TOKEN_REFUSED and isinstance(result, Reply) and not result.completes:
        # The run stops, as the API may refuse everything else, too. But a gateway may have answered so after the API took the message.
        verdict = replace(verdict, proof=Evidence.AMBIGUOUS)
    counts = int(verdict.counts_as_attempt)
    # A row that may have arrived and is sent again always counts: each attempt may be one more message on the phone.
    resends = verdict.proof is Evidence.AMBIGUOUS and policy.on_unknown is OnUnknown.RESEND
    counted_attempts = claim.counted_attempts + counts * (held_against or resends)
    status = status_after(verdict.proof, attempts=counted_attempts, max_attempts=policy.max_attempts)
    asked = result.retry_after_seconds if isinstance(result, Reply) else None
    due: float | None = None
    again = False
    reason = verdict.reason
    if status is Status.PENDING:
        due = delay_seconds(attempts=max(counted_attempts, 1), jitter=jitter, retry_after_seconds=asked)
    elif status is Status.UNKNOWN:
        match policy.on_unknown:
            case OnUnknown.VERIFY:
                due = quiet_after(latency_seconds, quiet_seconds=policy.quiet_seconds)
            case OnUnknown.RESEND if counted_attempts < policy.max_attempts:
                again = True
                status, due = Status.PENDING, delay_seconds(attempts=counted_attempts, jitter=jitter, retry_after_seconds=asked)
            case OnUnknown.HOLD | OnUnknown.RESEND:
                due = None
            case _:
                assert_never(policy.on_unknown)
    elif status in WITHOUT_MESSAGE and claim.may_have_arrived:
        # This attempt did not arrive, but an earlier one may have: if the row were failed, a retry would send it again.
        status, reason = Status.UNKNOWN, EARLIER_ATTEMPT
    reply = result if isinstance(result, Reply) else None
    outcome = Outcome(
        status=status,
        reason=reason,
        notification_status=reply.notification_status if reply else "",
        notification_message=reply.notification_message if reply else "",
        http_status=reply.http_status if reply else None,
        error=verdict.error,
        attempts=claim.attempts + counts,
        sent_at=sent_at,
        settled_at=sent_at + latency_seconds,
        latency_seconds=latency_seconds,
        pass_status=reply.pass_status if reply else "",
        device_type=reply.device_type if reply else "",
    )
    return Settlement(claim=claim, outcome=outcome, counted_attempts=counted_attempts, due_in_seconds=due, may_have_arrived=again)
