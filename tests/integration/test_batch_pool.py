"""Sending by the vendor's batches: the real ledger, gateway and pool, against the simulator's batches on its socket.

The simulator's own audit says what was sent, and how often.
"""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaign.domain.batches import BatchAnswer, BatchState, Proof, RemoteState, proof_of, wording
from campaign.domain.failure_guard import Halt
from campaign.domain.schedule import Schedule, Window, parse_window
from campaign.ledger.port import CampaignRecord, ClaimFilter, DesiredState
from campaign.ledger.sqlite import SqliteLedger
from campaign.sender.api.gateway import HttpGateway, Timeouts
from campaign.sender.batches.calls import Calls
from campaign.sender.batches.gateway import HttpBatchGateway
from campaign.sender.batches.pool import BatchPool, BatchSettings
from campaign.sender.batches.wire import Shape, create_body
from campaign.sender.port import InFlight
from campaign.sender.settings import PoolSettings
from campaign.sender.stop import End, StopReason, StopSignal
from campaign.simulator.api.routes import Endpoint
from campaign.simulator.batches.faults import STEP_FAULTS
from campaign.simulator.passes import PassChange
from tests.integration.pool_given import QUIET, Rig, passes, rig

ENTITY = "simulated-entity"


async def send(
    given: Rig,
    record: CampaignRecord,
    *,
    batches: dict[str, Any] | None = None,
    gateway_type: type[HttpBatchGateway] = HttpBatchGateway,
    **settings: Any,
) -> End:
    """One run by batches, unpaced."""
    pool_settings = PoolSettings(**{"key": "token", "rate_per_second": None, "read_rate_per_second": 500.0, "policy": QUIET} | settings)
    runner = await given.ledger.register_runner(record.id, quiet_seconds=QUIET.quiet_seconds, api=given.simulator.url)
    timeouts = Timeouts(total_seconds=given.timeout_seconds)
    url, token = given.simulator.url, "token"
    given_batches: dict[str, Any] = {"entity": ENTITY, "report_seconds": 1.0, "shape": Shape()} | (batches or {})
    try:
        async with (
            HttpGateway(url=url, token=token, concurrency=8, timeouts=timeouts) as gateway,
            gateway_type(url=url, token=token, timeouts=timeouts, shape=given_batches["shape"]) as batch_gateway,
        ):
            pool = BatchPool(
                ledger=given.ledger,
                reader=given.reader,
                gateway=gateway,
                batch_gateway=batch_gateway,
                observer=given.log,
                runner=runner,
                settings=pool_settings,
                batches=BatchSettings(**given_batches),
                clock=given.clock,
                campaign=record.spec.name,
                jitter=lambda: 0.0,
                number=partial(next, map(str, count(1))),
            )
            return await pool.run(stop=given.stop, stop_now=asyncio.Event())
    finally:
        await given.ledger.deregister_runner(runner, "test")


def scheduled(given: Rig) -> list[str]:
    """The names of batches that the vendor would still send by itself."""
    return [batch.name for batch in given.simulator.batches() if batch.status in {"validating", "scheduled"}]


def not_now() -> Window:
    now = datetime.now(tz=UTC)
    return parse_window(f"{(now.hour + 2) % 24:02}:00-{(now.hour + 3) % 24:02}:00")


def statuses(given: Rig, record: CampaignRecord) -> Counter[tuple[str, str]]:
    return Counter(given.statuses(record).values())


async def test_many_rows_go_out_in_few_calls_each_with_its_own_text(tmp_path: Path) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(1200))
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert given.processed() == Counter(dict.fromkeys(passes(1200), 1))
        assert statuses(given, record) == {("delivered", ""): 1200}
        assert len(given.simulator.batches()) == 3
        assert {row.outcome.attempts for row in given.rows(record).values()} == {1}


REFUSALS = ("not_found", "unprocessable", "conflict", "gone")
LOST = sorted(name for name in STEP_FAULTS if not name.endswith(REFUSALS))
TYPICAL = (
    "create_cut_after",
    "create_error_after",
    "create_late",
    "create_throttle",
    "send_now_cut_after",
    "send_now_late",
    "list_html_ok",
)


