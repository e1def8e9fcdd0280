"""What a sent draft holds of the customers' data does not outlive its campaign by long."""

import time
from pathlib import Path

import apsw

from campaign.console.drafts.cleanup import KEPT_SECONDS, clear
from campaign.console.drafts.context import DRAFTS, DraftContext
from campaign.console.drafts.sending import RESULTS
from campaign.console.drafts.store import RECORD
from campaign.domain.model import CampaignState
from campaign.insights import view
from campaign.ledger.sqlite import SqliteReader
from tests.console.drafts_given import Desk, desk
from tests.console.waiting import until

LATER = KEPT_SECONDS + 3600


async def test_files_go_some_time_after_the_end_and_the_campaign_stays_as_it_is(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "200"}) as at:
        draft = await sent(at)
        folder = at.store.folder_of(at.draft(draft).id)
        assert clear(room_of(at), time.time()) == []
        assert (folder / "list" / "promo.csv").is_file()
        (gone,) = clear(room_of(at), time.time() + LATER)
        assert gone.name == "promo"
        assert [entry.name for entry in folder.iterdir()] == [RECORD]
        assert clear(room_of(at), time.time() + LATER) == []
        assert (await at.get(f"{draft}/send")).path == "/campaigns/promo"
        assert (await at.get(f"{draft}/list")).status == 200
        second = await at.begun()
        # With another name alone it would be sent again.
        assert (await at.get(f"{second}/send")).codes == {"other_content", "same_content"}


async def test_with_a_forgotten_campaign_its_draft_is_gone_at_the_next_sweep(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "200"}) as at:
        draft = await sent(at)
        folder = at.store.folder_of(at.draft(draft).id)
        # As `campaign forget` notes it, which itself takes nothing that is younger than a day.
        with apsw.Connection(str(tmp_path / "campaign.db")) as ledger:
            ledger.set_busy_timeout(10_000)
            ledger.execute("INSERT INTO purged (campaign, purged_at) SELECT id, ? FROM campaigns", (time.time(),))
        assert [gone.name for gone in clear(room_of(at), time.time())] == ["promo"]
        assert not folder.exists()
        assert (await at.get(f"{draft}/send")).status == 404


async def test_what_is_still_to_be_sent_keeps_its_files(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "200"}) as at:
        draft = await at.begun()
        await at.post(f"{draft}/controls", name="promo", limit="5")
        await at.post(f"{draft}/send")
        await at.finished(5)
        await until(lambda: state(at) is not CampaignState.SENDING)
        assert clear(room_of(at), time.time() + LATER) == []


async def sent(at: Desk) -> str:
    draft = await at.begun()
    await at.post(f"{draft}/send")
    folder = at.store.folder_of(at.draft(draft).id)
    # The process writes the results, and takes the marker away, once its runner has ended.
    await until(lambda: (folder / RESULTS).is_file() and not any(folder.glob("*.sending")) and state(at) is CampaignState.FINISHED)
    return draft


def room_of(at: Desk) -> DraftContext:
    app = at.given.client.app
    assert app is not None
    return app[DRAFTS]


def state(at: Desk) -> CampaignState:
    reader = SqliteReader(at.given.console.folder / "campaign.db")
    try:
        record = reader.campaign("promo")
        assert record is not None
        return CampaignState.SENDING if any(one.alive for one in reader.runners(record.id)) else view(reader, record).state
    finally:
        reader.close()
