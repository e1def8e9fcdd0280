"""What is done about unverified rows, by processes and by people."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from campaign.domain.retry_selection import Selection
from campaign.domain.status import OPEN, Event, Status
from campaign.domain.verdict import Latest, PassReading, Resolution, read_back
from campaign.ledger.port import DesiredState, UnverifiedRow
from tests.contract.model_base import QUIET_SECONDS, Process, failures, index, some
from tests.contract.model_sending import Sending


class VerificationRules(Sending):
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
        """Whatever is read for a claim that was made again, or whose row is not unverified any more, changes nothing."""
        rows = {id(unverified): self.world.rows[unverified.claim.campaign, unverified.claim.row] for unverified in self.old_unverified}
        late = [
            unverified
            for unverified in self.old_unverified
            if rows[id(unverified)].fencing_token != unverified.claim.fencing_token or rows[id(unverified)].status is not Status.UNKNOWN
        ]
        unknown = [unverified for unverified in late if rows[id(unverified)].status is Status.UNKNOWN]
        if late:
            unverified, before = (unknown or late)[which % len(unknown or late)], self.everything()
            assert not self.do(self.pick(by).ledger.record_verification(unverified, Resolution(status=status), again_in_seconds=None))
            assert self.everything() == before

    @rule(by=index, of=index, limit=some)
    def look(self, by: int, of: int, limit: int) -> None:
        self.claim_unverified += self.taken(self.pick(by), self.campaign(of), limit)

    def taken(self, process: Process, campaign: int, limit: int) -> list[tuple[UnverifiedRow, PassReading | None]]:
        rows = self.do(process.ledger.claim_unverified(campaign, limit))
        for unverified in rows:
            since = self.world.rows[unverified.claim.campaign, unverified.claim.row].unverified_since
            assert since is not None
            assert self.world.now - since >= QUIET_SECONDS - 1e-6
        self.old_unverified += rows
        return [(unverified, None) for unverified in rows]

    def nothing_is_read_back_too_soon(self, process: Process) -> None:
        for campaign in self.controls:
            self.claim_unverified += self.taken(process, campaign, 9)

    @precondition(lambda self: self.claim_unverified)
    @rule(which=index, fails=failures)
    def read(self, which: int, fails: Latest | None) -> None:
        place = which % len(self.claim_unverified)
        unverified, _ = self.claim_unverified[place]
        reading = PassReading(latest=fails) if fails else self.world.read(unverified.claim.pass_id)
        self.claim_unverified[place] = (unverified, reading)

    @precondition(lambda self: self.claim_unverified)
    @rule(by=index, which=index)
    def record_verification(self, by: int, which: int) -> None:
        unverified, reading = self.claim_unverified.pop(which % len(self.claim_unverified))
        if reading is None:
            return
        conclusion = read_back(
            reading,
            message=unverified.claim.message,
            sent_before=unverified.sent_before,
            last_before=unverified.last_before,
            baseline=unverified.baseline,
        )
        self.record(by, unverified, conclusion, again=5.0 if reading.latest is Latest.UNREADABLE else None)

    def record(self, by: int, unverified: UnverifiedRow, conclusion: Resolution, *, again: float | None) -> None:
        self.events = (Event.READ_BACK, Event.SKIPPED)
        row = self.world.rows[unverified.claim.campaign, unverified.claim.row]
        if self.do(self.pick(by).ledger.record_verification(unverified, conclusion, again_in_seconds=again)):
            assert row.fencing_token == unverified.claim.fencing_token
            again = again if conclusion.status is Status.UNKNOWN else None
            row.unverified_since = None if again is None else self.world.now + again - QUIET_SECONDS

    @rule(by=index, of=index)
    def reschedule_verification(self, by: int, of: int) -> None:
        waiting = [row for row in self.rows_of(self.campaign(of)) if row.status is Status.UNKNOWN and row.unverified_since is None]
        assert self.do(self.pick(by).ledger.reschedule_verification(self.campaign(of))) == len(waiting)
        for row in waiting:
            row.unverified_since = max(self.world.now - QUIET_SECONDS, row.over_since)
            self.asked_again.add(row.key)

    @rule(by=index, of=index, statuses=st.sets(st.sampled_from([Status.FAILED, Status.UNKNOWN, Status.NOT_DELIVERED])))
    def retry(self, by: int, of: int, statuses: set[Status]) -> None:
        if self.controls[self.campaign(of)] is DesiredState.CANCELLED:
            return
        attempts, before = self.attempts_of(self.campaign(of)), self.retries.get(self.campaign(of))
        again = [
            row
            for row in self.rows_of(self.campaign(of))
            if row.status in statuses and row.unverified_since is None and (before is None or attempts[row.row] == before[row.row])
        ]
        if again:
            self.retries.setdefault(self.campaign(of), attempts)
        self.events = (Event.RETRIED, Event.SKIPPED)
        assert self.do(self.pick(by).ledger.retry(self.campaign(of), Selection(statuses=frozenset(statuses)))) == len(again)
        for row in again:
            row.allowed += row.status is not Status.FAILED
            row.unverified_since = None

    @rule(by=index, of=index)
    def end_retry(self, by: int, of: int) -> None:
        self.do(self.pick(by).ledger.end_retry(self.campaign(of)))
        attempts = Counter(row.row for row in self.reader.rows(self.campaign(of)) if row.outcome.attempts)
        left = [
            row
            for row in self.rows_of(self.campaign(of))
            if attempts[row.row] and (row.status in OPEN or (row.status is Status.UNKNOWN and row.unverified_since is not None))
        ]
        if not left:
            self.retries.pop(self.campaign(of), None)

    def attempts_of(self, campaign: int) -> Counter[int]:
        return Counter(row for part in self.reader.attempt_columns(campaign) for row in part.row)

    @rule(by=index, of=index, desired_state=st.sampled_from([DesiredState.PAUSED, *[DesiredState.GO] * 8, DesiredState.CANCELLED]))
    def control(self, by: int, of: int, desired_state: DesiredState) -> None:
        campaign = self.campaign(of)
        if self.controls[campaign] is not DesiredState.CANCELLED:
            self.events = (Event.SKIPPED,)
            self.do(self.pick(by).ledger.set_desired_state(campaign, desired_state))
            self.controls[campaign] = desired_state