@pytest.mark.parametrize("fault", [pytest.param(name, marks=() if name in TYPICAL else pytest.mark.slow) for name in LOST])
async def test_an_answer_that_is_lost_at_any_step_sends_nothing_twice_and_loses_nothing(tmp_path: Path, fault: str) -> None:
    async with rig(tmp_path, batch_faults={fault: 0.5}, seed=3) as given:
        record = await given.campaign(*passes(40))
        ended = await send(given, record, batches={"report_seconds": 60.0})
        assert ended.ended is StopReason.FINISHED, ended.why
        assert given.processed() == Counter(dict.fromkeys(passes(40), 1))
        assert statuses(given, record) == {("delivered", ""): 40}
        assert scheduled(given) == []


async def test_the_report_decides_what_became_of_each_row(tmp_path: Path) -> None:
    async with rig(tmp_path, forbidden=frozenset({"of another"}), undelivered_when_issued=True) as given:
        record = await given.campaign("yes", "issued", "of another")
        given.simulator.set_pass("issued", PassChange(status="issued"))
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert given.statuses(record) == {
            "yes": ("delivered", ""),
            "issued": ("not_delivered", "notDelivered"),
            "of another": ("failed", "refused_by_batch"),
        }
        assert given.processed() == {"yes": 1, "issued": 1}


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("recipients_failed", {("delivered", ""), ("failed", "refused_by_batch")}),
        ("delivery_csv_lacks_rows", {("delivered", ""), ("unknown", "not_in_delivery_report")}),
        ("delivery_csv_unknown_status", {("delivered", ""), ("not_delivered", "heldForReview")}),
        ("delivery_csv_missing", {("unknown", "no_delivery_report")}),
        ("batch_failed", {("failed", "refused_by_batch")}),
    ],
)
async def test_what_the_report_does_not_say_stays_unknown_for_a_person(tmp_path: Path, fault: str, found: set[tuple[str, str]]) -> None:
    async with rig(tmp_path, batch_faults={fault: 1.0}) as given:
        record = await given.campaign(*passes(9))
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert set(statuses(given, record)) == found
        assert max(given.processed().values(), default=0) <= 1
        # Asked to send again unknown rows, a run does not: only a person may.
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert max(given.processed().values(), default=0) <= 1


@pytest.mark.parametrize("seed", range(4))
async def test_half_a_report_is_never_taken_for_the_whole(tmp_path: Path, seed: int) -> None:
    async with rig(tmp_path, batch_faults={"delivery_csv_cut": 1.0}, seed=seed) as given:
        record = await given.campaign(*passes(9))
        await send(given, record)
        assert given.processed() == Counter(dict.fromkeys(passes(9), 1))
        assert set(statuses(given, record)) == {("delivered", ""), ("unknown", "not_in_delivery_report")}


async def test_a_report_of_another_shape_stops_the_run_and_is_read_once_the_shape_is_said(tmp_path: Path) -> None:
    async with rig(tmp_path, batch_faults={"delivery_csv_other_columns": 1.0}) as given:
        record = await given.campaign(*passes(9))
        ended = await send(given, record)
        assert (ended.ended, "pass_uuid" in ended.why) == (StopReason.SAFEGUARD, True)
        assert statuses(given, record) == {("sending", ""): 9}
        shape = Shape.parse('{"id_columns": ["external_id"], "status_column": "result", "detail_columns": ["info"]}')
        assert (await send(given, record, batches={"shape": shape})).ended is StopReason.FINISHED
        assert statuses(given, record) == {("delivered", ""): 9}
        assert given.processed() == Counter(dict.fromkeys(passes(9), 1))


@pytest.mark.parametrize(("batches", "code"), [("off", "403"), ("terms", "403")])
async def test_a_refusal_of_batches_stops_before_anything_is_sent(tmp_path: Path, batches: str, code: str) -> None:
    async with rig(tmp_path, batches=batches) as given:
        record = await given.campaign(*passes(9))
        ended = await send(given, record)
        assert (ended.ended, code in ended.why) == (StopReason.SAFEGUARD, True)
        assert statuses(given, record) == {("pending", ""): 9}


