"""Reading where the passes of a list are, against the simulator: page by page or each by itself, and in spite of every trouble."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from campaign.app.sending.reach import Reached, count_reach, skip_unreachable
from campaign.domain.errors import SafeguardError, StoppedError, TokenRefusedError
from campaign.domain.status import Status
from campaign.ledger.port import CampaignRecord
from campaign.sender.readback import reach
from campaign.sender.stop import StopRequest
from campaign.settings import IsolatedSettings
from campaign.simulator.api.routes import Endpoint
from campaign.simulator.faults import Fault
from campaign.simulator.passes import PassChange
from campaign.simulator.server import Simulator
from tests.integration.pool_given import Log, Rig, rig

IDS: Final = [f"pass-{number:04}" for number in range(1, 101)]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "FIRST_PAUSE_SECONDS", 0.01)


@dataclass
class Given:
    rig: Rig
    record: CampaignRecord
    settings: IsolatedSettings
    log: Log = field(default_factory=Log)
    stop: StopRequest = field(default_factory=StopRequest)

    @property
    def simulator(self) -> Simulator:
        return self.rig.simulator

    async def count(self) -> Reached:
        rig = self.rig
        return await count_reach(rig.reader, self.record.id, rig.ledger, self.settings, observer=self.log, stop=self.stop)

    async def skip(self) -> int:
        rig = self.rig
        return await skip_unreachable(rig.reader, self.record.id, rig.ledger, self.settings, observer=self.log, stop=self.stop)

    def asked(self) -> dict[str, int]:
        """How many requests came to the list, and to single passes."""
        found = Counter(request.endpoint for request in self.simulator.requests())
        return {"pages": found[Endpoint.LIST], "passes": found[Endpoint.SHOW]}


@asynccontextmanager
async def given(folder: Path, *, ids: list[str] = IDS, rate: str = "500", **config: Any) -> AsyncIterator[Given]:
    async with rig(folder, **({"limit_per_second": 0} | config)) as found:
        record = await found.campaign(*ids)
        settings = IsolatedSettings.read(
            api_url=found.simulator.url, api_key="token", ledger=str(folder / "campaign.db"), rate=rate, timeout="1s"
        )
        yield Given(found, record, settings)


def of(reached: Reached) -> dict[str, int]:
    return {name: count for name, count in reached.as_json().items() if count}


def placed(simulator: Simulator, **places: list[str]) -> None:
    for status, ids in places.items():
        for pass_id in ids:
            simulator.set_pass(pass_id, PassChange(status=status))


async def test_a_list_of_few_passes_in_a_large_organisation_is_read_pass_by_pass(tmp_path: Path) -> None:
    existing = frozenset(IDS[:60]) | {f"other-{number}" for number in range(5000)}
    async with given(tmp_path, existing=existing) as one:
        placed(one.simulator, issued=IDS[:7], removed=IDS[7:10], deactivated=IDS[10:11], nullified=IDS[11:12], odd=IDS[12:13])
        counts = {"passes": 100, "in_wallet": 47, "issued": 7, "removed": 3, "deactivated": 1, "nullified": 1, "other_status": 1}
        assert of(await one.count()) == counts | {"unknown_id": 40}
        assert one.asked() == {"pages": 1, "passes": 100}
        # What is known is not asked again.
        assert of(await one.count())["unknown_id"] == 40
        assert one.asked() == {"pages": 1, "passes": 100}


async def test_an_organisation_of_few_passes_is_read_in_pages_and_what_is_on_none_or_in_no_wallet_by_itself(tmp_path: Path) -> None:
    existing = frozenset(IDS[:98]) | {"other"}
    async with given(tmp_path, existing=existing) as one:
        placed(one.simulator, issued=IDS[:7])
        assert of(await one.count()) == {"passes": 100, "in_wallet": 91, "issued": 7, "unknown_id": 2}
        # Another pass of the same external id may be in a wallet.
        assert one.asked() == {"pages": 4, "passes": 9}


async def test_where_there_is_no_list_each_pass_is_read_and_that_is_said(tmp_path: Path) -> None:
    async with given(tmp_path, existing=frozenset(IDS), passes_per_page=0) as one:
        assert of(await one.count()) == {"passes": 100, "in_wallet": 100}
        assert one.asked() == {"pages": 1, "passes": 100}
        assert one.log.named("pass_list_not_used") == [{"reason": "it was answered 404"}]


async def test_only_passes_that_are_surely_in_no_wallet_are_skipped(tmp_path: Path) -> None:
    async with given(tmp_path, existing=frozenset(IDS[:90]), forbidden=frozenset(IDS[80:90])) as one:
        one.simulator.configure(passes_per_page=0)
        placed(one.simulator, issued=IDS[:7], removed=IDS[7:10], odd=IDS[12:13])
        assert await one.skip() == 10
        assert await one.skip() == 0
        rows = one.rig.rows(one.record)
        assert one.rig.reader.counts(one.record.id).reasons(Status.SKIPPED) == {"not_in_wallet": 10}
        assert {row.pass_id for row in rows.values() if row.outcome.status is Status.PENDING} == set(IDS[10:])


async def test_what_was_read_before_it_was_stopped_is_kept(tmp_path: Path) -> None:
    async with given(tmp_path, existing=frozenset(IDS), passes_per_page=0, rate="50") as one:
        counting = asyncio.create_task(one.count())
        await one.rig.until(lambda: one.asked()["passes"] >= 20)
        one.stop.gently.set()
        with pytest.raises(StoppedError):
            await counting
        one.stop.gently.clear()
        assert of(await one.count()) == {"passes": 100, "in_wallet": 100}
        asked = Counter(request.id for request in one.simulator.requests() if request.endpoint == Endpoint.SHOW)
        # Those under way when it was stopped are asked for again, and no others.
        assert set(asked) == set(IDS)
        assert asked.total() <= 100 + 16


@pytest.mark.parametrize("passes_per_page", [0, 25])
async def test_a_limit_that_is_met_slows_it_down_and_nothing_else(tmp_path: Path, passes_per_page: int) -> None:
    async with given(tmp_path, ids=IDS[:40], existing=frozenset(IDS[:40]), limit_per_second=20, passes_per_page=passes_per_page) as one:
        assert of(await one.count()) == {"passes": 40, "in_wallet": 40}


async def test_an_api_that_only_throttles_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "PATIENCE_SECONDS", 0.5)
    faults = {Fault.READ_THROTTLE: 1.0}
    async with given(tmp_path, ids=IDS[:3], faults=faults, retry_after="0.05") as at, asyncio.timeout(20):
        with pytest.raises(SafeguardError) as caught:
            await at.count()
        assert caught.value.code == "unreachable"


async def test_passes_that_fail_now_and_then_are_read_again(tmp_path: Path) -> None:
    async with given(tmp_path, ids=IDS[:30], existing=frozenset(IDS), passes_per_page=0, faults={Fault.READ_ERROR: 0.1}, seed=3) as one:
        reached = await one.count()
        assert of(reached) == {"passes": 30, "in_wallet": 30}
        assert 30 < one.asked()["passes"] < 60


async def test_a_refused_token_ends_it(tmp_path: Path) -> None:
    async with given(tmp_path, tokens=frozenset({"another"})) as one:
        with pytest.raises(TokenRefusedError, match="0 of 100 passes are read"):
            await one.count()


async def test_somebody_else_in_passentry_s_place_ends_it(tmp_path: Path) -> None:
    async with given(tmp_path, portal="page") as one:
        with pytest.raises(SafeguardError, match="not PassEntry"):
            await one.count()
