"""That what is judged is all that came."""

from dataclasses import replace
from pathlib import Path

from campaign.ledger.sqlite import SqliteLedger
from campaign.sender.api.gateway import HttpGateway, Timeouts
from campaign.simulator.faults import Fault
from tests.chaos.evidence import gather
from tests.chaos.ledgers import InFile
from tests.chaos.plan import Wishes, plan
from tests.chaos.world import world


async def test_what_is_processed_after_the_end_is_seen(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "campaign.db")
    late = replace(plan(Wishes(seed=1, rows=4), 1), faults={Fault.LATE: 1.0}, storms=())
    with world(late, tmp_path, InFile(tmp_path / "campaign.db")) as place:
        async with HttpGateway(url=place.simulator.url, token="a-token", concurrency=1, timeouts=Timeouts()) as gateway:
            await gateway.send("p1", "Hi")
        assert place.simulator.audit() == []
        assert [notification.message for notification in gather(place).processed["p1"]] == ["Hi"]
    await ledger.close()