async def test_an_unknown_entity_stops_before_anything_is_sent(tmp_path: Path) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(3))
        ended = await send(given, record, batches={"entity": "other"})
        assert (ended.ended, "“other”" in ended.why) == (StopReason.SAFEGUARD, True)
        assert statuses(given, record) == {("pending", ""): 3}


async def test_of_a_batch_that_is_refused_as_a_whole_only_the_row_that_is_refused_alone_fails(tmp_path: Path) -> None:
    async with rig(tmp_path, batch_faults={"create_unprocessable": 0.5}, seed=5) as given:
        record = await given.campaign(*passes(20))
        ended = await send(given, record)
        found = statuses(given, record)
        assert ended.ended is StopReason.FINISHED, ended.why
        assert set(found) <= {("delivered", ""), ("failed", "refused_by_batch")}
        assert found["delivered", ""] == given.processed().total() > 0


async def test_where_every_batch_is_refused_the_run_stops(tmp_path: Path) -> None:
    async with rig(tmp_path, batch_faults={"create_unprocessable": 1.0}) as given:
        record = await given.campaign(*passes(20))
        assert (await send(given, record)).ended is StopReason.SAFEGUARD
        assert given.processed() == Counter()
        assert statuses(given, record)["failed", "refused_by_batch"] <= 3


@pytest.mark.parametrize("wanted", [DesiredState.PAUSED, DesiredState.CANCELLED])
async def test_until_it_is_released_a_batch_is_undone(tmp_path: Path, wanted: DesiredState) -> None:
    async with rig(tmp_path, validation_seconds=600.0) as given:
        record = await given.campaign(*passes(30))
        running = asyncio.create_task(send(given, record))
        await given.until(lambda: bool(given.log.named("batch_created")))
        await given.ledger.set_desired_state(record.id, wanted)
        assert (await running).ended.value == wanted.value
        assert scheduled(given) == []
        after = ("skipped", "cancelled") if wanted is DesiredState.CANCELLED else ("pending", "")
        assert statuses(given, record) == {after: 30}
        assert given.processed() == Counter()


async def test_outside_of_its_hours_nothing_is_created(tmp_path: Path) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(3))
        ended = await send(given, record, schedule=Schedule(window=not_now(), home=ZoneInfo("UTC")), wait=False)
        assert ended.ended is StopReason.OUTSIDE_WINDOW
        assert given.simulator.batches() == []


async def test_a_limit_counts_rows(tmp_path: Path) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(30))
        assert (await send(given, record, limit=7)).ended is StopReason.LIMIT
        assert given.processed().total() == 7


async def test_too_many_failures_release_nothing_more(tmp_path: Path) -> None:
    async with rig(tmp_path, batch_faults={"recipients_failed": 1.0}) as given:
        record = await given.campaign(*passes(60))
        assert (await send(given, record, limit=30, halt=Halt(share=0.2))).ended is StopReason.SAFEGUARD


class Step(StrEnum):
    """How far a runner came before it was killed: by what it had recorded, and what the vendor has."""

    CLAIMED = "claimed"
    ASKED = "asked, and the request never left"
    CREATED_UNSEEN = "created, and the answer was lost"
    CREATED = "created"
    CREATED_TWICE = "created twice, as an answer was lost"
    RELEASING = "about to be released"
    RELEASED = "released"
    CANCELLING = "about to be cancelled"
    CANCELLING_TWICE = "about to be cancelled, and created twice"
    CANCELLED = "cancelled"


@pytest.mark.parametrize("creates", [True, False])
@pytest.mark.parametrize("step", Step)
async def test_whoever_comes_after_a_kill_goes_on_where_it_happened(tmp_path: Path, step: Step, *, creates: bool) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(5))
        await killed(given, record, step)
        ended = await send(given, record, batches={"creates": creates})
        assert ended.ended is StopReason.FINISHED, ended.why
        assert given.reader.batches(record.id) == []
        assert scheduled(given) == []
        is_sent = creates or step is Step.RELEASED
        assert given.processed() == Counter(dict.fromkeys(passes(5), 1) if is_sent else {})
        assert statuses(given, record) == {("delivered" if is_sent else "pending", ""): 5}
        releases = [request for request in given.simulator.requests() if request.endpoint == Endpoint.SEND_BATCH]
        assert len(releases) == is_sent, "nobody asks a second time for what was released"


