"""What is done about doubts, by processes and by people."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from campaign.domain.retry_selection import Selection
from campaign.domain.status import Event, Status
from campaign.domain.verdict import Latest, PassReading, Resolution, read_back
from campaign.ledger.port import DesiredState, UnverifiedRow
from tests.contract.model_base import QUIET_SECONDS, Process, failures, index, some
from tests.contract.model_sending import Sending


class Doubts(Sending):
    @rule(by=index, fails=failures)
    def verify(self, by: int, fails: Latest | None) -> None:
        """What is to be read back is, in one step; another process has looked as well, and concludes later."""
        self.time_passes(QUIET_SECONDS + 0.5)
        others = len(self.claim_unverified)
        for campaign in self.controls:
            self.claim_unverified += self.taken(self.pick(by), campaign, 4)
        first = len(self.claim_unverified) - others
        self.look(by, 0, 4)
        for _ in range(first):
            self.read(others, fails)
            self.record_verification(by, others)
            self.holds()

    @rule(by=index, which=st.integers(0, 50), status=st.sampled_from([Status.PENDING, Status.ACCEPTED, Status.UNKNOWN]))
    def conclude_late(self, by: int, which: int, status: Status) -> None:
        """Whatever is read for a claim that was made again, or whose row is in no doubt any more, changes nothing."""
        rows = {id(doubt): self.world.rows[doubt.claim.campaign, doubt.claim.row] for doubt in self.old_doubts}
        late = [
            doubt
            for doubt in self.old_doubts
            if rows[id(doubt)].fencing_token != doubt.claim.fencing_token or rows[id(doubt)].status is not Status.UNKNOWN
        ]
        unknown = [doubt for doubt in late if rows[id(doubt)].status is Status.UNKNOWN]
        if late:
            doubt, before = (unknown or late)[which % len(unknown or late)], self.everything()
            assert not self.do(self.pick(by).ledger.record_verification(doubt, Resolution(status=status), again_in_seconds=None))
            assert self.everything() == before

    @rule(by=index, of=index, limit=some)
    def look(self, by: int, of: int, limit: int) -> None:
        self.claim_unverified += self.taken(self.pick(by), self.campaign(of), limit)

    def taken(self, process: Process, campaign: int, limit: int) -> list[tuple[UnverifiedRow, PassReading | None]]:
        doubts = self.do(process.ledger.claim_unverified(campaign, limit))
        for doubt in doubts:
            since = self.world.rows[doubt.claim.campaign, doubt.claim.row].in_doubt_since
            assert since is not None
            assert self.world.now - since >= QUIET_SECONDS - 1e-6
        self.old_doubts += doubts
        return [(doubt, None) for doubt in doubts]

    def nothing_is_read_back_too_soon(self, process: Process) -> None:
        for campaign in self.controls:
            self.claim_unverified += self.taken(process, campaign, 9)

    @precondition(lambda self: self.claim_unverified)
    @rule(which=index, fails=failures)
    def read(self, which: int, fails: Latest | None) -> None:
        place = which % len(self.claim_unverified)
        doubt, _ = self.claim_unverified[place]
        reading = PassReading(latest=fails) if fails else self.world.read(doubt.claim.pass_id)
        self.claim_unverified[place] = (doubt, reading)

    @precondition(lambda self: self.claim_unverified)
    @rule(by=index, which=index)
    def record_verification(self, by: int, which: int) -> None:
        doubt, reading = self.claim_unverified.pop(which % len(self.claim_unverified))
        if reading is None:
            return
        conclusion = read_back(
            reading, message=doubt.claim.message, sent_before=doubt.sent_before, last_before=doubt.last_before, baseline=doubt.baseline
        )
        self.record(by, doubt, conclusion, again=5.0 if reading.latest is Latest.UNREADABLE else None)

    def record(self, by: int, doubt: UnverifiedRow, conclusion: Resolution, *, again: float | None) -> None:
        self.events = (Event.READ_BACK, Event.SKIPPED)
        row = self.world.rows[doubt.claim.campaign, doubt.claim.row]
        if self.do(self.pick(by).ledger.record_verification(doubt, conclusion, again_in_seconds=again)):
            assert row.fencing_token == doubt.claim.fencing_token
            again = again if conclusion.status is Status.UNKNOWN else None
            row.in_doubt_since = None if again is None else self.world.now + again - QUIET_SECONDS

    @rule(by=index, of=index)
    def reschedule_verification(self, by: int, of: int) -> None:
        waiting = [row for row in self.rows_of(self.campaign(of)) if row.status is Status.UNKNOWN and row.in_doubt_since is None]
        assert self.do(self.pick(by).ledger.reschedule_verification(self.campaign(of))) == len(waiting)
        for row in waiting:
            row.in_doubt_since = max(self.world.now - QUIET_SECONDS, row.over_since)
            self.asked_again.add(row.key)

    @rule(by=index, of=index, statuses=st.sets(st.sampled_from([Status.FAILED, Status.UNKNOWN, Status.NOT_DELIVERED])))
    def retry(self, by: int, of: int, statuses: set[Status]) -> None:
        if self.controls[self.campaign(of)] is DesiredState.CANCELLED:
            return
        again = [row for row in self.rows_of(self.campaign(of)) if row.status in statuses and row.in_doubt_since is None]
        self.events = (Event.RETRIED, Event.SKIPPED)
        assert self.do(self.pick(by).ledger.retry(self.campaign(of), Selection(statuses=frozenset(statuses)))) == len(again)
        for row in again:
            row.allowed += row.status is not Status.FAILED
            row.in_doubt_since = None

    @rule(by=index, of=index, desired_state=st.sampled_from([DesiredState.PAUSED, *[DesiredState.GO] * 8, DesiredState.CANCELLED]))
    def control(self, by: int, of: int, desired_state: DesiredState) -> None:
        campaign = self.campaign(of)
        if self.controls[campaign] is not DesiredState.CANCELLED:
            self.events = (Event.SKIPPED,)
            self.do(self.pick(by).ledger.set_desired_state(campaign, desired_state))
            self.controls[campaign] = desired_state
