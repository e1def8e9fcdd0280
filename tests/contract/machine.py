"""Processes that share a ledger, and everything that can happen to them, in any order: rules for hypothesis."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from campaign.domain.lifecycle import Event
from campaign.domain.model import Outcome, Settlement, Skip, StagedRow, Status
from campaign.domain.verdict import Conclusion, Fault, Latest, Reading, Reply, read_back
from campaign.ledger.port import Control, Doubt, Ledger, LedgerReader, Runner
from campaign.sender.attempt import OnUnknown, Policy, settle_attempt
from tests.contract import beliefs
from tests.contract.backends import Backend, HandClock
from tests.contract.given import spec
from tests.contract.world import LATEST_ARRIVAL_SECONDS, Row, RowKey, Sent, World

T = TypeVar("T")
QUIET_SECONDS = 10.0
MARGIN_SECONDS = 5.0
MOST_CAMPAIGNS = 3
MOST_PROCESSES = 3
SENT_BEFORE = frozenset({Status.DELIVERED, Status.NOT_DELIVERED, Status.ACCEPTED})

passes = st.sampled_from("AB")
texts = st.sampled_from(["Hello", "Sale"])
# Not yet those that were sent before, by another ledger: test_stories.py says why.
staged_statuses = st.sampled_from([Status.PENDING] * 6 + [Status.FAILED, Status.INVALID, Status.SKIPPED])
rows_of_a_list = st.lists(st.tuples(passes, texts, staged_statuses), min_size=1, max_size=4)
# Not yet two rows of a pass that can both be made pending: (same).
lists = rows_of_a_list.filter(lambda rows: max(Counter(key for key, _, status in rows if status is Status.FAILED).values(), default=0) < 2)
arrivals = st.sampled_from([0.0, 0.0, None, 1.0, LATEST_ARRIVAL_SECONDS])
failures = st.sampled_from([None, None, None, Latest.UNREADABLE, Latest.MISSING])
index = st.integers(0, 5)
some = st.integers(1, 4)


@dataclass
class Process:
    """One process: its ledger, the campaign it sends, and until when it believes that it may."""

    ledger: Ledger
    runner: Runner | None = None
    sends_until: float = 0.0
    hand: list[Sent] = field(default_factory=list)


class LedgerModel(RuleBasedStateMachine):
    """`open_backend` makes a store in a folder; a subclass sets it."""

    open_backend: Callable[[Path, HandClock], Backend]

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        self.loop = self.cleanup.enter_context(asyncio.Runner())
        folder = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory()))
        self.clock = HandClock()
        self.backend = type(self).open_backend(folder, self.clock)
        self.world = World()
        self.processes: list[Process] = []
        self.controls: dict[int, Control] = {}
        self.late: list[Sent] = []
        self.doubts: list[tuple[Doubt, Reading | None]] = []
        self.asked_again: set[RowKey] = set()
        self.events: tuple[Event, ...] = ()
        self.statuses: dict[RowKey, Status] = {}
        self.reader: LedgerReader

    def teardown(self) -> None:
        for ledger in self.backend.opened:
            self.do(ledger.close())
        for reader in self.backend.readers:
            reader.close()
        self.cleanup.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def pick(self, number: int) -> Process:
        return self.processes[number % len(self.processes)]

    def campaign(self, number: int) -> int:
        return list(self.controls)[number % len(self.controls)]

    @initialize(rows=lists)
    def begin(self, rows: list[tuple[str, str, Status]]) -> None:
        self.processes.append(Process(self.backend.ledger()))
        self.reader = self.backend.reader()
        self.stage(0, rows)

    @precondition(lambda self: len(self.processes) < MOST_PROCESSES)
    @rule()
    def another_process(self) -> None:
        self.processes.append(Process(self.backend.ledger()))

    @precondition(lambda self: len(self.controls) < MOST_CAMPAIGNS)
    @rule(by=index, rows=lists)
    def stage(self, by: int, rows: list[tuple[str, str, Status]]) -> None:
        ledger = self.pick(by).ledger
        record = self.do(ledger.create(spec(f"campaign {len(self.controls)}")))
        staged = [
            StagedRow(row=row, pass_id=key, pass_key=key, message=text, cells=(key, ""), outcome=Outcome(status=status))
            for row, (key, text, status) in enumerate(rows, 1)
        ]
        self.do(ledger.stage(record.id, staged))
        self.do(ledger.finish_staging(record.id, content_sha256="c"))
        self.controls[record.id] = Control.GO
        for one in staged:
            row = Row(campaign=record.id, row=one.row, pass_key=one.pass_key, message=one.message, status=one.outcome.status)
            self.world.rows[row.key] = row
            if row.status in SENT_BEFORE:
                self.world.held_before(row)
        self.refresh()
        pending = [row.pass_key for row in self.rows_of(record.id) if row.status is Status.PENDING]
        assert len(pending) == len(set(pending))

    @rule(by=index, of=index)
    def enlist(self, by: int, of: int) -> None:
        process = self.pick(by)
        if process.runner is None:
            process.sends_until = self.clock.seconds - MARGIN_SECONDS
            process.runner = self.do(process.ledger.enlist(self.campaign(of), quiet_seconds=QUIET_SECONDS))
            process.sends_until += process.runner.lease_seconds

    @rule(by=index)
    def renew(self, by: int) -> None:
        process = self.pick(by)
        if process.runner is not None and self.do(process.ledger.renew(process.runner, "sending")):
            process.sends_until = self.clock.seconds + process.runner.lease_seconds - MARGIN_SECONDS

    @rule(by=index, limit=some)
    def claim(self, by: int, limit: int) -> None:
        process = self.pick(by)
        if process.runner is None:
            return
        self.events = (Event.CLAIMED,)
        claims = self.do(process.ledger.claim(process.runner, limit))
        assert len(claims) <= limit
        assert not claims or self.controls[process.runner.campaign] is Control.GO
        for claim in claims:
            row = self.world.rows[claim.campaign, claim.row]
            assert (row.holder, row.campaign) == (None, process.runner.campaign)
            assert claim.fence > row.fence
            row.holder, row.fence = process.runner.id, claim.fence
            process.hand.append(Sent(claim=claim, runner=process.runner.id))

    @rule(by=index, which=index, arrives=arrivals)
    def write(self, by: int, which: int, arrives: float | None) -> None:
        process = self.pick(by)
        unwritten = [sent for sent in process.hand if not sent.written]
        if unwritten and self.clock.seconds < process.sends_until:
            self.world.write(unwritten[which % len(unwritten)], arrives_in_seconds=arrives)

    @rule(by=index, number=some, result=st.integers(0, 9), hold=st.booleans())
    def settle(self, by: int, number: int, result: int, *, hold: bool) -> None:
        process = self.pick(by)
        if process.runner is None:
            return
        ended, process.hand = process.hand[:number], process.hand[number:]
        settlements = [self.end_of(sent, result, hold=hold) for sent in ended]
        self.events = (Event.SETTLED, Event.LEFT_OUT)
        late = self.do(process.ledger.settle(process.runner, settlements))
        rows = [self.world.rows[sent.claim.campaign, sent.claim.row] for sent in ended]
        assert late == [sent.claim for sent in ended if not self.is_held(sent)]
        for sent, row, settlement in zip(ended, rows, settlements, strict=True):
            if sent.claim not in late:
                row.holder = None
                doubtful = settlement.outcome.status is Status.UNKNOWN and settlement.due_in_seconds is not None
                row.in_doubt_since = self.world.now if doubtful else None
        self.late += ended

    def is_held(self, sent: Sent) -> bool:
        row = self.world.rows[sent.claim.campaign, sent.claim.row]
        return (row.holder, row.fence) == (sent.runner, sent.claim.fence)

    def end_of(self, sent: Sent, result: int, *, hold: bool) -> Settlement:
        """One of the ends that this attempt can have had."""
        doubt: Reply | Fault = Fault(reason="timeout", written=True) if result % 2 else Reply(http_status=500)
        ends: tuple[Reply | Fault, ...]
        if not sent.written:
            if result == 0:
                outcome = Outcome(status=Status.SKIPPED, reason=Skip.EXPIRED)
                return Settlement(claim=sent.claim, outcome=outcome, tries=sent.claim.tries)
            ends = (Fault(reason="connect", written=False),)
        elif sent.arrived:
            ends = (
                Reply(http_status=200, notification_status="delivered"),
                Reply(http_status=200, notification_status="notDelivered"),
                doubt,
            )
        elif self.world.may_still_arrive(sent):
            ends = (doubt,)
        else:
            ends = (Reply(http_status=404), Reply(http_status=429, retry_after_seconds=2), Reply(http_status=401), doubt)
        policy = Policy(max_attempts=2, on_unknown=OnUnknown.HOLD if hold else OnUnknown.VERIFY, quiet_seconds=QUIET_SECONDS)
        return settle_attempt(sent.claim, ends[result % len(ends)], policy=policy, sent_at=1.0, latency_seconds=0.1, jitter=0.5)[0]

    @rule(by=index, which=st.integers(0, 50), result=st.integers(0, 9))
    def settle_late(self, by: int, which: int, result: int) -> None:
        late = [sent for sent in self.late if not self.is_held(sent)]
        if not late:
            return
        sent = late[which % len(late)]
        runner = Runner(id=sent.runner, campaign=sent.claim.campaign, lease_seconds=30, quiet_seconds=QUIET_SECONDS)
        before = self.everything()
        assert self.do(self.pick(by).ledger.settle(runner, [self.end_of(sent, result, hold=False)])) == [sent.claim]
        assert self.everything() == before

    @rule(by=index)
    def release(self, by: int) -> None:
        process = self.pick(by)
        unsent = [sent for sent in process.hand if not sent.written]
        if process.runner is not None and unsent:
            self.events = (Event.RELEASED, Event.LEFT_OUT)
            self.do(process.ledger.release(process.runner, [sent.claim for sent in unsent]))
            process.hand = [sent for sent in process.hand if sent.written]
            self.late += unsent
            for sent in filter(self.is_held, unsent):
                self.world.rows[sent.claim.campaign, sent.claim.row].holder = None

    @rule(by=index)
    def dismiss(self, by: int) -> None:
        process = self.pick(by)
        if process.runner is not None:
            self.events = (Event.LOST,)
            self.do(process.ledger.dismiss(process.runner, "interrupted"))
            self.lose({process.runner.id})
            self.late += process.hand
            process.runner, process.hand = None, []

    def lose(self, runners: set[int]) -> int:
        lost = [row for row in self.world.rows.values() if row.holder in runners]
        for row in lost:
            row.holder, row.in_doubt_since = None, self.world.now
        return len(lost)

    @precondition(lambda self: len(self.processes) > 1)
    @rule(by=index)
    def crash(self, by: int) -> None:
        process = self.pick(by)
        self.do(process.ledger.close())
        self.processes.remove(process)
        self.late += process.hand

    @rule(by=index)
    def bury(self, by: int) -> None:
        process = self.pick(by)
        self.events = (Event.LOST,)
        lost = self.do(process.ledger.bury(quiet_seconds=QUIET_SECONDS))
        alive = {other.runner.id for other in self.processes if other.runner is not None and (other is process or self.is_leased(other))}
        holders = {row.holder for row in self.world.rows.values() if row.holder is not None}
        assert self.lose(holders - alive) == lost

    def is_leased(self, process: Process) -> bool:
        return self.clock.seconds <= process.sends_until + MARGIN_SECONDS

    @rule(by=index, of=index, limit=some, arrives=arrivals, result=st.integers(0, 9), hold=st.booleans())
    def send(self, by: int, of: int, limit: int, arrives: float | None, result: int, *, hold: bool) -> None:
        """What a process mostly does, in one step, so that long stories are told too."""
        self.enlist(by, of)
        self.claim(by, limit)
        self.holds()
        for _ in range(limit):
            self.write(by, 0, arrives)
        self.settle(by, limit, result, hold=hold)

    @rule(by=index, of=index, fails=failures)
    def verify(self, by: int, of: int, fails: Latest | None) -> None:
        """(same)"""
        self.time_passes(QUIET_SECONDS + 0.5)
        self.look(by, of, 4)
        while self.doubts:
            self.read(0, fails)
            self.conclude(by, 0)
            self.holds()

    @rule(by=index, of=index, limit=some)
    def look(self, by: int, of: int, limit: int) -> None:
        doubts = self.do(self.pick(by).ledger.doubts(self.campaign(of), limit))
        for doubt in doubts:
            since = self.world.rows[doubt.claim.campaign, doubt.claim.row].in_doubt_since
            assert since is not None
            assert self.world.now - since >= QUIET_SECONDS - 1e-6
        self.doubts += [(doubt, None) for doubt in doubts]

    @precondition(lambda self: self.doubts)
    @rule(which=index, fails=failures)
    def read(self, which: int, fails: Latest | None) -> None:
        place = which % len(self.doubts)
        doubt, _ = self.doubts[place]
        reading = Reading(latest=fails) if fails else self.world.read(doubt.claim.pass_id)
        self.doubts[place] = (doubt, reading)

    @precondition(lambda self: self.doubts)
    @rule(by=index, which=index)
    def conclude(self, by: int, which: int) -> None:
        doubt, reading = self.doubts.pop(which % len(self.doubts))
        if reading is None:
            return
        conclusion = read_back(
            reading, message=doubt.claim.message, sent_before=doubt.sent_before, last_before=doubt.last_before, baseline=doubt.baseline
        )
        self.record(by, doubt, conclusion, again=5.0 if reading.latest is Latest.UNREADABLE else None)

    def record(self, by: int, doubt: Doubt, conclusion: Conclusion, *, again: float | None) -> None:
        self.events = (Event.READ_BACK, Event.LEFT_OUT)
        row = self.world.rows[doubt.claim.campaign, doubt.claim.row]
        if self.do(self.pick(by).ledger.conclude(doubt, conclusion, again_in_seconds=again)):
            assert row.fence == doubt.claim.fence
            again = again if conclusion.status is Status.UNKNOWN else None
            row.in_doubt_since = None if again is None else self.world.now + again - QUIET_SECONDS

    @rule(by=index, of=index)
    def recheck(self, by: int, of: int) -> None:
        waiting = [row for row in self.rows_of(self.campaign(of)) if row.status is Status.UNKNOWN and row.in_doubt_since is None]
        # Not yet where another row of the pass may have been sent meanwhile: test_stories.py says why.
        if any(row.pass_key == other.pass_key and row is not other for row in waiting for other in self.world.rows.values()):
            return
        assert self.do(self.pick(by).ledger.recheck(self.campaign(of))) == len(waiting)
        for row in waiting:
            row.in_doubt_since = self.world.now - QUIET_SECONDS
            self.asked_again.add(row.key)

    @rule(by=index, of=index, statuses=st.sets(st.sampled_from([Status.FAILED, Status.UNKNOWN, Status.NOT_DELIVERED])))
    def retry(self, by: int, of: int, statuses: set[Status]) -> None:
        if self.controls[self.campaign(of)] is Control.CANCELLED:
            return
        again = [row for row in self.rows_of(self.campaign(of)) if row.status in statuses]
        self.events = (Event.RETRIED, Event.LEFT_OUT)
        assert self.do(self.pick(by).ledger.retry(self.campaign(of), frozenset(statuses))) == len(again)
        for row in again:
            row.allowed += row.status is not Status.FAILED
            row.in_doubt_since = None

    @rule(by=index, of=index, control=st.sampled_from([Control.PAUSED, Control.GO, Control.GO, Control.CANCELLED]))
    def control(self, by: int, of: int, control: Control) -> None:
        campaign = self.campaign(of)
        if self.controls[campaign] is not Control.CANCELLED:
            self.events = (Event.LEFT_OUT,)
            self.do(self.pick(by).ledger.control(campaign, control))
            self.controls[campaign] = control

    @rule(seconds=st.sampled_from([0.5, 4.0, 10.5, 40.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.pass_time(seconds)

    @rule(seconds=st.sampled_from([-86_400.0, -5.0, 5.0, 86_400.0]))
    def set_the_wall_clock(self, seconds: float) -> None:
        self.clock.unix += seconds

    @rule(boot=st.uuids(), away=st.sampled_from([20.0, 600.0]), wall=st.sampled_from([-3600.0, 0.0, 3600.0]))
    def boot_again(self, boot: object, away: float, wall: float) -> None:
        for process in self.processes:
            self.do(process.ledger.close())
            self.late += process.hand
        self.reader.close()
        self.world.pass_time(away)
        self.clock.boot_id, self.clock.seconds, self.clock.unix = str(boot), 5.0, self.clock.unix + away + wall
        self.processes = [Process(self.backend.ledger())]
        self.reader = self.backend.reader()

    def rows_of(self, campaign: int) -> list[Row]:
        return [row for row in self.world.rows.values() if row.campaign == campaign]

    def everything(self) -> list[object]:
        return [list(self.reader.rows(campaign)) for campaign in self.controls]

    def refresh(self) -> None:
        """Take the statuses over as the ledger tells them."""
        for campaign in self.controls:
            for row in self.reader.rows(campaign):
                self.world.rows[campaign, row.row].status = row.outcome.status

    @invariant()
    def holds(self) -> None:
        if not self.controls:
            return
        self.refresh()
        after = {key: row.status for key, row in self.world.rows.items()}
        beliefs.changed_as_drawn(self.statuses, after, events=self.events)
        self.statuses, self.events = after, ()
        beliefs.each_has_one_owner(self.world)
        beliefs.one_in_flight_per_pass(self.world, asked_again=self.asked_again)
        beliefs.told_as_it_was(self.world)
        for campaign, control in self.controls.items():
            beliefs.counted_as_listed(self.reader.counts(campaign), list(self.reader.rows(campaign)))
            beliefs.foreseen_as_listed(self.reader.outlook(campaign), self.rows_of(campaign), control=control)