async def test_of_a_batch_that_was_cancelled_after_its_time_had_come_nothing_is_sent_again(tmp_path: Path) -> None:
    """A part of it may have been sent before it was cancelled."""
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(5))
        await killed(given, record, Step.CANCELLED, held_seconds=-1.0)
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert given.processed() == {}
        assert statuses(given, record) == {("unknown", "batch_cancelled"): 5}


@pytest.mark.parametrize("creates", [True, False])
@pytest.mark.parametrize("by", ["the run", "a person"])
async def test_what_a_person_released_counts_as_sent_also_if_it_is_cancelled_then(tmp_path: Path, by: str, *, creates: bool) -> None:
    """PassEntry may cancel a batch that it is sending, and call it cancelled. A batch that was begun has a delivery report."""
    cancelled = {"by a person"} if by == "a person" else set()

    class Cancelling(HttpBatchGateway):
        async def look(self, batch_id: str) -> BatchAnswer:
            return shown(await super().look(batch_id))

        async def page(self, number: int) -> BatchAnswer:
            return shown(await super().page(number))

        async def cancel(self, batch_id: str) -> BatchAnswer:
            cancelled.add(batch_id)
            return await self.look(batch_id)

    def shown(answer: BatchAnswer) -> BatchAnswer:
        return replace(answer, batches=tuple(replace(one, state=RemoteState.CANCELLED) for one in answer.batches)) if cancelled else answer

    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(5))
        await killed(given, record, Step.CREATED)
        async with HttpBatchGateway(url=given.simulator.url, token="token", timeouts=Timeouts()) as gateway:
            [batch] = given.simulator.batches()
            await gateway.send_now(batch.id)
            await given.until(lambda: given.simulator.batches()[0].status == "successful")
        assert (await send(given, record, gateway_type=Cancelling, batches={"creates": creates})).ended is StopReason.FINISHED
        assert given.processed() == Counter(dict.fromkeys(passes(5), 1))
        assert statuses(given, record) == {("delivered", ""): 5}


def batch_of(*ids: str, name: str) -> bytes:
    return create_body(wording(["Hello"] * len(ids)), ids, name=name, tag="t", scheduled_at=time.time() + 86_400.0)


async def killed(given: Rig, record: CampaignRecord, step: Step, *, held_seconds: float = 86_400.0) -> None:
    """A runner that came as far as this and died. PassEntry sends a batch that nobody works on after `held_seconds`."""
    doomed = SqliteLedger(given.folder / "campaign.db", clock=given.clock)
    dead = await doomed.register_runner(record.id, quiet_seconds=0.0, api=given.simulator.url)
    made = await doomed.claim_batch(dead, 5, ClaimFilter(), name="mine", entity=ENTITY)
    assert made is not None
    batch, claims = made
    asked = replace(batch, state=BatchState.CREATING, creates=1, scheduled_at=given.clock.wall() + held_seconds)
    if step is not Step.CLAIMED:
        assert await doomed.record_batch(dead, asked)
    async with HttpBatchGateway(url=given.simulator.url, token="token", timeouts=Timeouts()) as gateway:
        if step not in {Step.CLAIMED, Step.ASKED}:
            body = batch_of(*(claim.pass_id for claim in claims), name="mine")
            twice = step in {Step.CREATED_TWICE, Step.CANCELLING_TWICE}
            remotes = [(await gateway.create(ENTITY, body)).batch for _ in range(1 + twice)]
            remote = remotes[0]
            assert remote is not None
            asked = replace(asked, creates=len(remotes))
            while (await gateway.look(remote.id)).batch != replace(remote, state=RemoteState.SCHEDULED):  # noqa: ASYNC110 - the vendor tells nobody
                await asyncio.sleep(0.05)
            if step is not Step.CREATED_UNSEEN:
                created = replace(asked, state=BatchState.CREATED, remote_id=remote.id)
                assert await doomed.record_batch(dead, created)
                if step in {Step.RELEASING, Step.RELEASED}:
                    assert await doomed.record_batch(dead, replace(created, state=BatchState.RELEASING, released_at=given.clock.wall()))
                if step in {Step.CANCELLING, Step.CANCELLING_TWICE, Step.CANCELLED}:
                    assert await doomed.record_batch(dead, replace(created, state=BatchState.CANCELLING))
                if step is Step.RELEASED:
                    await gateway.send_now(remote.id)
                if step is Step.CANCELLED:
                    await gateway.cancel(remote.id)
    await doomed.close()
    await given.ledger.reap_dead_runners(quiet_seconds=0.0)


