"""The pool against the simulator, with faults; what the simulator processed decides what was sent."""

import asyncio
import html
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from campaign.domain.failure_guard import TROUBLES_IN_A_ROW
from campaign.domain.model import CampaignState, Counts
from campaign.domain.status import Status
from campaign.domain.verdict import Fault as NoReply
from campaign.domain.verdict import Latest, PassReading, Reply, Signature
from campaign.insights import exit_code_of
from campaign.ledger.port import DesiredState
from campaign.sender import control
from campaign.sender.api.gateway import HttpGateway
from campaign.sender.api.http import RawResponse
from campaign.sender.api.responses import read_pass
from campaign.sender.attempt import OnUnknown, Policy
from campaign.sender.port import InFlight
from campaign.sender.stop import StopReason
from campaign.simulator.config import Latency
from campaign.simulator.faults import Fault
from campaign.simulator.passes import PassChange
from tests.ambiguous_faults import AMBIGUOUS
from tests.integration.pool_given import QUIET, Log, passes, rig

QUICK = AMBIGUOUS - {Fault.HUGE, Fault.GZIP_BOMB, Fault.ENDLESS_HEADERS, Fault.DEEP_JSON}


class TestAmbiguity:
    async def test_with_every_ambiguous_fault_nothing_is_sent_twice_and_nothing_is_lost(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults=dict.fromkeys(AMBIGUOUS, 0.05), huge_bytes=2_000_000, seed=11) as given:
            record = await given.campaign(*passes(600))
            end = await given.send(record, policy=Policy(quiet_seconds=0.6, max_attempts=50))
            processed = given.processed()
            assert end.ended is StopReason.FINISHED
            assert max(processed.values()) == 1
            for one, (status, reason) in given.statuses(record).items():
                assert status in {"delivered", "accepted"} or (status == "unknown" and reason), (one, status, reason)
                assert processed[one] == 1 or status == "unknown"
            assert len({fault for request in given.simulator.requests() if (fault := request.fault)}) >= len(QUICK)

    async def test_a_row_that_never_arrives_fails_after_its_last_try_and_ends_the_run(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults={Fault.ERROR_BEFORE: 1.0}) as given:
            record = await given.campaign("a")
            end = await given.send(record, policy=Policy(quiet_seconds=0.1, max_attempts=3))
            assert end.ended is StopReason.FINISHED
            status, reason = given.statuses(record)["a"]
            assert (status, reason[:6]) == ("failed", "http_5")
            assert given.rows(record)["a"].outcome.attempts == 3
            assert given.processed() == {}

    async def test_a_null_that_no_other_pass_confirms_is_believed_for_as_many_attempts_as_a_row_has(self, tmp_path: Path) -> None:
        """Also in an outage, whose attempts are not held against the rows."""
        async with rig(tmp_path, faults={Fault.READ_NULL: 1.0, Fault.CUT_AFTER: 1.0}) as given:
            record = await given.campaign(*passes(3))
            policy = Policy(quiet_seconds=0.05, max_attempts=2)
            assert (await given.send(record, rate_per_second=20.0, policy=policy)).ended is StopReason.FINISHED
            assert max(given.processed().values()) == 2
            assert {status for status, _ in given.statuses(record).values()} == {"failed", "unknown"}

    async def test_where_the_api_shows_no_texts_a_null_proves_nothing(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults={Fault.READ_NULL: 1.0}) as given:
            record = await given.campaign("a", "b")
            await given.send(record, limit=1)
            given.simulator.configure(faults={Fault.READ_NULL: 1.0, Fault.CUT_AFTER: 1.0})
            await given.send(record)
            assert given.statuses(record) == {"a": ("delivered", ""), "b": ("unknown", "no_latest_message")}
            assert given.processed() == {"a": 1, "b": 1}
            assert given.log.named("texts_are_not_shown_as_sent")

    async def test_what_the_api_shows_is_asked_once_for_all_that_is_read_back_together(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # On a busy machine, reading them all may take longer than that.
        monkeypatch.setattr("campaign.sender.readback.verify.SHOWN_SECONDS", 3600.0)
        async with rig(tmp_path, timeout_seconds=10.0) as given:
            record = await given.campaign(*passes(20))
            await given.send(record, limit=1)
            # Before its first message a run reads that pass, too, unless this takes too long.
            before = len(given.simulator.requests())
            given.simulator.configure(faults={Fault.READ_NULL: 1.0, Fault.CUT_AFTER: 1.0})
            await given.send(record)
            assert len(given.log.named("texts_are_not_shown_as_sent")) == 1
            witness = passes(1)[0]
            reads = [request.id for request in given.simulator.requests()[before:] if request.method == "GET"]
            assert reads.count(witness) == 1

    async def test_that_texts_were_shown_a_while_ago_proves_nothing_now(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.SHOWN_SECONDS", 0.0)
        async with rig(tmp_path) as given:
            record = await given.campaign("a", "b")
            await given.send(record, limit=1)

            class Fading(HttpGateway):
                async def read(self, pass_id: str) -> PassReading:
                    found = await super().read(pass_id)
                    if pass_id == "a":
                        given.simulator.configure(faults={Fault.READ_NULL: 1.0, Fault.CUT_AFTER: 1.0})
                    return found

            given.gateway = Fading
            given.simulator.configure(faults={Fault.CUT_BEFORE: 1.0})
            await given.send(record)
            assert given.statuses(record) == {"a": ("delivered", ""), "b": ("unknown", "no_latest_message")}
            assert given.processed() == {"a": 1, "b": 1}

    @pytest.mark.parametrize(
        ("way", "status", "processed"),
        [("MixingUp", ("unknown", "unreadable"), {"a": 1, "c": 1}), ("NamingNone", ("accepted", ""), {"a": 1, "b": 1, "c": 1})],
    )
    async def test_that_another_pass_holds_the_message_shows_no_arrival_where_answers_name_their_pass(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, status: tuple[str, str], processed: dict[str, int]
    ) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.1)
        async with rig(tmp_path) as given:
            given.gateway = {"MixingUp": MixingUp, "NamingNone": NamingNone}[way]
            record = await given.campaign("a", "c", "b")
            await given.send(record, limit=2)
            given.simulator.configure(faults={Fault.CUT_BEFORE if "b" not in processed else Fault.CUT_AFTER: 1.0})
            await given.send(record)
            assert given.statuses(record)["b"] == status
            assert given.processed() == processed

    @pytest.mark.parametrize(
        ("way", "marked"),
        [
            ("MixingUp", {}),
            ("ShowingNull", {"header": ("X-Cache", "TCP_REMOTE_HIT")}),
            ("ShowingNull", {"member": b'"errors":["partial"]'}),
        ],
    )
    async def test_an_answer_that_is_of_another_pass_or_cached_or_lacks_something_proves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, marked: dict[str, Any]
    ) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.1)
        async with rig(tmp_path) as given:
            given.gateway = type("Marked", ({"MixingUp": MixingUp, "ShowingNull": ShowingNull}[way],), marked)
            record = await given.campaign("a", "b")
            await given.send(record, limit=1)
            given.simulator.configure(faults={Fault.CUT_AFTER: 1.0})
            await given.send(record)
            assert given.statuses(record) == {"a": ("delivered", ""), "b": ("unknown", "unreadable")}
            assert given.processed() == {"a": 1, "b": 1}

    async def test_what_lags_behind_shows_by_no_older_text_that_a_message_did_not_arrive(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            given.gateway = Lagging
            record = await given.campaign(*passes(60))
            await given.send(record, limit=8)
            given.simulator.configure(faults={Fault.CUT_AFTER: 0.3})
            await given.send(record, limit=44, rate_per_second=100.0)
            cut = [request.id for request in given.simulator.requests() if request.fault == Fault.CUT_AFTER]
            given.simulator.configure(faults={})
            await given.send(record)
            assert len(cut) > 5
            assert {given.statuses(record)[str(one)] for one in cut} == {("unknown", "no_latest_message")}
            assert given.processed() == dict.fromkeys(passes(60), 1)

    async def test_a_reading_from_before_a_server_caught_up_does_not_say_that_a_message_did_not_arrive(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            given.gateway = CatchingUp
            record = await given.campaign("a", "b")
            await given.send(record, limit=1)
            given.simulator.configure(faults={Fault.CUT_AFTER: 1.0})
            await given.send(record, limit=1)
            given.simulator.configure(faults={})
            await given.send(record)
            assert given.statuses(record) == {"a": ("delivered", ""), "b": ("accepted", "")}
            assert given.processed() == {"a": 1, "b": 1}

    async def test_reading_that_is_always_refused_has_an_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.MOST_REFUSED", 3)
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.1)
        async with rig(tmp_path, faults={Fault.CUT_AFTER: 1.0, Fault.READ_THROTTLE: 1.0}, retry_after="0.1") as given:
            record = await given.campaign("a")
            end = await given.send(record)
            assert end.ended is StopReason.FINISHED
            assert given.statuses(record) == {"a": ("unknown", "unreadable")}
            assert given.processed() == {"a": 1}
            methods = [request.method for request in given.simulator.requests()]
            assert methods == ["GET", "POST", *["GET"] * 3], "the first reading only finds out who answers"

    async def test_a_null_is_believed_once_another_pass_was_seen_to_show_its_text(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            record = await given.campaign("a", "b")
            await given.send(record, limit=1)
            given.simulator.configure(faults={Fault.CUT_BEFORE: 1.0})
            sending = given.start(record)
            await given.until(lambda: bool(given.log.named("read_back")))
            given.simulator.configure(faults={})
            await sending
            assert given.statuses(record) == {"a": ("delivered", ""), "b": ("delivered", "")}
            assert given.processed() == {"a": 1, "b": 1}

    @pytest.mark.parametrize(("policy", "sent"), [(OnUnknown.HOLD, 1), (OnUnknown.RESEND, 2)])
    async def test_what_to_do_with_an_unknown_row_is_the_users_choice(self, tmp_path: Path, policy: OnUnknown, sent: int) -> None:
        async with rig(tmp_path, faults={Fault.CUT_AFTER: 1.0}) as given:
            record = await given.campaign("a")
            end = await given.send(record, policy=Policy(on_unknown=policy, max_attempts=2))
            assert end.ended is StopReason.FINISHED
            assert given.statuses(record)["a"][0] == "unknown"
            assert given.processed() == {"a": sent}
            assert [request.method for request in given.simulator.requests()] == ["GET", *["POST"] * sent]

    async def test_an_unverified_row_of_a_campaign_that_nobody_works_on_is_cleared_for_this_one(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults={Fault.CUT_AFTER: 1.0}) as given:
            first = await given.campaign("a", name="first", message="One")
            await given.send(first, limit=1)
            assert given.statuses(first)["a"][0] == "unknown"
            given.simulator.configure(faults={})
            second = await given.campaign("a", "b", name="second", message="Two")
            await given.send(second)
            assert given.statuses(first) == {"a": ("accepted", "")}
            assert {status for status, _ in given.statuses(second).values()} == {"delivered"}
            assert [found.message for found in given.simulator.audit() if found.id == "a"] == ["One", "Two"]

    @pytest.mark.parametrize(("written_over", "account"), [(3, ""), (6, "one")])
    async def test_an_unverified_row_is_cleared_although_another_campaign_writes_over_the_passes_sent_before(
        self, tmp_path: Path, written_over: int, account: str
    ) -> None:
        async with rig(tmp_path) as given:
            *before, lost = passes(7)
            first = await given.campaign(*before, lost, name="first", message="One")
            await given.send(first, limit=6, account=account)
            given.simulator.configure(faults={Fault.CUT_BEFORE: 1.0})
            await given.send(first, limit=1, account=account)
            assert given.statuses(first)[lost][0] == "unknown"
            given.simulator.configure(faults={})
            second = await given.campaign(*before[:written_over], lost, name="second", message="Two")
            await given.send(second, account=account)
            assert given.statuses(first)[lost] == ("pending", "")
            assert not given.log.named("texts_are_not_shown_as_sent")
            await given.send(first, account=account)
            assert {status for status, _ in given.statuses(first).values()} == {"delivered"}
            sent = [(found.id, found.message) for found in given.simulator.audit()]
            wanted = {*((one, "One") for one in passes(7)), *((one, "Two") for one in (*before[:written_over], lost))}
            assert (len(sent), set(sent)) == (len(wanted), wanted)

    async def test_where_the_api_shows_no_texts_a_null_proves_nothing_although_another_campaign_writes_over_all(
        self, tmp_path: Path
    ) -> None:
        async with rig(tmp_path, faults={Fault.READ_NULL: 1.0}) as given:
            first = await given.campaign("a", "b", name="first", message="One")
            await given.send(first, limit=1, account="one")
            given.simulator.configure(faults={Fault.READ_NULL: 1.0, Fault.CUT_AFTER: 1.0})
            await given.send(first, limit=1, account="one")
            second = await given.campaign("a", "b", name="second", message="Two")
            await given.send(second, limit=1, policy=Policy(quiet_seconds=30.0), account="one")
            assert given.statuses(second)["a"][0] == "unknown"
            await given.send(first, account="one")
            assert given.statuses(first) == {"a": ("delivered", ""), "b": ("unknown", "no_latest_message")}
            assert [(found.id, found.message) for found in given.simulator.audit()] == [("a", "One"), ("b", "One"), ("a", "Two")]


class Lagging(HttpGateway):
    """The way to an API whose readings lag behind: they show what was sent to the first passes only."""

    async def read(self, pass_id: str) -> PassReading:
        found = await super().read(pass_id)
        return found if pass_id in passes(8) else replace(found, latest=Latest.NULL, text="")


class CatchingUp(HttpGateway):
    """The way to an API whose readings lag behind, and no longer do once a pass is asked for that shows it."""

    lags = True

    async def read(self, pass_id: str) -> PassReading:
        found = await super().read(pass_id)
        self.lags &= pass_id != "a"
        return replace(found, latest=Latest.NULL, text="") if self.lags else found


class MixingUp(HttpGateway):
    """The way to an API behind a cache that mixes two passes up."""

    async def read(self, pass_id: str) -> PassReading:
        return await super().read("c" if pass_id == "b" else pass_id)


class NamingNone(HttpGateway):
    """The way to an API whose answers do not say of which pass they are."""

    async def read(self, pass_id: str) -> PassReading:
        return replace(await super().read(pass_id), ids=())


class ShowingNull(HttpGateway):
    """The way to an API that shows a pass as it was before its message, in an answer with a header or member that says why."""

    header = ("X-None", "")
    member = b'"errors":[]'

    def _parsed(self, parse: Callable[..., Any], answer: RawResponse) -> Any:
        if parse is read_pass and b'"b"' in answer.body:
            answer.headers = CIMultiDict([*answer.headers.items(), self.header])
            answer.body = b"{" + self.member + b"," + answer.body.replace(b'"Hello"', b"null").removeprefix(b"{")
        return super()._parsed(parse, answer)


class OfAnotherOrganisation(HttpGateway):
    """The way with a token that knows none of the first passes, and has other passes by the names of the others."""

    async def read(self, pass_id: str) -> PassReading:
        if pass_id in passes(4):
            return PassReading(latest=Latest.UNREADABLE, http_status=404, signature=Signature(documented=True))
        return replace(await super().read(pass_id), latest=Latest.NULL, text="")


class Escaping(HttpGateway):
    """The way to an API that shows texts as a web page would hold them."""

    async def read(self, pass_id: str) -> PassReading:
        found = await super().read(pass_id)
        return replace(found, text=html.escape(found.text))


class Adding(HttpGateway):
    """The way to an API that shows something beside each text."""

    async def read(self, pass_id: str) -> PassReading:
        found = await super().read(pass_id)
        return replace(found, text=f"{found.text} (see the back of your pass)" if found.text else "")


class TestTextsShownOtherwise:
    @pytest.mark.parametrize("baseline", [True, False])
    async def test_the_same_text_as_last_week_shown_otherwise_is_not_taken_for_no_arrival(self, tmp_path: Path, *, baseline: bool) -> None:
        async with rig(tmp_path) as given:
            given.gateway = Escaping
            last_week = await given.campaign("a", name="last week", message="It's 20 % off")
            await given.send(last_week)
            given.simulator.configure(faults={Fault.CUT_AFTER: 1.0})
            record = await given.campaign("a", name="this week", message="It's 20 % off")
            await given.send(record, baseline=baseline)
            assert given.statuses(record) == {"a": ("unknown", "same_text_before")}
            assert given.processed() == {"a": 2}

    async def test_an_older_text_proves_nothing_where_texts_are_not_shown_as_sent(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            given.gateway = Adding
            given.simulator.set_pass("b", PassChange(latest_message="Old"))
            record = await given.campaign("a", "b")
            await given.send(record, limit=1)
            given.simulator.configure(faults={Fault.CUT_BEFORE: 1.0})
            await given.send(record, baseline=True)
            assert given.statuses(record)["b"] == ("unknown", "other_message")

    async def test_where_no_pass_that_was_sent_to_is_known_a_null_proves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("campaign.sender.readback.verify.AGAIN_SECONDS", 0.01)
        monkeypatch.setattr("campaign.sender.readback.verify.MOST_READS", 2)
        async with rig(tmp_path) as given:
            record = await given.campaign(*passes(8))
            await given.send(record, limit=4)
            given.simulator.configure(faults={Fault.CUT_AFTER: 1.0})
            given.gateway = OfAnotherOrganisation
            await given.send(record)
            assert {given.statuses(record)[one] for one in passes(8)[4:]} == {("unknown", "unreadable")}
            assert given.processed() == dict.fromkeys(passes(8), 1)


class TestBaseline:
    async def test_reads_that_are_refused_do_not_keep_the_messages_from_being_sent(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults={Fault.READ_THROTTLE: 1.0}, retry_after="5.0") as given:
            record = await given.campaign(*passes(60))
            async with asyncio.timeout(30):
                await given.send(record, baseline=True, rate_per_second=50.0)
            assert given.processed() == dict.fromkeys(passes(60), 1)
            assert given.log.named("sending_without_baselines")

    @pytest.mark.parametrize(
        ("before", "fault", "status", "reason", "sent"),
        [
            ("Old", Fault.CUT_AFTER, "accepted", "", 1),
            ("Old", Fault.CUT_BEFORE, "failed", "disconnected", 0),
            ("Hello", Fault.CUT_AFTER, "unknown", "same_text_before", 1),
            (None, Fault.CUT_BEFORE, "failed", "disconnected", 0),
        ],
    )
    async def test_what_the_pass_held_before_tells_what_became_of_it(
        self, tmp_path: Path, *, before: str | None, fault: Fault, status: str, reason: str, sent: int
    ) -> None:
        async with rig(tmp_path, faults={fault: 1.0}) as given:
            record = await given.campaign("a")
            given.simulator.set_pass("a", PassChange(latest_message=before, status="removed", device_type="android"))
            await given.send(record, baseline=True, policy=Policy(quiet_seconds=0.2, max_attempts=1))
            assert given.statuses(record) == {"a": (status, reason)}
            assert given.processed()["a"] == sent
            outcome = given.rows(record)["a"].outcome
            assert (outcome.pass_status, outcome.device_type) == ("removed", "android")
            assert [request.method for request in given.simulator.requests()] == ["GET", "POST", "GET"]

    async def test_each_pass_is_read_before_its_send_and_the_order_and_limit_are_kept(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            record = await given.campaign(*passes(120))
            end = await given.send(record, baseline=True, limit=50, rate_per_second=200.0)
            assert end.ended is StopReason.LIMIT
            assert sorted(given.processed()) == passes(50)
            seen: dict[str | None, list[str]] = {}
            for request in given.simulator.requests():
                seen.setdefault(request.id, []).append(request.method)
            assert all(seen[one] == ["GET", "POST"] for one in passes(50))
            assert len(seen) == 50, "no more is read than is sent"
            assert [status for status, _ in given.statuses(record).values()] == ["delivered"] * 50 + ["pending"] * 70

    async def test_a_pass_that_cannot_be_read_is_sent_to_all_the_same(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults={Fault.READ_ERROR: 0.5, Fault.READ_THROTTLE: 0.2}, retry_after="0.1") as given:
            record = await given.campaign(*passes(30))
            await given.send(record, baseline=True)
            assert {status for status, _ in given.statuses(record).values()} == {"delivered"}
            assert given.processed() == dict.fromkeys(passes(30), 1)

    async def test_a_stop_gives_back_what_was_read_and_not_sent(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            record = await given.campaign(*passes(100))
            sending = given.start(record, baseline=True, rate_per_second=20.0)
            await given.until(lambda: len(given.processed()) >= 5)
            given.stop.set()
            assert (await sending).ended is StopReason.INTERRUPTED
            counts = given.reader.counts(record.id).by_status
            assert counts[Status.DELIVERED] == len(given.processed())
            assert counts[Status.DELIVERED] + counts[Status.PENDING] == 100


@pytest.mark.parametrize(("ended", "left"), [(StopReason.INTERRUPTED, Status.PENDING), (StopReason.CANCELLED, Status.SKIPPED)])
async def test_a_stop_or_a_cancel_gives_back_what_waits_for_a_worker(tmp_path: Path, ended: StopReason, left: Status) -> None:
    async with rig(tmp_path, timeout_seconds=10.0, latency=Latency(low_seconds=0.3, high_seconds=0.3)) as given:
        record = await given.campaign(*passes(20))
        sending = given.start(record, concurrency=2)
        await given.until(lambda: len(given.processed()) >= 1)
        if ended is StopReason.CANCELLED:
            await given.ledger.set_desired_state(record.id, DesiredState.CANCELLED)
        else:
            given.stop.set()
        assert (await sending).ended is ended
        counts = given.reader.counts(record.id).by_status
        assert counts[Status.DELIVERED] == len(given.processed())
        assert counts[Status.DELIVERED] + counts[left] == 20


async def test_what_is_still_to_be_read_back_keeps_a_campaign_from_being_finished(tmp_path: Path) -> None:
    async with rig(tmp_path, faults={Fault.CUT_BEFORE: 1.0}) as given:
        record = await given.campaign("a")
        assert (await given.send(record, limit=1)).ended is StopReason.LIMIT
        counts = given.reader.counts(record.id)
        assert (counts.open, counts.unverified, counts.unfinished) == (0, 1, 1)
        assert exit_code_of(counts, CampaignState.STOPPED, rows_left_code=5) == 5
        assert exit_code_of(counts, CampaignState.CANCELLED, rows_left_code=5) == 3
        fresh = given.reader.campaign("promo")
        assert fresh is not None
        assert fresh.finished_at == 0


async def test_a_process_is_told_what_others_have_sent_while_they_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "LOOKS_AT_OTHERS", 2)
    async with rig(tmp_path) as given:
        record = await given.campaign(*passes(2_000))
        other = replace(given, log=Log())
        runs = [one.start(record, rate_per_second=20.0) for one in (given, other)]

        def is_told_of_more() -> bool:
            told = [counts.sent_to for details in given.log.named("standing") if isinstance(counts := details["counts"], Counts)]
            return max(told, default=0) > len(given.log.settlements)

        await given.until(is_told_of_more)
        given.stop.set()
        await asyncio.gather(*runs)


async def test_sending_again_at_all_costs_still_has_an_end_in_an_outage(tmp_path: Path) -> None:
    async with rig(tmp_path, faults={Fault.ERROR_AFTER: 1.0}) as given:
        record = await given.campaign(*passes(8))
        await given.send(record, policy=Policy(on_unknown=OnUnknown.RESEND, max_attempts=2))
        assert set(given.processed().values()) == {2}


class TestSafeguards:
    async def test_a_refused_token_stops_at_once_and_every_row_is_pending_again(self, tmp_path: Path) -> None:
        async with rig(tmp_path, tokens_accepted_for=10) as given:
            record = await given.campaign(*passes(100))
            end = await given.send(record, rate_per_second=50.0)
            assert end.ended is StopReason.SAFEGUARD
            assert "PASSENTRY_API_KEY" in end.why
            refused = [request for request in given.simulator.requests() if request.status == 401]
            assert len(refused) == 1, "nothing more is sent after the first refusal"
            counts = given.reader.counts(record.id).by_status
            assert counts[Status.PENDING] == 100 - len(given.processed())
            assert counts[Status.DELIVERED] == len(given.processed())

    async def test_a_429_makes_everyone_wait_for_as_long_as_it_asks(self, tmp_path: Path) -> None:
        async with rig(tmp_path, faults={Fault.THROTTLE: 1.0}, retry_after="300") as given:
            record = await given.campaign("a")
            sending = given.start(record, rate_per_second=10.0)
            await given.until(lambda: bool(given.log.named("throttled")))
            given.stop.set()
            await sending
            assert (await given.ledger.reserve_slots("token", rate_per_second=10.0, want=1)).first_in_seconds > 200

    async def test_an_outage_makes_everyone_wait_and_fails_no_row(self, tmp_path: Path) -> None:
        async with rig(tmp_path) as given:
            record = await given.campaign(*passes(60))
            sending = given.start(record, rate_per_second=50.0, policy=Policy(quiet_seconds=0.3, max_attempts=2))
            await given.until(lambda: len(given.processed()) >= 10)
            await given.simulator.outage(5.0)
            await sending
            assert given.log.named("backing_off")
            failed = [status for status, _ in given.statuses(record).values() if status == "failed"]
            assert len(failed) <= TROUBLES_IN_A_ROW, "only what came before the outage was seen as one may be held against its row"
            assert all(count == 1 for count in given.processed().values())
            tried = [settlement for settlement in given.log.settlements if settlement.outcome.status is Status.PENDING]
            # At 50 a second its five seconds have room for 250.
        assert len(tried) < 100, "the outage is not hammered at"


class TestErrorsOfRows:
    async def test_errors_with_a_few_passes_fail_them_after_their_attempts_and_end_the_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("campaign.domain.failure_guard.PATIENCE_SECONDS", 8.0)
        bad = frozenset(passes(48)[2:40:5])
        async with rig(tmp_path) as given:
            given.gateway = _failing(lambda pass_id: pass_id in bad)
            record = await given.campaign(*passes(48))
            end = await given.send(record, rate_per_second=50.0, concurrency=2, policy=Policy(quiet_seconds=0.1, max_attempts=3))
            assert (end.ended, end.why) == (StopReason.FINISHED, "")
            assert given.processed() == dict.fromkeys(set(passes(48)) - bad, 1)
            assert {one for one, outcome in given.statuses(record).items() if outcome == ("failed", "http_500")} == bad
            assert {given.rows(record)[one].outcome.attempts for one in bad} == {3}
            counts = given.reader.counts(record.id)
            assert exit_code_of(counts, CampaignState.FINISHED, rows_left_code=5) == 3

    async def test_while_every_send_fails_and_reads_work_no_row_fails_not_even_one_that_failed_before(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("campaign.domain.failure_guard.PATIENCE_SECONDS", 6.0)
        bad, down = frozenset(passes(60)[2:20:5]), asyncio.Event()
        async with rig(tmp_path) as given:
            given.gateway = _failing(lambda pass_id: down.is_set() or pass_id in bad)
            record = await given.campaign(*passes(60))
            policy = Policy(quiet_seconds=0.1, max_attempts=5)
            sending = given.start(record, rate_per_second=50.0, concurrency=2, policy=policy)
            await given.until(lambda: len(given.processed()) >= 25)
            down.set()
            end = await sending
            assert end.ended is StopReason.SAFEGUARD
            assert given.log.named("backing_off")
            assert given.reader.counts(record.id).by_status[Status.FAILED] == 0
            given.gateway = HttpGateway
            assert (await given.send(record, policy=policy)).ended is StopReason.FINISHED
            assert given.processed() == dict.fromkeys(passes(60), 1)


class TestNeighbours:
    @pytest.mark.slow
    async def test_strangers_on_the_token_are_noticed_made_room_for_and_said(self, tmp_path: Path) -> None:
        async with rig(tmp_path, limit_per_second=50) as given:
            record = await given.campaign(*passes(280))
            strange = asyncio.create_task(_stranger(given.simulator.url, per_second=25.0))
            try:
                await given.send(record, rate_per_second=42.0, policy=QUIET)
            finally:
                strange.cancel()
            said = given.log.named("others_use_the_token")
            assert said
            assert float(str(said[-1]["left_per_second"])) < 40
            assert given.processed()["stranger"] > 0
            late = [request for request in given.simulator.requests() if request.method == "POST"][-100:]
            throttled = sum(request.status == 429 for request in late)
            assert throttled <= 10, f"{throttled} of the last 100 requests were refused: no room was made"


def _failing(fails: Callable[[str], bool]) -> type[HttpGateway]:
    """A gateway to which PassEntry answers 500 to the messages of such passes, which it does not take."""

    class Failing(HttpGateway):
        async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | NoReply:
            if not fails(pass_id):
                return await super().send(pass_id, message, in_flight=in_flight)
            return Reply(http_status=500, signature=Signature(json=True))

    return Failing


async def _stranger(url: str, *, per_second: float) -> None:
    headers = {"Authorization": "Bearer token"}
    loop = asyncio.get_running_loop()
    due = loop.time()
    async with aiohttp.ClientSession(headers=headers) as session:
        while True:
            async with session.post(f"{url}/api/v1/passes/stranger/notification", json={"notification": {"message": "Theirs"}}) as answer:
                await answer.read()
            # What a busy machine has delayed is caught up with.
            due += 1 / per_second
            await asyncio.sleep(max(0.0, due - loop.time()))
