"""Everything that can happen to processes that share a ledger, in any order: rules for hypothesis."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from campaign.domain.status import Event
from tests.contract.model_base import MARGIN_SECONDS, MOST_PROCESSES, QUIET_SECONDS, Process, index
from tests.contract.model_verification import VerificationRules


class LedgerModel(VerificationRules):
    """With deaths, and clocks that jump."""

    @rule(by=index)
    def deregister_runner(self, by: int) -> None:
        process = self.pick(by)
        if process.runner is not None:
            self.events = (Event.LOST,)
            self.do(process.ledger.deregister_runner(process.runner, "interrupted"))
            self.lose({process.runner.id})
            self.nothing_is_read_back_too_soon(process)
            self.late += process.hand
            process.runner, process.hand = None, []

    def lose(self, runners: set[int]) -> int:
        lost = [row for row in self.world.rows.values() if row.holder in runners]
        for row in lost:
            row.holder, row.unverified_since, row.over_since = None, self.world.now, self.world.now
        return len(lost)

    @precondition(lambda self: len(self.processes) > 1)
    @rule(by=index)
    def crash(self, by: int) -> None:
        process = self.pick(by)
        self.do(process.ledger.close())
        self.processes.remove(process)
        self.late += process.hand

    @rule(by=index)
    def reap_dead_runners(self, by: int) -> None:
        process = self.pick(by)
        self.events = (Event.LOST,)
        lost = self.do(process.ledger.reap_dead_runners(quiet_seconds=QUIET_SECONDS))
        alive = {other.runner.id for other in self.processes if other.runner is not None and (other is process or self.is_leased(other))}
        alive |= {runner for runner, until in self.of_an_earlier_boot.items() if self.world.now <= until}
        holders = {row.holder for row in self.world.rows.values() if row.holder is not None}
        assert self.lose(holders - alive) == lost
        self.nothing_is_read_back_too_soon(process)

    def is_leased(self, process: Process) -> bool:
        return self.clock.seconds <= process.sends_until + MARGIN_SECONDS

    @rule(boot=st.uuids(), away=st.sampled_from([20.0, 600.0]), wall=st.sampled_from([-3600.0, 0.0, 3600.0]))
    def boot_again(self, boot: object, away: float, wall: float) -> None:
        for process in self.processes:
            self.do(process.ledger.close())
            self.late += process.hand
            if process.runner is not None and not self.backend.knows_the_dead_of_an_earlier_boot:
                left = process.sends_until + MARGIN_SECONDS - self.clock.seconds
                self.of_an_earlier_boot[process.runner.id] = self.world.now + left
        self.reader.close()
        self.world.pass_time(away)
        self.clock.boot_again(str(boot), away_seconds=away, wall_seconds=wall)
        self.processes = [Process(self.backend.ledger())]
        self.reader = self.backend.reader()

    @rule(seconds=st.sampled_from([-86_400.0, -5.0, 5.0, 86_400.0]))
    def set_the_wall_clock(self, seconds: float) -> None:
        """Also for a process that begins after it: the ledger's time goes on for both."""
        self.clock.unix += seconds
        if len(self.processes) < MOST_PROCESSES:
            self.another_process()
            self.reap_dead_runners(len(self.processes) - 1)