@pytest.mark.parametrize("status", [None, 409, 429])
async def test_a_batch_whose_release_was_not_confirmed_is_cancelled_only_once_it_can_not_come_late(
    tmp_path: Path, status: int | None
) -> None:
    """PassEntry may cancel a batch that it is sending, and then some of its rows were told. A refusal may be a gateway's second answer."""
    cancelled: list[str] = []
    releases: list[asyncio.Task[BatchAnswer]] = []

    async with rig(tmp_path) as given:

        class Late(HttpBatchGateway):
            async def send_now(self, batch_id: str) -> BatchAnswer:
                async def later() -> BatchAnswer:
                    await asyncio.sleep(QUIET.quiet_seconds / 2)
                    return await super(Late, self).send_now(batch_id)

                releases.append(asyncio.create_task(later()))
                given.stop.set()
                return BatchAnswer(http_status=status)

            async def cancel(self, batch_id: str) -> BatchAnswer:
                cancelled.append(batch_id)
                return await super().cancel(batch_id)

        record = await given.campaign(*passes(5))
        assert (await send(given, record, gateway_type=Late)).ended is StopReason.INTERRUPTED
        await asyncio.gather(*releases)
        assert cancelled == []
        assert statuses(given, record) == {("delivered", ""): 5}
        assert given.processed() == Counter(dict.fromkeys(passes(5), 1))


async def test_of_two_batches_of_one_name_one_is_cancelled_before_the_other_is_released(tmp_path: Path) -> None:
    async with rig(tmp_path, batch_faults={"create_late": 1.0}, late_seconds=1.2, timeout_seconds=0.4) as given:
        record = await given.campaign(*passes(5))
        running = asyncio.create_task(send(given, record))
        await given.until(lambda: len(given.log.named("batch_in_doubt")) >= 2)
        given.simulator.configure(batch_faults={})
        assert (await running).ended is StopReason.FINISHED
        assert given.processed() == Counter(dict.fromkeys(passes(5), 1))
        assert len(given.simulator.batches()) >= 2
        assert scheduled(given) == []


async def test_a_look_that_began_before_the_end_of_the_quiet_period_does_not_show_that_there_is_no_batch(tmp_path: Path) -> None:
    class Slow(HttpBatchGateway):
        async def page(self, number: int) -> BatchAnswer:
            answer = await super().page(number)
            await asyncio.sleep(QUIET.quiet_seconds + 0.1)
            return answer

    async with rig(tmp_path, batch_faults={"create_late": 1.0}, late_seconds=0.3) as given:
        record = await given.campaign(*passes(5))
        assert (await send(given, record, gateway_type=Slow)).ended is StopReason.FINISHED
        assert len(given.simulator.batches()) == 1


async def test_a_batch_is_looked_for_as_long_again_as_its_creation_lasted(tmp_path: Path) -> None:
    class Slow(HttpBatchGateway):
        async def create(self, entity: str, body: bytes, *, in_flight: InFlight | None = None) -> BatchAnswer:
            answer = await super().create(entity, body, in_flight=in_flight)
            await asyncio.sleep(1.5)
            return answer

    async with rig(tmp_path, batch_faults={"create_late": 1.0}, late_seconds=2.5) as given:
        record = await given.campaign(*passes(5))
        assert (await send(given, record, gateway_type=Slow)).ended is StopReason.FINISHED
        assert len(given.simulator.batches()) == 1
        assert given.processed() == Counter(dict.fromkeys(passes(5), 1))


