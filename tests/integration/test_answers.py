"""Answers that do not say what became of the message, refusals of one row or of all, and answers of somebody else.

The simulator's audit decides what was sent.
"""

import asyncio
from collections import Counter
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import pytest

from campaign.domain.failure_guard import FIRST_REFUSED, FOREIGN_ANSWERS, FOREIGN_SENDS, MOST_REFUSED
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.domain.verdict import EARLIER_ATTEMPT, Evidence, Latest, PassReading, Reply, Signature, rule_of
from campaign.domain.verdict import Fault as Failure
from campaign.ledger.port import CampaignRecord
from campaign.sender.api.gateway import HttpGateway
from campaign.sender.attempt import OnUnknown, Policy
from campaign.sender.port import InFlight
from campaign.sender.readback.verify import MOST_READS
from campaign.sender.settings import UNPACED_WORKERS
from campaign.sender.stop import StopReason
from campaign.simulator.config import Latency
from campaign.simulator.faults import Fault
from tests.integration.pool_given import Rig, passes, rig

TOKEN = "token"
BY_GATEWAYS = tuple(
    status
    for status in (*range(300, 309), *range(401, 600))
    if rule_of(status).proof in {Evidence.AMBIGUOUS, Evidence.ROW_OR_ALL, Evidence.THROTTLED}
)
REFUSALS = tuple(status for status in range(400, 500) if rule_of(status).proof in {Evidence.REFUSED, Evidence.THROTTLED})


def posts(given: Rig) -> list[str | None]:
    return [request.id for request in given.simulator.requests() if request.method == "POST"]


def count(given: Rig, record: CampaignRecord, status: Status) -> int:
    return given.reader.counts(record.id).by_status[status]


class TestTaken:
    async def test_a_message_that_was_taken_before_another_answered_is_never_sent_again(self, tmp_path: Path) -> None:
        statuses = (401, *BY_GATEWAYS)
        async with rig(tmp_path, faults={Fault.TAKEN_THEN: 0.5, Fault.BLOCKED: 0.1}, taken_then=statuses) as given:
            record = await given.campaign(*passes(600))
            end = await given.send(record, policy=Policy(quiet_seconds=0.6, max_attempts=50))
            assert end.ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(600), 1)
            assert {status for status, _ in given.statuses(record).values()} == {"delivered", "accepted"}
            seen = {request.status for request in given.simulator.requests() if request.fault == "taken_then"}
            assert len(seen) > len(statuses) / 2

    async def test_a_gateways_own_refusal_is_none_though_other_messages_are_accepted(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults={Fault.TAKEN_THEN: 0.3}, taken_then=REFUSALS) as given:
            record = await given.campaign(*passes(200))
            assert (await given.send(record, rate_per_second=400.0)).ended is StopReason.FINISHED
            assert count(given, record, Status.DELIVERED) + count(given, record, Status.ACCEPTED) == 200
            given.simulator.configure(faults={})
            await given.ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED})))
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(200), 1)


class TestSentAgainThoughUnknown:
    @pytest.mark.parametrize("again", ["policy", "person"])
    @pytest.mark.parametrize("then", [Fault.NOT_FOUND, Fault.UNPROCESSABLE])
    async def test_a_refusal_does_not_hide_that_an_earlier_attempt_may_have_arrived(self, tmp_path: Path, again: str, then: Fault) -> None:
        async with rig(tmp_path, faults={Fault.CUT_AFTER: 1.0}) as given:
            record = await given.campaign("a", "b")
            policy = Policy(on_unknown=OnUnknown.RESEND if again == "policy" else OnUnknown.HOLD)
            await given.send(record, policy=policy, limit=2)
            if again == "person":
                assert await given.ledger.retry(record.id, Selection(statuses=frozenset({Status.UNKNOWN}))) == 2
            given.simulator.configure(faults={then: 1.0})
            assert (await given.send(record, policy=policy)).ended is StopReason.FINISHED
            assert set(given.statuses(record).values()) == {("unknown", EARLIER_ATTEMPT)}
            # What `retry` sends again by itself.
            assert await given.ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED}))) == 0
            assert given.processed() == {"a": 1, "b": 1}

    async def test_a_row_that_was_shown_not_to_have_arrived_fails_like_any_other(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults={Fault.CUT_BEFORE: 1.0}) as given:
            record = await given.campaign("a")
            assert (await given.send(record, limit=1)).ended is StopReason.LIMIT
            given.simulator.configure(faults={Fault.NOT_FOUND: 1.0})
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.statuses(record) == {"a": ("failed", "http_404")}


