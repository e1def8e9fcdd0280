"""A probe of the batch API, against the simulator's: what it finds, what it sends, and that it leaves nothing behind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from campaign.app.preflight.exchanges import Exchange
from campaign.app.preflight.probe import Probed, Waits, plan_of, probe
from campaign.domain.errors import UsageError
from campaign.sender.batches.assumptions import Found
from campaign.sender.stop import StopRequest
from campaign.settings import IsolatedSettings
from campaign.simulator.batches.faults import STEP_FAULTS
from campaign.simulator.config import ENTITY, SimulatorConfig
from campaign.simulator.server import Simulator
from tests.errors import raises

TOKEN = "a-token/with+signs"
WAITS = Waits(first=0.02, validating=1.0, ending=5.0, report=0.3, found=0.6)


@dataclass
class Bench:
    simulator: Simulator
    stop: StopRequest = field(default_factory=StopRequest)
    told: list[Exchange] = field(default_factory=list)
    stops_at: str = ""

    def tell(self, exchange: Exchange) -> None:
        self.told.append(exchange)
        if self.stops_at and self.stops_at in f"{exchange.method} {exchange.path}":
            self.stop.gently.set()

    async def probe(self, *, to: str = "own", text: str | None = "Hello", cancels: bool = False, **settings: Any) -> Probed:
        given = IsolatedSettings.read(**{"entity": ENTITY, "api_url": self.simulator.url, "api_key": TOKEN, "timeout": "1s"} | settings)
        plan = plan_of(to, text, given, cancels=cancels)
        return await probe(plan, given, stop=self.stop, tell=self.tell, waits=WAITS)

    def sent(self) -> list[tuple[str, str]]:
        return [(one.id, one.message) for one in self.simulator.audit()]

    def states(self) -> list[str]:
        return [batch.status for batch in self.simulator.batches()]


@asynccontextmanager
async def bench(**settings: Any) -> AsyncIterator[Bench]:
    usual = {"limit_per_second": 0, "validation_seconds": 0.05, "sending_seconds": 0.05, "late_seconds": 0.2, "hang_seconds": 2.0}
    async with Simulator(SimulatorConfig(**usual | settings)) as simulator:
        yield Bench(simulator)


def by_number(probed: Probed, found: Found) -> set[int]:
    return {one.number for one in probed.findings if one.found is found}


def corrected(probed: Probed) -> str:
    return " ".join(one.remedy for one in probed.findings)


async def test_where_all_is_as_assumed_it_says_so_and_sends_one_message() -> None:
    async with bench() as at:
        probed = await at.probe()
        assert by_number(probed, Found.AS_ASSUMED) == set(range(1, 11))
        assert (probed.exit_code, probed.problem, probed.left, probed.released) == (0, "", "", True)
        assert at.sent() == [("own", "Hello")]
        assert [batch.id for batch in at.simulator.batches()] == [probed.batch_id]


async def test_each_request_and_answer_is_shown_without_the_token() -> None:
    async with bench() as at:
        await at.probe(text=f"It is {TOKEN}")
        assert [f"{one.method} {one.path.rpartition('/')[2].partition('?')[0]}" for one in at.told][:2] == [
            "POST wallet",
            "GET " + at.simulator.batches()[0].id,
        ]
        shown = "\n".join(f"{one.path}\n{one.body}\n{one.answer}" for one in at.told)
        assert "It is ***" in shown
        assert TOKEN not in shown
        assert "signature" not in shown
        assert {one.status for one in at.told} == {200, 202}


async def test_other_columns_are_named_with_the_keys_that_mend_them() -> None:
    async with bench(batch_faults={"delivery_csv_other_columns": 1.0}) as at:
        probed = await at.probe()
        assert (by_number(probed, Found.DIFFERS), probed.exit_code) == ({5, 6, 7}, 3)
        for key in ("id_columns to “external_id”", "status_column to “result”", "detail_columns"):
            assert f"Set {key} in CAMPAIGN_BATCH_SHAPE." in corrected(probed)
        shape = '{"id_columns": ["external_id"], "status_column": "result", "detail_columns": ["info"]}'
        assert (await at.probe(batch_shape=shape)).exit_code == 0


async def test_another_name_of_an_address_is_found_and_its_file_read() -> None:
    async with bench() as at:
        probed = await at.probe(batch_shape='{"deliveries_url": "reportUrl"}')
        assert by_number(probed, Found.DIFFERS) == {4}
        assert "Set deliveries_url to “deliveryCsvUrl” in CAMPAIGN_BATCH_SHAPE." in corrected(probed)
        assert 6 in by_number(probed, Found.AS_ASSUMED)


@pytest.mark.parametrize("shape", ['{"recipients": "members"}', '{"recipient_id": "uuid"}'])
async def test_another_json_of_recipients_is_refused_and_nothing_is_left(shape: str) -> None:
    async with bench() as at:
        probed = await at.probe(batch_shape=shape)
        assert (by_number(probed, Found.DIFFERS), probed.exit_code, probed.left) == ({1}, 3, "")
        assert "Set recipients or recipient_id in CAMPAIGN_BATCH_SHAPE." in corrected(probed)
        assert at.states() == []


async def test_a_pass_that_does_not_exist_shows_the_errors_file_and_sends_nothing() -> None:
    async with bench(existing=frozenset({"another"})) as at:
        probed = await at.probe()
        assert by_number(probed, Found.AS_ASSUMED) >= {1, 2, 5, 7, 8, 9, 10}
        assert (probed.exit_code, probed.released, probed.left) == (0, False, "")
        assert any(one.answer.startswith("passId,error") for one in at.told)
        assert at.sent() == []


@pytest.mark.parametrize("settings", [{"batches": "off"}, {"batches": "terms"}, {"entities": frozenset({"another"})}])
async def test_a_refusal_of_batches_ends_it(settings: dict[str, Any]) -> None:
    async with bench(**settings) as at:
        probed = await at.probe()
        assert (probed.exit_code, by_number(probed, Found.DIFFERS)) == (4, set())
        assert probed.problem.startswith("PassEntry ")
        assert at.states() == []


async def test_it_can_cancel_instead_of_sending() -> None:
    async with bench() as at:
        probed = await at.probe(cancels=True)
        assert (probed.exit_code, probed.released, by_number(probed, Found.DIFFERS)) == (0, False, set())
        assert by_number(probed, Found.AS_ASSUMED) >= {1, 2, 8, 9, 10}
        assert (at.states(), at.sent()) == (["cancelled"], [])


async def test_a_batch_that_is_validated_for_too_long_is_cancelled() -> None:
    async with bench(batch_faults={"validation_stuck": 1.0}) as at:
        probed = await at.probe()
        assert (probed.exit_code, probed.left, at.states()) == (4, "", ["cancelled"])


@pytest.mark.parametrize("place", ["messaging/wallet", "GET /api/v1/batches/", "type=walletMessaging"])
async def test_ctrl_c_before_it_is_sent_cancels_it(place: str) -> None:
    async with bench() as at:
        at.stops_at = place
        probed = await at.probe()
        assert (probed.exit_code, probed.released, probed.left) == (130, False, "")
        assert (at.states(), at.sent()) == (["cancelled"], [])


async def test_an_answer_about_it_that_is_lost_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # What happens to a batch is drawn by its name: of the answers to looks the first is lost, and of 80 never four in a row.
    monkeypatch.setattr("campaign.app.preflight.probe.name_of", lambda *_, **__: "probe")
    async with bench(batch_faults={"look_error_after": 0.4}, seed=38) as at:
        probed = await at.probe()
        assert (probed.exit_code, at.sent()) == (0, [("own", "Hello")])
        assert {one.status for one in at.told} > {200, 202}


async def test_ctrl_c_after_it_was_sent_only_stops_looking() -> None:
    async with bench(sending_seconds=5.0) as at:
        at.stops_at = "send-now"
        probed = await at.probe()
        assert (probed.exit_code, probed.released, at.states()) == (130, True, ["sending"])


LOST = sorted(name for name in STEP_FAULTS if name.startswith(("create_", "send_now_")))
TYPICAL = {
    "create_cut_after",
    "create_late",
    "create_throttle",
    "create_html_ok",
    "send_now_cut_after",
    "send_now_late",
    "send_now_conflict",
}
assert set(LOST) > TYPICAL


@pytest.mark.parametrize("fault", [pytest.param(name, marks=() if name in TYPICAL else pytest.mark.slow) for name in LOST])
async def test_whatever_happens_to_a_request_nothing_is_left_that_is_not_told(fault: str) -> None:
    async with bench(batch_faults={fault: 1.0}) as at:
        probed = await at.probe()
        # A step that fails each time may be done all the same; what is scheduled then would be sent without a word.
        assert "scheduled" not in at.states() or probed.left
        was_sent = bool({"sending", "successful"} & set(at.states()))
        assert probed.released == was_sent
        assert probed.exit_code in ({0, 3, 4} if was_sent else {3, 4})


@pytest.mark.parametrize(
    ("given", "option"),
    [({"to": " "}, "--to"), ({"text": "Hi %{name}"}, "--message"), ({"text": " "}, "--message"), ({"entity": ""}, "--entity")],
)
async def test_what_can_t_be_meant_is_refused_before_anything_is_asked(given: dict[str, Any], option: str) -> None:
    async with bench() as at:
        with raises(UsageError, "no_entity" if option == "--entity" else "bad_value", option=option):
            await at.probe(**given)
        assert at.told == []