async def test_one_reading_of_the_list_serves_all_that_ask_and_nothing_is_released_that_may_not_be_by_then(tmp_path: Path) -> None:
    class Failing(HttpBatchGateway):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.asked: list[int] = []

        async def page(self, number: int) -> BatchAnswer:
            self.asked.append(number)
            return BatchAnswer(http_status=None) if self.asked in ([1, 2], [1, 2, 2]) else await super().page(number)

    async with rig(tmp_path) as given, Failing(url=given.simulator.url, token="token", timeouts=Timeouts()) as gateway:
        made = [await gateway.create(ENTITY, batch_of("p", name=f"batch {number}")) for number in range(30)]
        calls = Calls(gateway, given.ledger, given.log, key="k", rate_per_second=None, stop_signal=StopSignal(), ticks=given.clock.ticks)
        works = [asyncio.create_task(work) for work in calls.works()]
        found = await asyncio.gather(*(calls.named({f"batch {number}"}) for number in range(30)))
        assert [[one.id for one in batches or ()] for batches in found] == [[answer.batches[0].id] for answer in made]
        assert gateway.asked == [1, 2, 2, 2]
        assert proof_of(await calls.send_now(made[0].batches[0].id, may_send=lambda: False)) is Proof.NOT_SENT
        assert not any("send-now" in request.raw_path for request in given.simulator.requests())
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


@pytest.mark.parametrize("odd", ["empty", "empty at first", "another page"])
async def test_a_batch_on_a_page_that_was_not_shown_is_not_created_again(tmp_path: Path, odd: str) -> None:
    """A list that seems to end early, or that is always answered with its first page, does not show that there is no such batch."""

    class Odd(HttpBatchGateway):
        left = 20 if odd == "empty at first" else 8

        async def page(self, number: int) -> BatchAnswer:
            self.left -= 1
            answer = await super().page(number)
            if self.left < 0 or (number == 1) is not (odd == "empty at first"):
                return answer
            if odd == "empty at first":
                return replace(answer, batches=())
            return BatchAnswer(http_status=200) if odd == "empty" else await super().page(1)

    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(5))
        if odd != "empty at first":
            await killed(given, record, Step.CREATED_UNSEEN)
        async with HttpBatchGateway(url=given.simulator.url, token="token", timeouts=Timeouts()) as gateway:
            for number in range(60):
                await gateway.create(ENTITY, batch_of("p", name=f"other {number}"))
        if odd == "empty at first":
            # The newest batches come first.
            await killed(given, record, Step.CREATED_UNSEEN)
        assert (await send(given, record, gateway_type=Odd)).ended is StopReason.FINISHED
        assert [batch.name for batch in given.simulator.batches()].count("mine") == 1
        assert {pass_id: count for pass_id, count in given.processed().items() if pass_id != "p"} == dict.fromkeys(passes(5), 1)


async def test_a_list_that_is_too_long_to_be_read_to_its_end_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(5))
        await killed(given, record, Step.CREATED_UNSEEN)
        async with HttpBatchGateway(url=given.simulator.url, token="token", timeouts=Timeouts()) as gateway:
            for number in range(60):
                await gateway.create(ENTITY, batch_of("p", name=f"other {number}"))
        with monkeypatch.context() as patch:
            patch.setattr("campaign.sender.batches.calls.MOST_PAGES", 2)
            ended = await send(given, record)
        assert (ended.ended, "3 pages" in ended.why) == (StopReason.SAFEGUARD, True)
        assert statuses(given, record) == {("sending", ""): 5}
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert [batch.name for batch in given.simulator.batches()].count("mine") == 1
        assert {pass_id: count for pass_id, count in given.processed().items() if pass_id != "p"} == dict.fromkeys(passes(5), 1)