class TestForbiddenPasses:
    @pytest.mark.parametrize(
        ("forbidden", "rate_per_second"),
        [
            ({0}, None),
            ({50}, 300.0),
            ({99}, None),
            ({0, 1, 2, 3, 4, 50, 95, 96, 97, 98, 99}, 300.0),
            ({0, 1, 2, 3, 4, 50, 95, 96, 97, 98, 99}, None),
            (set(range(0, 100, 5)), 300.0),
        ],
        ids=str,
    )
    async def test_a_pass_of_somebody_else_fails_alone(self, tmp_path: Path, forbidden: set[int], rate_per_second: float | None) -> None:
        theirs = frozenset(one for number, one in enumerate(passes(100)) if number in forbidden)
        async with rig(tmp_path, timeout_seconds=10.0, forbidden=theirs) as given:
            record = await given.campaign(*passes(100))
            end = await given.send(record, rate_per_second=rate_per_second)
            assert (end.ended, end.why) == (StopReason.FINISHED, "")
            found = given.statuses(record)
            assert found == {one: ("failed", "forbidden") if one in theirs else ("delivered", "") for one in passes(100)}
            tries = Counter(posts(given))
            assert max(tries.values()) <= 2
            assert tries.total() <= 100 + len(forbidden)

    @pytest.mark.parametrize("runs_before", [0, 1])
    async def test_any_number_that_is_all_that_is_left_fails_in_one_run(self, tmp_path: Path, runs_before: int) -> None:
        theirs = frozenset(passes(200)[100:])
        async with rig(tmp_path, timeout_seconds=10.0, forbidden=theirs) as given:
            record = await given.campaign(*passes(200))
            if runs_before:
                assert (await given.send(record, limit=100)).ended is StopReason.LIMIT
            end = await given.send(record, rate_per_second=200.0)
            assert (end.ended, end.why) == (StopReason.FINISHED, "")
            assert given.reader.counts(record.id).reasons(Status.FAILED) == {"forbidden": 100}
            tries = Counter(posts(given))
            assert {tries[one] for one in theirs} == {1}
            assert given.processed() == dict.fromkeys(passes(100), 1)

    async def test_passes_that_can_be_read_and_not_sent_to_fail_alone_too(self, tmp_path: Path) -> None:
        async with rig(tmp_path, timeout_seconds=10.0) as given:
            theirs = set(passes(100)[5::20])
            given.gateway = refusing_messages_to(theirs)
            record = await given.campaign(*passes(100))
            assert (await given.send(record, rate_per_second=200.0)).ended is StopReason.FINISHED
            assert {one for one, outcome in given.statuses(record).items() if outcome == ("failed", "forbidden")} == theirs
            assert given.processed() == dict.fromkeys(set(passes(100)) - theirs, 1)

    async def test_with_baselines_too_any_number_that_is_all_that_is_left_fails_in_one_run(self, tmp_path: Path) -> None:
        theirs = frozenset(passes(100)[50:])
        async with rig(tmp_path, timeout_seconds=10.0, forbidden=theirs) as given:
            record = await given.campaign(*passes(100))
            assert (await given.send(record, rate_per_second=200.0, baseline=True)).ended is StopReason.FINISHED
            assert given.reader.counts(record.id).reasons(Status.FAILED) == {"forbidden": 50}
            assert given.processed() == dict.fromkeys(passes(50), 1)

    @pytest.mark.parametrize("rate_per_second", [None, 200.0])
    async def test_a_firewalls_refusal_after_the_message_was_taken_is_not_sent_again_by_itself(
        self, tmp_path: Path, rate_per_second: float | None
    ) -> None:
        async with rig(tmp_path, timeout_seconds=10.0) as given:
            given.gateway = _TakingAndForbidding
            record = await given.campaign(*passes(100))
            assert (await given.send(record, rate_per_second=rate_per_second)).ended is StopReason.FINISHED
            assert count(given, record, Status.ACCEPTED) == len(passes(100)[2::9])
            assert given.processed() == dict.fromkeys(passes(100), 1)

    @pytest.mark.parametrize("reads", [True, False])
    async def test_a_firewalls_refusal_of_every_message_that_was_taken_sends_none_again(self, tmp_path: Path, *, reads: bool) -> None:
        async with rig(tmp_path, timeout_seconds=10.0) as given:
            given.gateway = _TakingAndForbiddingAll if reads else _TakingAndForbiddingAllAndReads
            record = await given.campaign(*passes(3))
            for _ in range(3):
                await given.send(record, policy=Policy(quiet_seconds=0.1))
            assert given.processed() == dict.fromkeys(passes(3), 1)
            assert count(given, record, Status.ACCEPTED if reads else Status.UNKNOWN) == 3

    async def test_several_runners_that_hold_refusals_at_once_fail_just_these_rows(self, tmp_path: Path) -> None:
        theirs = frozenset(passes(240)[::6])
        async with rig(tmp_path, timeout_seconds=10.0, forbidden=theirs, latency=Latency(low_seconds=0.01, high_seconds=0.05)) as given:
            record = await given.campaign(*passes(240))
            ends = await asyncio.gather(*(given.send(record, rate_per_second=200.0) for _ in range(3)))
            assert {end.ended for end in ends} == {StopReason.FINISHED}
            assert {one for one, outcome in given.statuses(record).items() if outcome == ("failed", "forbidden")} == theirs
            assert given.processed() == dict.fromkeys(set(passes(240)) - theirs, 1)

    async def test_a_runner_that_dies_with_refusals_undecided_leaves_them_to_a_person_and_nothing_is_sent_twice(
        self, tmp_path: Path
    ) -> None:
        theirs = frozenset(passes(40)[:5])
        async with rig(tmp_path, timeout_seconds=10.0, forbidden=theirs, latency=Latency(low_seconds=0.3, high_seconds=0.3)) as given:
            record = await given.campaign(*passes(40))
            sending = given.start(record, rate_per_second=50.0)
            await given.until(lambda: sum(request.status == 403 for request in given.simulator.requests()) >= 5)
            sending.cancel()
            await asyncio.wait([sending])
            assert count(given, record, Status.FAILED) == 0
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert {given.statuses(record)[one][0] for one in theirs} <= {"unknown", "failed"}
            assert given.processed() == dict.fromkeys(set(passes(40)) - theirs, 1)

    async def test_any_number_among_others_fail_though_their_passes_can_be_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also if they are all that is left, and are sent again at once."""
        monkeypatch.setattr("campaign.domain.pace.pacing.clamp", lambda *_: 0.0)
        theirs = set(passes(100)[-40::2])
        async with rig(tmp_path, timeout_seconds=10.0, latency=Latency(low_seconds=0.2, high_seconds=0.2)) as given:
            given.gateway = refusing_messages_to(theirs)
            record = await given.campaign(*passes(100))
            assert (await given.send(record, limit=100, rate_per_second=200.0)).ended is StopReason.LIMIT
            assert (await given.send(record, rate_per_second=200.0)).ended is StopReason.FINISHED
            assert {given.statuses(record)[one] for one in theirs} == {("failed", "forbidden")}
            assert given.processed() == dict.fromkeys(set(passes(100)) - theirs, 1)

    async def test_alone_in_a_run_it_fails_if_the_token_is_let_in_elsewhere(self, tmp_path: Path) -> None:
        async with rig(tmp_path, timeout_seconds=10.0, forbidden=frozenset({"theirs"})) as given:
            record = await given.campaign("ours", "theirs")
            assert (await given.send(record, limit=1)).ended is StopReason.LIMIT
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.statuses(record)["theirs"] == ("failed", "forbidden")
            await given.ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED})))
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.statuses(record)["theirs"] == ("failed", "forbidden")

    async def test_a_limit_does_not_leave_it_undecided(self, tmp_path: Path) -> None:
        async with rig(tmp_path, timeout_seconds=10.0, forbidden=frozenset({"theirs"})) as given:
            record = await given.campaign("ours", "theirs", "more")
            assert (await given.send(record, limit=2)).ended is StopReason.LIMIT
            assert given.statuses(record) == {"ours": ("delivered", ""), "theirs": ("failed", "forbidden"), "more": ("pending", "")}

    async def test_where_nothing_tells_whose_it_is_it_is_tried_as_often_as_any_row(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("campaign.domain.pace.pacing.clamp", lambda *_: 0.0)
        async with rig(tmp_path, timeout_seconds=10.0, forbidden=frozenset({"theirs"}), faults={Fault.READ_ERROR: 1.0}) as given:
            record = await given.campaign("ours", "theirs")
            end = await given.send(record, policy=Policy(quiet_seconds=0.6, max_attempts=3))
            assert end.ended is StopReason.FINISHED
            assert given.statuses(record) == {"ours": ("delivered", ""), "theirs": ("failed", "forbidden")}
            assert posts(given).count("theirs") == 3
            assert given.rows(record)["theirs"].outcome.attempts == 3


class TestForbiddenToken:
    async def test_from_the_first_answer_on_it_stops_the_run_and_leaves_every_row(self, tmp_path: Path) -> None:
        async with rig(tmp_path, timeout_seconds=10.0, forbidden_tokens=frozenset({TOKEN})) as given:
            record = await given.campaign(*passes(100))
            end = await given.send(record, rate_per_second=50.0, concurrency=2)
            assert end.ended is StopReason.SAFEGUARD
            assert "PASSENTRY_API_KEY" in end.why
            assert count(given, record, Status.PENDING) == 100
            assert FIRST_REFUSED <= len(posts(given)) <= FIRST_REFUSED + 2

    @pytest.mark.parametrize("rows", [1, 3])
    async def test_a_list_too_short_to_tell_stops_as_soon_as_all_of_it_was_refused(self, tmp_path: Path, rows: int) -> None:
        async with rig(tmp_path, timeout_seconds=10.0, forbidden_tokens=frozenset({TOKEN})) as given:
            record = await given.campaign(*passes(rows))
            end = await given.send(record)
            assert end.ended is StopReason.SAFEGUARD
            assert count(given, record, Status.PENDING) == rows
            assert len(posts(given)) == rows

    # With a hundred rows left the last answers tell, with three nothing does but a try.
    @pytest.mark.parametrize(("left", "rate_per_second"), [(100, None), (100, 200.0), (3, 200.0), (1, None)])
    async def test_revoked_on_the_way_it_fails_no_row_and_the_rest_is_sent_once_it_is_let_in_again(
        self, tmp_path: Path, left: int, rate_per_second: float | None
    ) -> None:
        async with rig(tmp_path, timeout_seconds=10.0) as given:
            record = await given.campaign(*passes(60 + left))
            assert (await given.send(record, limit=60)).ended is StopReason.LIMIT
            given.simulator.configure(forbidden_tokens=frozenset({TOKEN}))
            end = await given.send(record, rate_per_second=rate_per_second)
            assert end.ended is StopReason.SAFEGUARD
            assert count(given, record, Status.FAILED) == 0
            assert count(given, record, Status.PENDING) == left
            given.simulator.configure(forbidden_tokens=frozenset())
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(60 + left), 1)
            assert count(given, record, Status.DELIVERED) == 60 + left

    async def test_revoked_in_the_middle_of_a_run_with_many_under_way(self, tmp_path: Path) -> None:
        async with rig(tmp_path, timeout_seconds=10.0, latency=Latency(low_seconds=0.01, high_seconds=0.2)) as given:
            record = await given.campaign(*passes(400))
            sending = given.start(record, rate_per_second=300.0)
            await given.until(lambda: len(given.processed()) >= 150)
            given.simulator.configure(forbidden_tokens=frozenset({TOKEN}))
            end = await sending
            assert end.ended is StopReason.SAFEGUARD
            assert count(given, record, Status.FAILED) == 0
            assert count(given, record, Status.DELIVERED) == len(given.processed())
            assert count(given, record, Status.PENDING) == 400 - len(given.processed())
            refused = [request for request in given.simulator.requests() if request.status == 403]
            assert len(refused) < MOST_REFUSED + 100
            given.simulator.configure(forbidden_tokens=frozenset())
            await given.send(record)
            assert given.processed() == dict.fromkeys(passes(400), 1)

    @pytest.mark.parametrize(("rows", "refused"), [(300, 1), (300, 2), (300, 8), (54, 2)])
    async def test_refused_for_a_moment_only_it_fails_no_row(self, tmp_path: Path, rows: int, refused: int) -> None:
        async with rig(tmp_path, timeout_seconds=10.0, latency=Latency(low_seconds=0.01, high_seconds=0.02)) as given:
            record = await given.campaign(*passes(rows))
            sending = given.start(record, rate_per_second=100.0)
            await given.until(lambda: len(given.processed()) >= 50)
            given.simulator.configure(forbidden_tokens=frozenset({TOKEN}))
            await given.until(lambda: sum(request.status == 403 for request in given.simulator.requests()) >= refused)
            given.simulator.configure(forbidden_tokens=frozenset())
            assert (await sending).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(rows), 1)

    @pytest.mark.parametrize("left", [FIRST_REFUSED, 30, 100])
    async def test_a_token_that_may_read_and_not_send_any_more_stops_the_run_and_leaves_every_row(self, tmp_path: Path, left: int) -> None:
        async with rig(tmp_path, timeout_seconds=10.0) as given:
            given.gateway = refusing_messages_to(set(passes(60 + left)[60:]))
            record = await given.campaign(*passes(60 + left))
            assert (await given.send(record, rate_per_second=200.0)).ended is StopReason.SAFEGUARD
            assert count(given, record, Status.PENDING) == left
            given.gateway = HttpGateway
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(60 + left), 1)

    async def test_refused_with_several_runners_at_work_it_stops_them_all_and_fails_no_row(self, tmp_path: Path) -> None:
        async with rig(tmp_path, timeout_seconds=10.0) as given:
            record = await given.campaign(*passes(400))
            sending = [given.start(record, rate_per_second=200.0) for _ in range(3)]
            await given.until(lambda: len(given.processed()) >= 50)
            given.simulator.configure(forbidden_tokens=frozenset({TOKEN}))
            assert {(await one).ended for one in sending} == {StopReason.SAFEGUARD}
            assert count(given, record, Status.FAILED) == 0
            given.simulator.configure(forbidden_tokens=frozenset())
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(400), 1)

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_proxys_own_answer_to_a_reading_says_nothing_of_the_token(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
    ) -> None:
        monkeypatch.setattr("campaign.domain.pace.pacing.clamp", lambda *_: 0.0)
        async with rig(tmp_path, timeout_seconds=10.0, forbidden=frozenset({"theirs"})) as given:
            given.gateway = _answering_reads(PassReading(latest=Latest.UNREADABLE, http_status=status))
            record = await given.campaign("ours", "theirs")
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.statuses(record) == {"ours": ("delivered", ""), "theirs": ("failed", "forbidden")}

    async def test_a_run_that_ends_before_it_is_known_leaves_the_row_pending(self, tmp_path: Path) -> None:
        async with rig(
            tmp_path, timeout_seconds=10.0, forbidden=frozenset({"theirs"}), latency=Latency(low_seconds=0.5, high_seconds=0.5)
        ) as given:
            record = await given.campaign("theirs", *passes(50))
            sending = given.start(record, rate_per_second=20.0)
            await given.until(lambda: bool([1 for request in given.simulator.requests() if request.status == 403]))
            given.stop.set()
            assert (await sending).ended is StopReason.INTERRUPTED
            status, _ = given.statuses(record)["theirs"]
            assert status == "pending"
            assert count(given, record, Status.SENDING) == 0


class TestSomebodyElse:
    @pytest.mark.parametrize("portal", ["page", "json", "301", "302", "307"])
    async def test_no_message_leaves_before_passentry_has_answered(self, tmp_path: Path, portal: str) -> None:
        async with rig(tmp_path, portal=portal) as given:
            record = await given.campaign(*passes(80))
            end = await given.send(record, origin="https://api.example")
            assert end.ended is StopReason.SAFEGUARD
            assert "https://api.example" in end.why
            assert (portal if portal.isdigit() else "200") in end.why
            assert [request.method for request in given.simulator.requests()] == ["GET"] * FOREIGN_ANSWERS
            assert count(given, record, Status.PENDING) == 80
            given.simulator.configure(portal="")
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(80), 1)

    async def test_one_strange_answer_before_passentrys_own_stops_nothing(self, tmp_path: Path) -> None:
        async with rig(tmp_path, portal="page") as given:
            record = await given.campaign("a")
            sending = given.start(record)
            await given.until(lambda: bool(given.simulator.requests()))
            given.simulator.configure(portal="")
            assert (await sending).ended is StopReason.FINISHED
            assert given.processed() == {"a": 1}

    @pytest.mark.parametrize("fault", [Fault.READ_ERROR, Fault.READ_HANG, Fault.READ_CUT, Fault.READ_THROTTLE])
    async def test_a_pass_that_can_not_be_read_keeps_nothing_from_being_sent(self, tmp_path: Path, fault: Fault) -> None:
        async with rig(tmp_path, faults={fault: 1.0}) as given:
            record = await given.campaign("a")
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == {"a": 1}

    async def test_a_gateway_that_takes_messages_and_shows_its_own_page_stops_the_run_and_nothing_is_sent_again(
        self, tmp_path: Path
    ) -> None:
        async with rig(tmp_path) as given:
            given.gateway = _ShowingItsOwnPage
            record = await given.campaign(*passes(80))
            # So many under way at once that the run need not wait out the pauses between them.
            end = await given.send(record, rate_per_second=100.0, concurrency=FOREIGN_SENDS + 4)
            assert end.ended is StopReason.SAFEGUARD
            taken = len(given.processed())
            assert FOREIGN_SENDS <= taken <= FOREIGN_SENDS + 8
            assert count(given, record, Status.PENDING) == 80 - taken
            given.gateway = HttpGateway
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(80), 1)
            assert count(given, record, Status.ACCEPTED) == taken

    @pytest.mark.parametrize(
        ("portal", "rate_per_second", "under_way", "goes_away"),
        [("page", 40.0, 4, True), ("307", 40.0, 4, False), ("page", None, UNPACED_WORKERS, False)],
    )
    async def test_a_login_page_that_comes_up_in_the_middle_gets_few_messages_and_the_rest_waits(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        portal: str,
        rate_per_second: float | None,
        under_way: int,
        *,
        goes_away: bool,
    ) -> None:
        monkeypatch.setattr("campaign.sender.api.identity.PROBE_SECONDS", 0.1)
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.1)
        monkeypatch.setattr("campaign.ledger.sqlite.verification.VERIFICATION_CLAIM_SECONDS", 0.3)
        async with rig(tmp_path, latency=Latency(low_seconds=0.02, high_seconds=0.1)) as given:
            rows = 120 if rate_per_second else 1500
            record = await given.campaign(*passes(rows))
            sending = given.start(record, rate_per_second=rate_per_second)
            await given.until(lambda: len(given.processed()) >= 30)
            given.simulator.configure(portal=portal)
            if goes_away:
                await given.until(lambda: count(given, record, Status.UNKNOWN) >= FOREIGN_ANSWERS)
                await asyncio.sleep(0.3)
                given.simulator.configure(portal="")
                assert (await sending).ended is StopReason.FINISHED
            else:
                assert (await sending).ended is StopReason.SAFEGUARD
                assert FOREIGN_ANSWERS <= count(given, record, Status.UNKNOWN) <= 3 * (FOREIGN_ANSWERS + under_way)
                given.simulator.configure(portal="")
                assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(rows), 1)

    async def test_reading_back_against_somebody_else_concludes_nothing_and_uses_nothing_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.01)
        monkeypatch.setattr("campaign.sender.readback.verify.MOST_READS", 2)
        # A reading that the end of the run broke off is made by nobody else for so long.
        monkeypatch.setattr("campaign.ledger.sqlite.verification.VERIFICATION_CLAIM_SECONDS", 0.3)
        async with rig(tmp_path, faults={Fault.CUT_AFTER: 1.0}) as given:
            record = await given.campaign(*passes(8))
            assert (await given.send(record, limit=8)).ended is StopReason.LIMIT
            given.simulator.configure(portal="page", faults={})
            end = await given.send(record)
            assert end.ended is StopReason.SAFEGUARD
            assert given.reader.counts(record.id).unverified == 8
            given.simulator.configure(portal="")
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert count(given, record, Status.ACCEPTED) == 8
            assert given.processed() == dict.fromkeys(passes(8), 1)

    async def test_somebody_elses_404_for_everything_fails_no_row(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            given.gateway = _NotFoundPage
            record = await given.campaign(*passes(80))
            end = await given.send(record)
            assert end.ended is StopReason.SAFEGUARD
            assert count(given, record, Status.UNKNOWN) >= FOREIGN_SENDS
            assert count(given, record, Status.UNKNOWN) + count(given, record, Status.PENDING) == 80
            given.gateway = HttpGateway
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(80), 1)

    @pytest.mark.parametrize(
        ("signature", "outcome"),
        [
            (Signature(page=True), ("unknown", "unreadable")),
            (Signature(), ("unknown", "unreadable")),
            (Signature(empty=True), ("failed", "http_404")),
        ],
        ids=["page", "words", "no body"],
    )
    async def test_a_404_is_the_rows_if_its_pass_is_not_found_either_and_others_are_but_not_in_somebody_elses_words(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signature: Signature, outcome: tuple[str, str]
    ) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.01)
        monkeypatch.setattr("campaign.sender.readback.verify.MOST_FOREIGN", 6)
        async with rig(tmp_path) as given:
            given.gateway = type("Gateway", (_NotFoundForTheFirst,), {"signature": signature})
            record = await given.campaign(*passes(20))
            assert (await given.send(record, rate_per_second=100.0)).ended is StopReason.FINISHED
            assert given.statuses(record)[passes(1)[0]] == outcome
            assert count(given, record, Status.DELIVERED) == 19

    async def test_failed_readings_are_not_counted_as_404s(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.01)
        async with rig(tmp_path) as given:
            given.gateway = _NotFoundAfterErrors
            record = await given.campaign(*passes(20))
            assert (await given.send(record, rate_per_second=100.0)).ended is StopReason.FINISHED
            assert given.statuses(record)[passes(1)[0]] == ("unknown", "unreadable")

    async def test_a_gateways_404_to_a_message_and_to_some_readings_of_its_pass_is_not_the_rows(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.01)
        async with rig(tmp_path, faults={Fault.TAKEN_THEN: 0.3}, taken_then=(404,)) as given:
            given.gateway = _NotFoundAtFirst
            record = await given.campaign(*passes(50))
            assert (await given.send(record, rate_per_second=200.0)).ended is StopReason.FINISHED
            assert count(given, record, Status.ACCEPTED) > 0
            assert count(given, record, Status.DELIVERED) + count(given, record, Status.ACCEPTED) == 50
            assert given.processed() == dict.fromkeys(passes(50), 1)

    async def test_a_404_for_a_moment_to_a_message_and_its_reading_is_not_the_rows(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            record = await given.campaign("a", "b")
            await given.send(record, limit=1)
            given.simulator.configure(faults={Fault.TAKEN_THEN: 1.0}, taken_then=(404,))
            given.gateway = _NotFoundForAMoment
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.statuses(record) == {"a": ("delivered", ""), "b": ("accepted", "")}

    async def test_a_404_that_comes_as_a_web_page_where_nothing_can_be_read_is_left_to_a_person(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.01)
        monkeypatch.setattr("campaign.sender.readback.verify.MOST_FOREIGN", 3)
        async with rig(tmp_path) as given:
            given.gateway = _NotFoundPageForAllThatIsRead
            record = await given.campaign(*passes(20))
            assert (await given.send(record, rate_per_second=100.0)).ended is StopReason.FINISHED
            assert given.statuses(record)[passes(1)[0]] == ("unknown", "unreadable")

    async def test_alone_in_a_list_a_404_that_comes_as_a_web_page_is_settled_by_reading_back(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            given.gateway = _NotFoundPage
            record = await given.campaign("a")
            end = await given.send(record, policy=Policy(quiet_seconds=0.1, max_attempts=2))
            assert end.ended is StopReason.FINISHED
            assert given.statuses(record) == {"a": ("failed", "http_404")}

    async def test_one_odd_id_is_not_taken_for_the_whole_way(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            given.gateway = _LeadingElsewhere
            record = await given.campaign(*passes(20))
            assert (await given.send(record)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(20), 1)


def refusing_messages_to(theirs: AbstractSet[str]) -> type[HttpGateway]:
    """The way to an API that lets these passes be read, and not be sent to."""

    class Refusing(HttpGateway):
        async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Failure:
            if pass_id in theirs:
                # So long that many are under way together.
                await asyncio.sleep(0.2)
                return Reply(http_status=403, signature=Signature(documented=True))
            return await super().send(pass_id, message, in_flight=in_flight)

    return Refusing


def _answering_reads(reading: PassReading) -> type[HttpGateway]:
    """The way through a proxy that gives this answer to whatever is read, once messages are sent."""

    class Answering(HttpGateway):
        sends = False

        async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Failure:
            self.sends = True
            return await super().send(pass_id, message, in_flight=in_flight)

        async def read(self, pass_id: str) -> PassReading:
            return reading if self.sends else await super().read(pass_id)

    return Answering


class _TakingAndForbidding(HttpGateway):
    """The way through a firewall that reads answers, and says 403 in a few words of its own instead of some of them."""

    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Failure:
        reply = await super().send(pass_id, message, in_flight=in_flight)
        return Reply(http_status=403) if pass_id in passes(100)[2::9] else reply


class _TakingAndForbiddingAll(HttpGateway):
    """The same of all of them, as when a firewall knows a word of the message."""

    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Failure:
        await super().send(pass_id, message, in_flight=in_flight)
        return Reply(http_status=403)


class _TakingAndForbiddingAllAndReads(_TakingAndForbiddingAll):
    """The same where the token may not read."""

    async def read(self, pass_id: str) -> PassReading:  # noqa: ARG002 - it reads nothing
        return PassReading(latest=Latest.UNREADABLE, http_status=403, signature=Signature(documented=True))


class _ShowingItsOwnPage(HttpGateway):
    """The way through a gateway that hands requests on, and answers messages by itself."""

    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Failure:
        await super().send(pass_id, message, in_flight=in_flight)
        await asyncio.sleep(0.5)
        return Reply(http_status=200, readable=False, signature=Signature(page=True))


class _LeadingElsewhere(HttpGateway):
    """The way to a server that redirects reads of the first pass."""

    async def read(self, pass_id: str) -> PassReading:
        if pass_id == passes(1)[0]:
            return PassReading(latest=Latest.UNREADABLE, http_status=301, signature=Signature(redirects_to="/elsewhere"))
        return await super().read(pass_id)


class _NotFoundForTheFirst(HttpGateway):
    """The way to an API that says of the first pass that there is none."""

    signature = Signature(page=True)

    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Failure:
        if pass_id == passes(1)[0]:
            return Reply(http_status=404, signature=self.signature)
        return await super().send(pass_id, message, in_flight=in_flight)

    async def read(self, pass_id: str) -> PassReading:
        if pass_id == passes(1)[0]:
            return PassReading(latest=Latest.UNREADABLE, http_status=404, signature=self.signature)
        return await super().read(pass_id)


class _NotFoundAfterErrors(_NotFoundForTheFirst):
    """The same, of which two of four readings of the first pass are errors of the API."""

    signature = Signature(empty=True)
    errors = 2

    async def read(self, pass_id: str) -> PassReading:
        if pass_id == passes(1)[0] and self.errors:
            self.errors -= 1
            return PassReading(latest=Latest.UNREADABLE, http_status=500, signature=Signature(documented=True))
        return await super().read(pass_id)


class _NotFoundPageForAllThatIsRead(_NotFoundForTheFirst):
    """The same where nothing can be read any more once messages are sent."""

    sends = False

    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Failure:
        self.sends = True
        return await super().send(pass_id, message, in_flight=in_flight)

    async def read(self, pass_id: str) -> PassReading:
        if not self.sends:
            return await HttpGateway.read(self, pass_id)
        return PassReading(latest=Latest.UNREADABLE, http_status=404, signature=Signature(page=True))


class _NotFoundAtFirst(HttpGateway):
    """The way through a gateway that finds a pass only when it is asked for the fourth time."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.reads = Counter[str]()

    async def read(self, pass_id: str) -> PassReading:
        self.reads[pass_id] += 1
        if self.reads.total() > 1 and self.reads[pass_id] < MOST_READS:
            return PassReading(latest=Latest.UNREADABLE, http_status=404, signature=Signature(page=True))
        return await super().read(pass_id)


class _NotFoundForAMoment(HttpGateway):
    """The way through a gateway that knows no pass while the first message is read back."""

    reads = 0

    async def read(self, pass_id: str) -> PassReading:
        self.reads += 1
        # The first reading finds out who answers.
        if self.reads == 2:
            return PassReading(latest=Latest.UNREADABLE, http_status=404, signature=Signature(json=True))
        return await super().read(pass_id)


class _NotFoundPage(HttpGateway):
    """The way to a web site that has no such page."""

    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Failure:  # noqa: ARG002 - a gateway's
        return Reply(http_status=404, signature=Signature(page=True))
