"""A list given again under its name: the same campaign, one in the place of what was never sent, or a refusal that tells the way on."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from campaign.app.lists.list_source import opened
from campaign.app.lists.stage import Staged, _read_ahead, _store, stage
from campaign.domain.errors import OtherContentError, UsageError
from campaign.domain.model import StagedRow
from campaign.domain.status import Status
from campaign.ledger.port import CampaignSpec, DesiredState
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.reporter.files.results import write_results
from campaign.settings import IsolatedSettings
from tests.contract.given import ends, staged
from tests.unit.reporter_given import by_column

Begin = Callable[[CampaignSpec], CampaignSpec]


class Desk:
    """A ledger, and lists that are staged into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = SqliteLedger(folder / "campaign.db")
        self.reader = SqliteReader(folder / "campaign.db")
        self.told: list[str] = []

    async def stage(self, message: str | None = "Hi", *, rows: int = 2, file: str = "list.csv", begin: Begin = lambda spec: spec) -> Staged:
        path = self.folder / file
        if file == "list.csv":
            path.write_text("pass_id\n" + "".join(f"p{row}\n" for row in range(rows)), encoding="utf-8")
        with opened(str(path), IsolatedSettings.read(message=message)) as given:
            return await stage(self.ledger, self.reader, given, stop=asyncio.Event(), quiet_seconds=0, begin=begin, tell=self._tell)

    def _tell(self, _event: str, sentence: str, /, **_details: object) -> None:
        self.told.append(sentence)

    async def send_one(self) -> None:
        record = self.reader.campaign("list")
        assert record is not None
        runner = await self.ledger.register_runner(record.id, quiet_seconds=0)
        (claim,) = await self.ledger.claim(runner, 1)
        await self.ledger.settle(runner, [ends(claim, Status.FAILED)])
        await self.ledger.deregister_runner(runner, "limit")

    def texts(self) -> list[str]:
        (record,) = self.reader.campaigns()
        return [row.message for row in self.reader.rows(record.id)]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.ledger.close()
    desk.reader.close()


async def test_the_same_list_and_message_are_the_same_campaign(desk: Desk) -> None:
    first = await desk.stage()
    again = await desk.stage()
    assert (again.record.id, again.resumed) == (first.record.id, True)
    assert not desk.told


async def test_ids_of_which_none_are_near_are_not_read_again(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    first = await desk.stage(rows=3)
    assert not first.record.near_ids

    def pass_keys(_: SqliteReader, _campaign: int) -> Iterator[tuple[int, str, Status]]:
        raise AssertionError("All ids are read.")

    monkeypatch.setattr(SqliteReader, "pass_keys", pass_keys)
    assert (await desk.stage(rows=3)).resumed


@pytest.mark.parametrize("desired_state", [DesiredState.GO, DesiredState.CANCELLED])
async def test_a_corrected_message_takes_the_place_of_one_that_was_never_sent(desk: Desk, desired_state: DesiredState) -> None:
    first = await desk.stage("Helo")
    await desk.ledger.set_desired_state(first.record.id, desired_state)
    again = await desk.stage("Hello", rows=3, begin=lambda spec: replace(spec, settings=spec.settings | {"window": "09:00-10:00"}))
    assert not again.resumed
    assert again.record.desired_state is DesiredState.GO
    assert again.record.spec.settings["window"] == "09:00-10:00"
    assert desk.texts() == ["Hello"] * 3
    assert len(desk.told) == 1


async def test_what_is_refused_for_the_new_one_leaves_the_old_one(desk: Desk) -> None:
    def begin(spec: CampaignSpec) -> CampaignSpec:
        raise UsageError(f"{spec.name} is over.")

    await desk.stage("Helo")
    with pytest.raises(UsageError, match="is over"):
        await desk.stage("Hello", begin=begin)
    assert desk.texts() == ["Helo"] * 2


async def test_what_was_sent_in_part_is_never_replaced(desk: Desk) -> None:
    first = await desk.stage("Helo")
    await desk.send_one()
    with pytest.raises(OtherContentError, match="campaign resume list"):
        await desk.stage("Hello")
    await desk.ledger.set_desired_state(first.record.id, DesiredState.CANCELLED)
    with pytest.raises(OtherContentError) as caught:
        await desk.stage("Hello")
    assert "resume" not in str(caught.value)
    assert desk.texts() == ["Helo"] * 2


async def test_what_is_held_back_is_not_replaced(desk: Desk) -> None:
    first = await desk.stage("Helo")
    await desk.ledger.set_desired_state(first.record.id, DesiredState.PAUSED)
    with pytest.raises(OtherContentError, match="campaign resume list"):
        await desk.stage("Hello")


@pytest.mark.parametrize("sent", [True, False])
async def test_some_rows_of_its_results_take_nobodys_place_and_are_sent_with_resume(desk: Desk, sent: bool) -> None:  # noqa: FBT001 - a parameter of the test
    first = await desk.stage()
    if sent:
        await desk.send_one()
    rows = list(desk.reader.rows(first.record.id))[:1]
    write_results(desk.folder / "some.csv", campaign="list", columns=first.record.spec.columns, parts=by_column(rows), failed=None)
    with pytest.raises(OtherContentError, match=r"campaign resume list\b"):
        await desk.stage(None, file="some.csv")
    assert len(desk.texts()) == 2


async def test_nothing_is_being_written_any_more_when_a_batch_has_failed(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    batches = iter([[staged(1)], [staged(2)], [staged(3)]])
    second_waits = asyncio.Event()
    ended = []

    async def next_batch() -> Sequence[StagedRow] | None:
        return next(batches, None)

    async def stage_late(_: SqliteLedger, _campaign: int, batch: Sequence[StagedRow]) -> None:
        if batch[0].row == 1:
            await second_waits.wait()
            raise UsageError("The first one can't be written.")
        second_waits.set()
        for _turn in range(9):
            await asyncio.sleep(0)
        ended.append(batch[0].row)

    monkeypatch.setattr(SqliteLedger, "stage", stage_late)
    with pytest.raises(UsageError, match="first one"):
        await _store(desk.ledger, 1, next_batch, asyncio.Event())
    assert ended == [2]


@pytest.mark.parametrize("failing", [False, True])
async def test_one_thread_prepares_the_rows_and_ends_whatever_happens(*, failing: bool) -> None:
    threads = set()

    def batches() -> Iterator[Sequence[StagedRow]]:
        for row in (1, 2, 3):
            threads.add(threading.current_thread())
            yield [staged(row)]

    async def read() -> None:
        async with _read_ahead(batches()) as next_batch:
            while await next_batch() is not None:
                if failing:
                    raise UsageError("The batch can't be written.")

    with pytest.raises(UsageError) if failing else nullcontext():
        await read()
    assert len(threads) == 1
    assert not any(thread.is_alive() for thread in threads)