@pytest.mark.parametrize("person", ["send-now", "cancel"])
async def test_where_a_person_steers_one_of_two_batches_the_other_is_not_sent_as_well(tmp_path: Path, person: str) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(5))
        await killed(given, record, Step.CREATED_TWICE)
        async with HttpBatchGateway(url=given.simulator.url, token="token", timeouts=Timeouts()) as gateway:
            first, second = (batch.id for batch in given.simulator.batches())
            await (gateway.send_now(second) if person == "send-now" else gateway.cancel(first))
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert scheduled(given) == []
        is_sent = person == "send-now"
        assert given.processed() == Counter(dict.fromkeys(passes(5), 1) if is_sent else {})
        assert statuses(given, record) == {("delivered", "") if is_sent else ("failed", "batch_cancelled"): 5}


@pytest.mark.parametrize("step", [Step.CREATED_TWICE, Step.RELEASING, Step.CANCELLING_TWICE])
async def test_outside_of_its_hours_what_another_left_is_cancelled_whole(tmp_path: Path, step: Step) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(5))
        await killed(given, record, step)
        ended = await send(given, record, schedule=Schedule(window=not_now(), home=ZoneInfo("UTC")), wait=False)
        assert ended.ended is StopReason.OUTSIDE_WINDOW
        assert (given.processed(), scheduled(given), statuses(given, record)) == (Counter(), [], {("pending", ""): 5})


@pytest.mark.parametrize("step", [Step.CLAIMED, Step.CREATED, Step.RELEASED])
async def test_a_limited_run_sends_no_batch_that_another_left_besides(tmp_path: Path, step: Step) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(8))
        await killed(given, record, step)
        assert (await send(given, record, limit=2)).ended is StopReason.LIMIT
        assert given.processed().total() == 2 + (5 if step is Step.RELEASED else 0)
        assert scheduled(given) == []


async def test_what_another_left_is_ended_whatever_limit_the_run_has(tmp_path: Path) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(8))
        await killed(given, record, Step.CREATED)
        assert (await send(given, record, batches={"creates": False}, limit=2, only=(7,))).ended is StopReason.FINISHED
        assert given.reader.batches(record.id) == []


async def test_two_runners_share_a_campaign(tmp_path: Path) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(3000))
        ends = await asyncio.gather(send(given, record), send(given, record))
        assert {end.ended for end in ends} == {StopReason.FINISHED}
        assert given.processed() == Counter(dict.fromkeys(passes(3000), 1))


async def test_a_batch_that_turns_up_after_its_rows_were_given_back_is_cancelled_by_the_next_run(tmp_path: Path) -> None:
    async with rig(tmp_path, batch_faults={"create_late": 1.0}, late_seconds=2.5, timeout_seconds=0.3) as given:
        record = await given.campaign(*passes(5))
        running = asyncio.create_task(send(given, record))
        await given.until(lambda: bool(given.log.named("batch_in_doubt")))
        given.stop.set()
        assert (await running).ended is StopReason.INTERRUPTED
        given.stop.clear()
        given.simulator.configure(batch_faults={})
        await given.until(lambda: bool(scheduled(given)))
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert given.processed() == Counter(dict.fromkeys(passes(5), 1))
        assert scheduled(given) == []


async def test_a_run_is_not_finished_before_it_is_sure_that_no_batch_turned_up_late(tmp_path: Path) -> None:
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(5))

        class Failing(HttpBatchGateway):
            left = 4

            async def page(self, number: int) -> BatchAnswer:
                if statuses(given, record) == {("delivered", ""): 5}:
                    self.left -= 1
                return await super().page(number) if self.left < 0 else BatchAnswer(http_status=None)

        runner = await given.ledger.register_runner(record.id, quiet_seconds=0.0, api=given.simulator.url)
        made = await given.ledger.claim_batch(runner, 5, ClaimFilter(), name="mine", entity=ENTITY)
        assert made is not None
        asked = replace(made[0], creates=1, scheduled_at=given.clock.wall() + 86_400.0)
        assert await given.ledger.release_batch(runner, asked)
        await given.ledger.deregister_runner(runner, "test")
        async with HttpBatchGateway(url=given.simulator.url, token="token", timeouts=Timeouts()) as gateway:
            await gateway.create(ENTITY, batch_of(*passes(5), name="mine"))
        assert (await send(given, record, gateway_type=Failing)).ended is StopReason.FINISHED
        assert scheduled(given) == []
        assert given.processed() == Counter(dict.fromkeys(passes(5), 1))


