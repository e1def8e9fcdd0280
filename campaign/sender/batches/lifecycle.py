"""The life of one batch, from its claim to its last row: each step is on disk before the request that it names is made.

```
CLAIMED ─▶ CREATING ─▶ CREATED ─▶ RELEASING ─▶ ENDED
   │          │ found by its name, or created once more
   │          ▼            │ the run ends, or it is not the time
   └────────▶ ENDED ◀── CANCELLING
```
A runner that takes a batch over goes on at the recorded step. Nothing is sent before RELEASING, and a release is never two: PassEntry
releases only what is still scheduled.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NoReturn

from campaign.domain import batches as rules
from campaign.domain.batches import BatchAnswer, BatchState, Proof, RemoteBatch, RemoteState, proof_of, wording
from campaign.domain.model import Claim, Settlement
from campaign.domain.verdict import BATCH_CANCELLED, BATCH_FAILED, NO_REPORT, quiet_after
from campaign.sender.batches.calls import WHERE
from campaign.sender.batches.env import SHORTEST_WAIT_SECONDS, LeftError, RecordedBatch
from campaign.sender.batches.wire import Report, ReportError, create_body, read_deliveries, read_errors
from campaign.sender.port import WhileHeld
from campaign.sender.stop import StopReason

REPORT_SECONDS: Final = 600.0
"""How long the CSV file of a batch is waited for."""

MOST_READS: Final = 5
"""How often a CSV file is read again that is not as assumed, or does not name every row."""

MOST_REFUSALS: Final = 5
"""How often PassEntry may refuse to send or to cancel a batch that it shows as scheduled."""

VALIDATED: Final = frozenset(RemoteState) - {RemoteState.VALIDATING}


class Lifecycle(RecordedBatch):
    """`run` takes the batch to its end, or leaves it where it is recorded."""

    async def run(self) -> None:
        try:
            await self._live()
        except LeftError:
            self.env.observer.event("batch_left", batch=self.batch.name, state=self.batch.state.value)
        finally:
            self.released.set()

    async def _live(self) -> None:
        looks = self.batch.state is BatchState.RELEASING
        if self.batch.state is BatchState.CREATING and not await self._find():
            await self.record(replace(self.batch, state=BatchState.CLAIMED))
        if self.batch.state is BatchState.CLAIMED and not await self._create():
            return
        if self.batch.state is BatchState.CREATED and not await self._prepare():
            return
        if self.batch.state is BatchState.CANCELLING or not await self._release(looks=looks):
            await self._cancel()
        else:
            self.released.set()
            await self._settle()

    # Creating

    async def _create(self) -> bool:
        """Whether it exists now."""
        created: bool | None = None
        while created is None:
            if not self.drains:
                await self.env.calls.turn_to_create()
            claims = await self.rows()
            if self.drains or not claims:
                await self.give_back()
                return False
            created = await self._request(claims)
        return created

    async def _request(self, claims: list[Claim]) -> bool | None:
        """Ask once; whether it exists, or None where it has to be asked again."""
        scheduled_at = self.env.wall() + rules.HELD_SECONDS
        said, ids = wording([claim.message for claim in claims]), [claim.pass_id for claim in claims]
        body = create_body(said, ids, name=self.batch.name, tag=self.env.tag, scheduled_at=scheduled_at, shape=self.env.shape)
        await self.record(replace(self.batch, state=BatchState.CREATING, creates=self.batch.creates + 1, scheduled_at=scheduled_at))
        asked_at = self.env.ticks()
        answer = await self.env.calls.create(self.batch.entity, body, WhileHeld(self.env.is_held))
        lasted_seconds = self.env.ticks() - asked_at
        proof = proof_of(answer)
        if proof is Proof.DONE and answer.batch is not None:
            await self._created(answer.batch)
            return True
        if proof in {Proof.DONE, Proof.UNKNOWN}:
            self.env.observer.event("batch_in_doubt", batch=self.batch.name, reason=answer.error)
            if await self._find(lasted_seconds=lasted_seconds):
                return True
            await self.record(replace(self.batch, state=BatchState.CLAIMED))
            return None
        if proof is Proof.THROTTLED:
            await self.pause(answer.retry_after_seconds)
        # Until the list was read, the batch stays CREATING: whoever comes after a kill looks for it, too.
        if proof in rules.REFUSALS and await self._find(after=proof):
            return True
        # Of this request it is sure; of an earlier one it was made sure.
        await self.record(replace(self.batch, state=BatchState.CLAIMED, creates=self.batch.creates - 1))
        if proof is Proof.REFUSED:
            await self._refused(claims, answer)
            return False
        if proof is Proof.NO_ACCESS:
            if answer.http_status == 404:
                why = f"PassEntry knows no entity “{self.batch.entity}”: {answer.error}. Give the right one with --entity, also to go on."
                self.env.stop_signal.set(StopReason.SAFEGUARD, why)
            await self.give_back()
            return False
        if proof is Proof.NOT_SENT:
            await self.pause(answer.retry_after_seconds)
        return None

    async def _created(self, remote: RemoteBatch) -> None:
        await self.record(replace(self.batch, state=BatchState.CREATED, remote_id=remote.id))
        self.env.size.accepted()
        self.env.observer.event("batch_created", batch=self.batch.name, id=remote.id, rows=self.batch.rows)

    async def _refused(self, claims: list[Claim], answer: BatchAnswer) -> None:
        self.env.size.refused(len(claims))
        self.env.observer.event("batch_refused", rows=len(claims), http_status=answer.http_status, reason=answer.error)
        if self.env.size.nothing_is_accepted:
            words = f"PassEntry refuses every batch ({answer.http_status}): {answer.error}. {WHERE}"
            self.env.stop_signal.set(StopReason.SAFEGUARD, words)
        elif len(claims) == 1:
            refusals = [rules.refused(claims[0], answer.error, http_status=answer.http_status, now=self.env.wall())]
            return await self.end(refusals)
        return await self.give_back()

    async def _find(self, *, after: Proof = Proof.UNKNOWN, lasted_seconds: float | None = None) -> bool:
        """Whether a batch of this name exists.

        That there is none is believed only after the quiet period, and after as long again as the creation lasted if that is known; after a
        refusal at once.
        """
        quiet_seconds = 0.0 if after in rules.REFUSALS else quiet_after(lasted_seconds, quiet_seconds=self.env.quiet_seconds)
        began = self.env.ticks()
        while True:
            asked_at = self.env.ticks()
            found = await self.env.calls.named({self.batch.name})
            if found:
                if len(found) > 1:
                    await self.record(replace(self.batch, creates=max(2, self.batch.creates)))
                await self._created(next((one for one in found if one.state is not RemoteState.CANCELLED), found[0]))
                return True
            # A list of many pages takes long, and the first of them is as old as the question.
            if found is not None and asked_at - began >= quiet_seconds:
                return False
            if found is None:
                if after is Proof.NO_ACCESS and self.env.calls.list_is_refused:
                    # The token may do nothing at all with batches. Nobody would ever be able to look for this one.
                    return False
                if self.env.stop_signal.is_set():
                    raise LeftError
                await self.pause(None)
            else:
                left = quiet_seconds - (self.env.ticks() - began)
                await asyncio.sleep(max(left, SHORTEST_WAIT_SECONDS))

    # Before it is released

    async def _prepare(self) -> bool:
        """See that all of it is right, and record that it may be released; False if it ends here."""
        await self.rows()
        remote = await self._validated()
        if remote is None:
            await self._cancel()
            return False
        await self._cancel_others()
        if remote.id != self.batch.remote_id:
            return await self._prepare()
        match remote.state:
            case RemoteState.SCHEDULED:
                pass
            case RemoteState.CANCELLED | RemoteState.FAILED if self._is_unsent(remote):
                await self._end_unsent(remote)
                return False
            case _:
                # Somebody released it, or its time came while nobody worked on it.
                await self.record(replace(self.batch, state=BatchState.RELEASING, released_at=self.env.wall()))
                return True
        refusals = await self._refusals(remote)
        await self.settle_rows(refusals or [])
        if refusals is None or not await self.rows() or self.drains:
            await self._cancel()
            return False
        await self.record(replace(self.batch, state=BatchState.RELEASING, released_at=self.env.wall()))
        return True

    async def _validated(self) -> RemoteBatch | None:
        """The batch once it is validated, with all that is known of it; None if the run ends."""
        if self.drains:
            return None
        remote = await self.env.watcher.until(self.batch.remote_id, VALIDATED, unless=self.env.closing)
        while remote is not None and not remote.detailed and not self.drains:
            answer = await self.env.calls.look(self.batch.remote_id)
            if answer.batch is not None:
                return answer.batch
            await self.pause(answer.retry_after_seconds)
        return remote

    async def _refusals(self, remote: RemoteBatch) -> list[Settlement] | None:
        """What the validation refused; None, and the run ends, where that can't be read."""
        claims = await self.rows()
        if not remote.errors_url:
            return []
        report = await self._file(remote.errors_url, lambda content: read_errors(content, shape=self.env.shape))
        if report is None:
            return None
        now = self.env.wall()
        return [
            rules.refused(claim, found.detail or "PassEntry refused this recipient", http_status=None, now=now)
            for claim in claims
            if (found := report.of(claim.pass_id)) is not None
        ]

    async def _cancel_others(self) -> None:
        """Of all that an answer that was lost may have created leave one: the recorded one, unless somebody released another."""
        refusals = 0
        while self.batch.may_be_two:
            found = await self.env.calls.named({self.batch.name})
            if found is None:
                await self.pause(None)
                continue
            sent = [one.id for one in found if one.state in rules.MAY_BE_SENT]
            if sent and self.batch.remote_id not in sent:
                await self.record(replace(self.batch, remote_id=sent[0]))
            waiting = [one.id for one in found if one.state in rules.UNSENT and one.id != self.batch.remote_id]
            if not waiting:
                break
            for one in waiting:
                self.env.observer.event("batch_twice", batch=self.batch.name, id=one)
                answer = await self.env.calls.cancel(one)
                refusals += proof_of(answer) is Proof.REFUSED
                if refusals >= MOST_REFUSALS:
                    self._give_up_cancelling(answer)

    async def _end_unsent(self, remote: RemoteBatch) -> None:
        """It failed or was cancelled before anything of it was sent."""
        if remote.state is RemoteState.CANCELLED:
            return await self.end([rules.cancelled_elsewhere(claim, now=self.env.wall()) for claim in await self.rows()])
        refusals = {refusal.claim.row: refusal for refusal in await self._refusals(remote) or []}
        words, now = "PassEntry refused the batch when it validated it", self.env.wall()
        claims = await self.rows()
        return await self.end([refusals.get(claim.row) or rules.refused(claim, words, http_status=None, now=now) for claim in claims])

    def _is_unsent(self, remote: RemoteBatch) -> bool:
        """Whether nothing of it can have been sent before it failed or was cancelled.

        It was not released, unless it was seen to wait before this runner cancelled it; its time has not come; and there is no delivery
        report, as after a release by somebody else.
        """
        cancelled = self.batch.state is BatchState.CANCELLING and remote.state is RemoteState.CANCELLED
        return (cancelled or not self.batch.released_at) and not self._is_time() and not remote.deliveries_url

    def _is_time(self) -> bool:
        return self.env.wall() >= self.batch.scheduled_at

    # Cancelling

    async def _cancel(self) -> None:
        if self.batch.state is not BatchState.CANCELLING:
            await self.record(replace(self.batch, state=BatchState.CANCELLING))
        await self._cancel_others()
        if await self._cancelled():
            return await self.give_back()
        await self.record(replace(self.batch, state=BatchState.RELEASING, released_at=self.batch.released_at or self.env.wall()))
        self.released.set()
        return await self._settle()

    async def _cancelled(self) -> bool:
        """Cancel it; False if it was sent before that."""
        refusals = 0
        while True:
            # PassEntry may cancel what is being sent, too: somebody may have released it while nobody worked on it.
            remote = (await self.env.calls.look(self.batch.remote_id)).batch
            if remote is not None and remote.state in rules.MAY_BE_SENT:
                return False
            answer = await self.env.calls.cancel(self.batch.remote_id)
            refusals += proof_of(answer) is Proof.REFUSED
            remote = answer.batch
            if remote is None or not remote.detailed or remote.state is not RemoteState.CANCELLED:
                remote = (await self.env.calls.look(self.batch.remote_id)).batch
            # If its time had come, a part of it may have been sent before it was cancelled.
            if remote is not None and remote.state in {RemoteState.CANCELLED, RemoteState.FAILED} and self._is_unsent(remote):
                return True
            if remote is not None and remote.state not in rules.UNSENT:
                return False
            if refusals >= MOST_REFUSALS:
                self._give_up_cancelling(answer)
            await self.pause(answer.retry_after_seconds)

    def _give_up_cancelling(self, answer: BatchAnswer) -> NoReturn:
        why = f"PassEntry does not cancel the batch “{self.batch.name}” ({answer.http_status}): {answer.error}"
        self.env.stop_signal.set(StopReason.SAFEGUARD, f"{why}. Cancel it in PassEntry's dashboard, or resume the campaign.")
        raise LeftError

    # Releasing

    async def _release(self, *, looks: bool) -> bool:
        """Whether it is on its way to the phones; False if it still waits, and the run ends. `looks`: it may have been released before."""
        await self.rows()
        refusals = 0
        asked_at = self.env.ticks() if looks else -math.inf
        while True:
            if looks or self.drains:
                looked_at = self.env.ticks()
                remote = (await self.env.calls.look(self.batch.remote_id)).batch
                if remote is not None and remote.state not in rules.UNSENT:
                    break
                if remote is not None and self.drains:
                    # A release that was not confirmed may be carried out late: a batch that is cancelled then was sent in part.
                    if looked_at - asked_at >= self.env.quiet_seconds:
                        return False
                    await asyncio.sleep(max(asked_at + self.env.quiet_seconds - self.env.ticks(), SHORTEST_WAIT_SECONDS))
                    continue
            answer = await self.env.calls.send_now(self.batch.remote_id, may_send=lambda: self.env.is_held() and not self.drains)
            if proof_of(answer) is Proof.DONE:
                break
            if proof_of(answer) is not Proof.NOT_SENT:
                # A gateway may have asked twice: after a release that was carried out, the second answer is a refusal.
                asked_at = self.env.ticks()
            refusals += proof_of(answer) is Proof.REFUSED
            if refusals >= MOST_REFUSALS:
                why = f"PassEntry does not send the batch “{self.batch.name}” ({answer.http_status}): {answer.error}"
                self.env.stop_signal.set(StopReason.SAFEGUARD, why)
            looks = True
            await self.pause(None)
        self.tries = 0
        self._claims = None
        self.env.observer.event("batch_released", batch=self.batch.name, rows=self.batch.rows)
        return True

    # After it was sent

    async def _settle(self) -> None:
        """Settle each row by the delivery report."""
        remote = await self.env.watcher.until(self.batch.remote_id, rules.REMOTE_ENDED)
        if remote is None:
            raise LeftError
        claims = await self.rows()
        reads = 0
        began = self.env.ticks()
        while True:
            if not claims:
                return await self.end([])
            if not remote.deliveries_url:
                answer = await self.env.calls.look(self.batch.remote_id)
                remote = answer.batch or remote
            if remote.deliveries_url:
                report = await self._file(remote.deliveries_url, lambda content: read_deliveries(content, shape=self.env.shape))
                if report is None:
                    raise LeftError
                reads += 1
                if reads >= MOST_READS or all(report.of(claim.pass_id) is not None for claim in claims):
                    return await self.end(self._settlements(claims, report, remote))
            elif self.env.ticks() - began > self.env.report_seconds:
                reason = {RemoteState.FAILED: BATCH_FAILED, RemoteState.CANCELLED: BATCH_CANCELLED}
                why = reason.get(remote.state, NO_REPORT)
                now, sent_at = self.env.wall(), self.batch.released_at
                return await self.end([rules.unknown(claim, why, sent_at=sent_at, now=now) for claim in claims])
            await self.pause(None)

    def _settlements(self, claims: list[Claim], report: Report, remote: RemoteBatch) -> list[Settlement]:
        now, sent_at = self.env.wall(), self.batch.released_at
        return [rules.settlement(claim, report.of(claim.pass_id), remote.state, sent_at=sent_at, now=now) for claim in claims]

    async def _file(self, url: str, read: Callable[[bytes], Report]) -> Report | None:
        """A CSV file of the batch; None, and the run ends, where it can't be had or is not as assumed."""
        began, unlike = self.env.ticks(), 0
        while True:
            content = await self.env.calls.download(url)
            try:
                if isinstance(content, bytes):
                    return read(content)
                why = f"could not be read ({content})"
            except ReportError as error:
                unlike += 1
                why = f"is not as expected: {error}"
            if unlike >= MOST_READS or self.env.ticks() - began > self.env.report_seconds or self.env.stop_signal.is_set():
                self.env.stop_signal.set(StopReason.SAFEGUARD, f"A file of the batch “{self.batch.name}” {why}. {WHERE}")
                return None
            await self.pause(None)
