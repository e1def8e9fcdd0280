"""What processes do that live: claim, send, settle, sooner or later."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from campaign.domain.model import Outcome, Settlement, Skip
from campaign.domain.status import Event, Status
from campaign.domain.verdict import Fault, Reply, Signature, classify
from campaign.ledger.port import DesiredState, Runner
from campaign.sender.attempt import OnUnknown, Policy, settle_attempt
from tests.contract.model_base import MARGIN_SECONDS, QUIET_SECONDS, Model, arrivals, index, some
from tests.contract.world import Sent


class Sending(Model):
    @rule(by=index, of=index)
    def register_runner(self, by: int, of: int) -> None:
        process = self.pick(by)
        if process.runner is None:
            process.sends_until = self.clock.seconds - MARGIN_SECONDS
            process.runner = self.do(process.ledger.register_runner(self.campaign(of), quiet_seconds=QUIET_SECONDS))
            process.sends_until += process.runner.lease_seconds

    @rule(by=index)
    def heartbeat(self, by: int) -> None:
        process = self.pick(by)
        if process.runner is not None and self.do(process.ledger.heartbeat(process.runner, "sending")):
            process.sends_until = self.clock.seconds + process.runner.lease_seconds - MARGIN_SECONDS

    @rule(by=index, limit=some)
    def claim(self, by: int, limit: int) -> None:
        process = self.pick(by)
        if process.runner is None:
            self.register_runner(by, limit)
        assert process.runner is not None
        self.events = (Event.CLAIMED, Event.SKIPPED)
        claims = self.do(process.ledger.claim(process.runner, limit))
        assert len(claims) <= limit
        assert not claims or self.controls[process.runner.campaign] is DesiredState.GO
        for claim in claims:
            row = self.world.rows[claim.campaign, claim.row]
            assert (row.holder, row.campaign) == (None, process.runner.campaign)
            assert claim.fencing_token > row.fencing_token
            row.holder, row.fencing_token = process.runner.id, claim.fencing_token
            process.hand.append(Sent(claim=claim, runner=process.runner.id))

    @rule(by=index, which=index, arrives=arrivals)
    def write(self, by: int, which: int, arrives: float | None) -> None:
        process = self.pick(by)
        unwritten = [sent for sent in process.hand if not sent.written]
        if unwritten and self.clock.seconds < process.sends_until:
            self.world.write(unwritten[which % len(unwritten)], arrives_in_seconds=arrives)

    @rule(by=index, of=index, limit=some, arrives=arrivals, result=st.integers(0, 9), hold=st.booleans())
    def send(self, by: int, of: int, limit: int, arrives: float | None, result: int, *, hold: bool) -> None:
        """What a process mostly does, in one step, so that long stories are told too."""
        self.register_runner(by, of)
        self.claim(by, limit)
        self.holds()
        for _ in range(limit):
            self.write(by, 0, arrives)
        self.settle(by, limit, result, hold=hold)

    @rule(by=index, number=some, result=st.integers(0, 9), hold=st.booleans())
    def settle(self, by: int, number: int, result: int, *, hold: bool) -> None:
        process = self.pick(by)
        if process.runner is None:
            return
        ended, process.hand = process.hand[:number], process.hand[number:]
        settlements = [self.end_of(sent, result, hold=hold) for sent in ended]
        self.events = (Event.SETTLED, Event.SKIPPED)
        late = self.do(process.ledger.settle(process.runner, settlements))
        rows = [self.world.rows[sent.claim.campaign, sent.claim.row] for sent in ended]
        assert late == [sent.claim for sent in ended if not self.is_held(sent)]
        for sent, row, settlement in zip(ended, rows, settlements, strict=True):
            if sent.claim not in late:
                row.holder = None
                waits = settlement.outcome.status is Status.UNKNOWN and settlement.due_in_seconds is not None
                row.unverified_since = self.world.now if waits else None
                row.over_since = self.world.now
        self.late += ended

    def end_of(self, sent: Sent, result: int, *, hold: bool) -> Settlement:
        """One of the ends that this attempt can have had."""
        ambiguous: Reply | Fault = Fault(reason="timeout", written=True) if result % 2 else Reply(http_status=500)
        ends: tuple[Reply | Fault, ...]
        if not sent.written:
            if result == 0:
                outcome = Outcome(status=Status.SKIPPED, reason=Skip.EXPIRED)
                return Settlement(claim=sent.claim, outcome=outcome, counted_attempts=sent.claim.counted_attempts)
            ends = (Fault(reason="connect", written=False),)
        elif sent.arrived:
            ends = (
                Reply(http_status=200, notification_status="delivered"),
                Reply(http_status=200, notification_status="notDelivered"),
                ambiguous,
            )
        elif self.world.may_still_arrive(sent):
            ends = (ambiguous,)
        else:
            api = Signature(documented=True)
            ends = (
                Reply(http_status=404, signature=api),
                Reply(http_status=429, retry_after_seconds=2, signature=api),
                Reply(http_status=401),
                ambiguous,
                ambiguous,
                ambiguous,
            )
        policy = Policy(max_attempts=2, on_unknown=OnUnknown.HOLD if hold else OnUnknown.VERIFY, quiet_seconds=QUIET_SECONDS)
        end = ends[result % len(ends)]
        return settle_attempt(sent.claim, end, classify(end), policy=policy, sent_at=1.0, latency_seconds=0.1, jitter=0.5)

    @rule(by=index, which=st.integers(0, 50), result=st.integers(0, 9))
    def settle_late(self, by: int, which: int, result: int) -> None:
        late = [sent for sent in self.late if not self.is_held(sent)]
        if not late:
            return
        # Best of a row that somebody else holds by now: there an old claim could do most harm.
        held = [sent for sent in late if self.world.rows[sent.claim.campaign, sent.claim.row].holder is not None]
        sent = (held or late)[which % len(held or late)]
        runner = Runner(id=sent.runner, campaign=sent.claim.campaign, lease_seconds=30, quiet_seconds=QUIET_SECONDS)
        before = self.everything()
        assert self.do(self.pick(by).ledger.settle(runner, [self.end_of(sent, result, hold=False)])) == [sent.claim]
        assert self.everything() == before

    @rule(by=index)
    def release(self, by: int) -> None:
        process = self.pick(by)
        unsent = [sent for sent in process.hand if not sent.written]
        if process.runner is not None and unsent:
            self.events = (Event.RELEASED, Event.SKIPPED)
            self.do(process.ledger.release(process.runner, [sent.claim for sent in unsent]))
            process.hand = [sent for sent in process.hand if sent.written]
            self.late += unsent
            for sent in filter(self.is_held, unsent):
                self.world.rows[sent.claim.campaign, sent.claim.row].holder = None

    @rule(by=index, then=index, limit=some)
    def hand_over(self, by: int, then: int, limit: int) -> None:
        """Claims given back and taken by another process: what the first one may still say of them is late."""
        self.claim(by, limit)
        self.holds()
        self.release(by)
        self.holds()
        process, other = self.pick(by), self.pick(then)
        if other.runner is None:
            self.register_runner(then, by if process.runner is None else list(self.controls).index(process.runner.campaign))
        self.claim(then, limit)
