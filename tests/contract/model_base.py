"""Processes that share a ledger, and what a model test knows of them; the rules that say what happens stand beside this."""

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

from campaign.domain.model import Outcome, StagedRow
from campaign.domain.status import Event, Status
from campaign.domain.verdict import Latest, PassReading
from campaign.ledger.port import DesiredState, Ledger, LedgerReader, Runner, UnverifiedRow
from tests.contract import beliefs
from tests.contract.backends import Backend, HandClock
from tests.contract.given import spec
from tests.contract.world import LATEST_ARRIVAL_SECONDS, Row, RowKey, Sent, World

T = TypeVar("T")
QUIET_SECONDS = 10.0
MARGIN_SECONDS = 5.0
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - where a sync costs nothing; that it is durable is tested elsewhere
MOST_CAMPAIGNS = 3
MOST_PROCESSES = 3
SENT_BEFORE = frozenset({Status.DELIVERED, Status.NOT_DELIVERED, Status.ACCEPTED})

passes = st.sampled_from("AB")
texts = st.sampled_from(["Hello", "Sale"])
staged_statuses = st.sampled_from(
    [Status.PENDING] * 9 + [Status.FAILED, Status.FAILED, Status.DELIVERED, Status.UNKNOWN, Status.INVALID, Status.SKIPPED]
)
lists = st.lists(st.tuples(passes, texts, staged_statuses), min_size=2, max_size=4)
arrivals = st.sampled_from([0.0, 0.0, None, None, 1.0, LATEST_ARRIVAL_SECONDS])
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


class Model(RuleBasedStateMachine):
    """`open_backend` makes a store in a folder; a subclass sets it."""

    open_backend: Callable[[Path, HandClock], Backend]

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        self.loop = self.cleanup.enter_context(asyncio.Runner())
        folder = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None)))
        self.clock = HandClock()
        self.backend = type(self).open_backend(folder, self.clock)
        self.world = World()
        self.processes: list[Process] = []
        self.controls: dict[int, DesiredState] = {}
        self.late: list[Sent] = []
        self.of_an_earlier_boot: dict[int, float] = {}
        self.claim_unverified: list[tuple[UnverifiedRow, PassReading | None]] = []
        self.old_unverified: list[UnverifiedRow] = []
        self.asked_again: set[RowKey] = set()
        self.retries: dict[int, Counter[int]] = {}
        self.events: tuple[Event, ...] = ()
        self.statuses: dict[RowKey, Status] = {}
        self.reader: LedgerReader

    def teardown(self) -> None:
        self.do(self.backend.close())
        self.cleanup.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def pick(self, number: int) -> Process:
        return self.processes[number % len(self.processes)]

    def campaign(self, number: int) -> int:
        return list(self.controls)[number % len(self.controls)]

    @initialize(rows=lists)
    def begin(self, rows: list[tuple[str, str, Status]]) -> None:
        self.processes += [Process(self.backend.ledger()), Process(self.backend.ledger())]
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
        self.controls[record.id] = DesiredState.GO
        for one in staged:
            row = Row(campaign=record.id, row=one.row, pass_key=one.pass_key, message=one.message, status=one.outcome.status)
            self.world.rows[row.key] = row
            if row.status in SENT_BEFORE:
                self.world.held_before(row)
        self.refresh()
        pending = [row.pass_key for row in self.rows_of(record.id) if row.status is Status.PENDING]
        assert len(pending) == len(set(pending))

    def rows_of(self, campaign: int) -> list[Row]:
        return [row for row in self.world.rows.values() if row.campaign == campaign]

    def everything(self) -> list[object]:
        return [list(self.reader.rows(campaign)) for campaign in self.controls]

    def refresh(self) -> None:
        """Take the statuses over as the ledger tells them."""
        for campaign in self.controls:
            for row in self.reader.rows(campaign):
                self.world.rows[campaign, row.row].status = row.outcome.status

    def is_held(self, sent: Sent) -> bool:
        row = self.world.rows[sent.claim.campaign, sent.claim.row]
        return (row.holder, row.fencing_token) == (sent.runner, sent.claim.fencing_token)

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
        for campaign, desired_state in self.controls.items():
            beliefs.counted_as_listed(self.reader.counts(campaign), list(self.reader.rows(campaign)))
            beliefs.foreseen_as_listed(self.reader.pending_work(campaign), self.rows_of(campaign), desired_state=desired_state)

    @rule(seconds=st.sampled_from([0.5, 4.0, 10.5, 40.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.pass_time(seconds)
