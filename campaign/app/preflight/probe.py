"""`probe`: one message to one's own pass through the batch API, to see whether it is as `sender.batches.wire` assumes.

It stores nothing. Whatever goes wrong before the batch is released, the batch is cancelled.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

from campaign.app.preflight.exchanges import Exchange, Heard, masked
from campaign.app.preflight.test_send import own_pass
from campaign.app.sending.access import check_access, open_gateway
from campaign.app.sending.batches import TAG, entity_of, open_batches
from campaign.domain.batches import (
    HELD_SECONDS,
    MAY_BE_SENT,
    PLACEHOLDER,
    REMOTE_ENDED,
    UNSENT,
    VARIABLE,
    BatchAnswer,
    Proof,
    RemoteState,
    Wording,
    can_be_said,
    name_of,
    proof_of,
)
from campaign.domain.errors import UsageError
from campaign.domain.text.lines import as_sentence, utc_minute
from campaign.domain.verdict import Latest
from campaign.sender.batches.assumptions import Finding, Found, Seen, address_of, attributes_in, findings, id_in
from campaign.sender.batches.wire import create_body
from campaign.sender.port import BatchGateway, Silence
from campaign.sender.stop import StopRequest, happens_within
from campaign.settings import Settings

TRIES: Final = 5
LONGEST_WAIT_SECONDS: Final = 15.0
MOST_PAGES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`cancels`: the batch is cancelled instead of released, and nothing is sent."""

    entity: str
    pass_id: str
    text: str
    name: str
    cancels: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long each thing is waited for, in seconds; between two looks from `first` on, longer and longer."""

    first: float = 1.0
    validating: float = 600.0
    ending: float = 1800.0
    report: float = 300.0
    found: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """`problem` says why it did not finish, `left` what is still to be done at PassEntry; empty where there is nothing."""

    plan: Plan
    batch_id: str
    released: bool
    findings: list[Finding]
    problem: str = ""
    left: str = ""
    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "batch": self.batch_id or None,
            "name": self.plan.name,
            "sent": self.released,
            "assumptions": [
                {"number": one.number, "assumption": one.assumption, "found": one.found.value, "detail": one.detail, "remedy": one.remedy}
                for one in self.findings
            ],
            "problem": self.problem,
            "left": self.left,
            "exit_code": self.exit_code,
        }


def plan_of(to: str, text: str | None, settings: Settings, *, cancels: bool) -> Plan:
    """What a probe would do; asks nobody.

    Raises:
        UsageError: there is no token, no entity, no such pass id; or the text can't be sent.
    """
    check_access(settings)
    entity = entity_of(settings)
    pass_id = own_pass(to)
    text = f"Test of Campaign, {time.strftime('%Y-%m-%d %H:%M:%S')}" if text is None else text.strip()
    if not text or not can_be_said(text) or len(text) > settings.max_length:
        why = f"it holds “{PLACEHOLDER}”" if PLACEHOLDER in text else f"it has {len(text)} characters, of 1 to {settings.max_length}"
        raise UsageError(f"--message can't be sent: {why}.", code="bad_value", option="--message")
    name = name_of("probe", runner=0, number=secrets.token_hex(6))
    return Plan(entity=entity, pass_id=pass_id, text=text, name=name, cancels=cancels)


async def probe(
    plan: Plan, settings: Settings, *, stop: StopRequest, tell: Callable[[Exchange], None], waits: Waits | None = None
) -> Probed:
    """Run a probe. `tell` is called after each exchange."""
    token = settings.token()
    heard = Heard(token, tell)
    async with open_batches(settings, heard=heard) as gateway:
        probing = _Probing(plan, settings, gateway, heard, stop, waits or Waits())
        await probing.run()
    if probing.seen.was_sent:
        await _read_pass(probing.seen, settings, heard)
    found = [replace(one, detail=masked(one.detail, token), remedy=masked(one.remedy, token)) for one in findings(probing.seen)]
    code = probing.exit_code or (3 if any(one.found is Found.DIFFERS for one in found) else 0)
    return Probed(
        plan=plan,
        batch_id=probing.batch_id,
        released=probing.seen.released,
        findings=found,
        problem=masked(probing.problem, token),
        left=masked(probing.left, token),
        exit_code=code,
    )


async def _read_pass(seen: Seen, settings: Settings, heard: "Heard") -> None:
    async with open_gateway(settings, Silence(), concurrency=1, total_seconds=settings.timeout) as gateway:
        reading = await gateway.read(seen.pass_id)
    if reading.latest is Latest.TEXT:
        seen.latest = reading.text
    said = f"latestMessage: {reading.text}" if reading.latest is Latest.TEXT else reading.error or "No latestMessage."
    heard.note("GET", f"/api/v1/passes/{quote(seen.pass_id, safe='')}", reading.http_status, said)


class _EndError(Exception):
    """It goes no further; 0 as `exit_code` leaves it to the findings."""

    def __init__(self, why: str, exit_code: int = 0) -> None:
        super().__init__(why)
        self.exit_code = exit_code


@dataclass(slots=True)
class _Probing:
    plan: Plan
    settings: Settings
    gateway: BatchGateway
    heard: Heard
    stop: StopRequest
    waits: Waits
    batch_id: str = ""
    may_exist: bool = False
    scheduled_at: float = 0.0
    problem: str = ""
    left: str = ""
    exit_code: int = 0
    seen: Seen = field(init=False)

    def __post_init__(self) -> None:
        self.seen = Seen(shape=self.settings.batch_shape, name=self.plan.name, pass_id=self.plan.pass_id, text=self.plan.text)

    async def run(self) -> None:
        try:
            await self._create()
            await self._validated()
            await self._listed()
            if self.seen.is_validated and not self.plan.cancels:
                await self._release()
                await self._ended()
        except _EndError as end:
            self.problem, self.exit_code = str(end), end.exit_code
        if self.may_exist and not self.seen.released and self.seen.state not in REMOTE_ENDED:
            await self._undo()

    async def _create(self) -> None:
        self.scheduled_at = time.time() + HELD_SECONDS
        wording = Wording(message=f"%{{{VARIABLE}}}", texts=(self.plan.text,))
        body = create_body(
            wording, [self.plan.pass_id], name=self.plan.name, tag=TAG, scheduled_at=self.scheduled_at, shape=self.seen.shape
        )
        answer = await self._ask("create", lambda: self.gateway.create(self.plan.entity, body))
        proof = proof_of(answer)
        self.may_exist = proof in {Proof.DONE, Proof.UNKNOWN}
        self.batch_id = answer.batch.id if answer.batch is not None else id_in(self.heard.body) if self.may_exist else ""
        if proof is Proof.REFUSED:
            raise _EndError("PassEntry did not create the batch.")
        if answer.http_status == 404:
            raise _EndError(f"PassEntry knows no entity “{self.plan.entity}” ({answer.error}). Correct --entity.", 4)
        self._check(answer, "create the batch")

    async def _validated(self) -> None:
        await self._until(lambda: self.seen.state is not RemoteState.VALIDATING, self.waits.validating, "validate the batch")
        self.seen.is_validated = self.seen.state is RemoteState.SCHEDULED
        if url := address_of(self.seen, "errors_url"):
            self.seen.errors = await self._file(url)

    async def _listed(self) -> None:
        answer = await self._ask("list", lambda: self.gateway.page(1))
        self._check(answer, "list the batches")
        self.seen.listed = any(batch.id == self.batch_id for batch in answer.batches)

    async def _release(self) -> None:
        if self.stop.gently.is_set():
            raise self._stopped()
        self.seen.released = True
        answer = await self._ask("send-now", lambda: self.gateway.send_now(self.batch_id))
        if proof_of(answer) is not Proof.DONE:
            await self._look()
            self.seen.released = self.seen.state not in UNSENT
            if not self.seen.released:
                self._check(answer, "send the batch")
                raise _EndError(f"PassEntry did not send the batch: {as_sentence(answer.error)}")

    async def _ended(self) -> None:
        await self._until(lambda: self.seen.state in REMOTE_ENDED, self.waits.ending, "send the batch")
        # It may come later than the end.
        await self._until(lambda: bool(address_of(self.seen, "deliveries_url")), self.waits.report, "")
        if url := address_of(self.seen, "deliveries_url"):
            self.seen.deliveries = await self._file(url)

    # One request

    async def _ask(self, step: str, ask: Callable[[], Awaitable[BatchAnswer]]) -> BatchAnswer:
        for number in range(1, TRIES + 1):
            answer = await self._once(step, ask)
            proof = proof_of(answer)
            # To read again changes nothing.
            again = proof in {Proof.THROTTLED, Proof.NOT_SENT} or (proof is Proof.UNKNOWN and answer.readable and step in {"look", "list"})
            if not again or number == TRIES:
                break
            await self._wait(answer.retry_after_seconds or self.waits.first * number)
        return answer

    async def _once(self, step: str, ask: Callable[[], Awaitable[BatchAnswer]]) -> BatchAnswer:
        self.heard.body = b""
        answer = await ask()
        if answer.http_status is None:
            self.heard.note("", step, None, answer.error)
        self.seen.answers.append((step, answer))
        if self.batch_id:
            self.seen.attributes |= attributes_in(self.heard.body, self.batch_id)
        own = next((batch for batch in answer.batches if batch.id == self.batch_id or step == "create"), None)
        if own is not None:
            self.seen.state = own.state
        return answer

    async def _look(self) -> BatchAnswer:
        return await self._ask("look", lambda: self.gateway.look(self.batch_id))

    async def _until(self, is_so: Callable[[], bool], most_seconds: float, to_do: str) -> None:
        """Look until it is so; raises where that takes too long, if `to_do` says what."""
        seconds, began = self.waits.first, time.monotonic()
        while not is_so() or not self.seen.attributes:
            if time.monotonic() - began > most_seconds:
                if not to_do:
                    return
                raise _EndError(f"PassEntry did not {to_do} within {most_seconds / 60:.0f} minutes.", 4)
            await self._wait(seconds)
            seconds = min(LONGEST_WAIT_SECONDS, seconds * 1.5)
            self._check(await self._look(), to_do or "show the batch")

    def _check(self, answer: BatchAnswer, to_do: str) -> None:
        match proof_of(answer):
            case Proof.DONE:
                return
            case Proof.NO_ACCESS:
                raise _EndError(f"PassEntry refused to {to_do} ({answer.http_status}): {as_sentence(answer.error)}", 4)
            case _ if answer.http_status is not None and not answer.readable:
                raise _EndError(f"What PassEntry answered is not as expected: {as_sentence(answer.error)}")
            case _:
                raise _EndError(f"PassEntry did not {to_do}: {as_sentence(answer.error)}", 4)

    async def _file(self, url: str) -> bytes:
        content = await self.gateway.download(url)
        if isinstance(content, bytes):
            return content
        raise _EndError(f"A CSV file of the batch could not be read: {as_sentence(content)}", 4)

    async def _wait(self, seconds: float) -> None:
        if await happens_within(self.stop.gently, seconds):
            raise self._stopped()

    def _stopped(self) -> _EndError:
        return _EndError("Interrupted.", self.stop.exit_code)

    # Undoing

    async def _undo(self) -> None:
        """Cancel what was created, and see that it is."""
        ids = [self.batch_id] if self.batch_id else await self._found()
        states = [await self._cancelled(one) for one in ids]
        self.seen.released = any(state in MAY_BE_SENT for state in states)
        at = utc_minute(self.scheduled_at)
        if not ids:
            self.left = (
                f"Whether the batch “{self.plan.name}” exists is not known. If the dashboard shows it, cancel it: else it is sent {at}."
            )
        elif self.seen.released:
            self.left = "The batch was sent before it could be cancelled."
        elif any(state is not RemoteState.CANCELLED for state in states):
            self.left = (
                f"The batch “{self.plan.name}” ({', '.join(ids)}) could not be cancelled. Cancel it in the dashboard: else it is sent {at}."
            )
        if self.left and not self.exit_code:
            self.exit_code = 4

    async def _found(self) -> list[str]:
        """Batches of its name; one whose creation got no answer may turn up late."""
        began = time.monotonic()
        while True:
            found = set[str]()
            number = pages = 1
            while number <= min(pages, MOST_PAGES):
                answer = await self._once("list", lambda page=number: self.gateway.page(page))  # type: ignore[misc]
                found |= {batch.id for batch in answer.batches if batch.name == self.plan.name}
                number, pages = number + 1, answer.pages
            if found or time.monotonic() - began > self.waits.found:
                return sorted(found)
            await asyncio.sleep(self.waits.first)

    async def _cancelled(self, batch_id: str) -> RemoteState | None:
        state = None
        for number in range(1, TRIES + 1):
            for step, ask in (("cancel", self.gateway.cancel), ("look", self.gateway.look)):
                answer = await self._once(step, lambda: ask(batch_id))  # noqa: B023 - awaited at once
                state = answer.batch.state if answer.batch is not None else state
            if state is not None and state not in UNSENT:
                return state
            await asyncio.sleep(self.waits.first * number)
        return state