class TakenThenRefused(HttpBatchGateway):
    """The first creation is carried out, and gets the answer to its repetition by an intermediary; the list is unreadable for a while."""

    status = 429
    unreadable = 0

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.created = 0
        self.unread = 0

    async def create(self, entity: str, body: bytes, *, in_flight: InFlight | None = None) -> BatchAnswer:
        self.created += 1
        answer = await super().create(entity, body, in_flight=in_flight)
        return BatchAnswer(http_status=self.status, error="refused") if self.created == 1 else answer

    async def page(self, number: int) -> BatchAnswer:
        self.unread += 1
        return BatchAnswer(http_status=None) if self.unread <= self.unreadable else await super().page(number)


STOPPING = (403, 401)


@pytest.mark.parametrize("unreadable", [0, 8])
@pytest.mark.parametrize("status", [429, 422, 409, 400, 410, 413, 415, 404, *STOPPING])
async def test_a_batch_that_exists_though_its_creation_was_refused_is_not_created_again(
    tmp_path: Path, status: int, unreadable: int
) -> None:
    """An intermediary may repeat a creation whose answer it lost, and pass on the second answer, which is PassEntry's own."""
    refusing = type("Refusing", (TakenThenRefused,), {"status": status, "unreadable": unreadable})
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(5))
        ended = await send(given, record, gateway_type=refusing)
        if status in STOPPING:
            assert ended.ended is StopReason.SAFEGUARD
            # As after a lost answer: where the list can't be read, nothing shows that the rows are in no batch.
            assert statuses(given, record) == {("sending" if unreadable else "pending", ""): 5}
            assert len(scheduled(given)) == bool(unreadable)
            ended = await send(given, record)
        assert ended.ended is StopReason.FINISHED, ended.why
        assert given.processed() == Counter(dict.fromkeys(passes(5), 1))
        assert statuses(given, record) == {("delivered", ""): 5}
        assert scheduled(given) == []
        assert given.reader.unidentified_batches(record.id, since=given.clock.wall()) == []


@pytest.mark.parametrize(("fault", "event"), [("create_throttle", "throttled"), ("create_unprocessable", "batch_refused")])
async def test_a_refusal_leaves_nothing_behind_that_may_turn_up(tmp_path: Path, fault: str, event: str) -> None:
    async with rig(tmp_path, batch_faults={fault: 0.5}, seed=5) as given:
        record = await given.campaign(*passes(20))
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert given.log.named(event)
        assert given.reader.unidentified_batches(record.id, since=given.clock.wall()) == []


async def test_where_a_release_is_refused_again_and_again_the_run_stops_and_undoes_it(tmp_path: Path) -> None:
    async with rig(tmp_path, batch_faults={"send_now_unprocessable": 1.0}) as given:
        record = await given.campaign(*passes(5))
        ended = await send(given, record)
        assert (ended.ended, "422" in ended.why) == (StopReason.SAFEGUARD, True)
        assert statuses(given, record) == {("pending", ""): 5}
        assert scheduled(given) == []


async def test_where_a_cancellation_is_refused_again_and_again_the_run_says_so(tmp_path: Path) -> None:
    async with rig(tmp_path, batch_faults={"cancel_unprocessable": 1.0}) as given:
        record = await given.campaign(*passes(5))
        await killed(given, record, Step.CREATED)
        ended = await send(given, record, batches={"creates": False})
        assert (ended.ended, "422" in ended.why) == (StopReason.SAFEGUARD, True)
        assert statuses(given, record) == {("sending", ""): 5}


async def test_a_line_of_one_pass_says_nothing_of_another_that_differs_in_case(tmp_path: Path) -> None:
    async with rig(tmp_path, missing=frozenset({"ABC-1"})) as given:
        record = await given.campaign("ABC-1", "abc-1")
        assert (await send(given, record)).ended is StopReason.FINISHED
        assert given.statuses(record) == {"ABC-1": ("failed", "refused_by_batch"), "abc-1": ("delivered", "")}
        assert given.processed() == {"abc-1": 1}
