"""Batches on the simulator's socket, as its clients and its own client see them."""

import asyncio
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from campaign.simulator.config import SimulatorConfig
from campaign.simulator.server import Simulator
from tests.simulator_client import SimulatorClient
from tests.unit.simulator_given import CREATE, new_batch

TOKEN = {"Authorization": "Bearer secret-token"}


class Client:
    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session

    async def create(self, *pass_ids: str, **more: Any) -> tuple[int, Any]:
        async with self.session.post(self.simulator.url + CREATE, json=new_batch(*pass_ids, **more), headers=TOKEN) as answer:
            return answer.status, await answer.json()

    async def ended(self, url: str) -> Any:
        """The attributes of a batch once it has come to its end; fails by the test's own time limit."""
        async with asyncio.timeout(10):
            while True:
                async with self.session.get(url, headers=TOKEN) as answer:
                    attributes = (await answer.json())["data"]["attributes"]
                    if attributes["completedAt"]:
                        return attributes
                await asyncio.sleep(0.005)


async def test_a_batch_over_the_wire_from_creation_to_its_delivery_csv() -> None:
    config = SimulatorConfig(validation_seconds=0.01, sending_seconds=0.01)
    async with Simulator(config) as simulator, aiohttp.ClientSession() as session:
        client = Client(simulator, session)
        status, answer = await client.create("a", "b")
        assert status == 202
        batch_id = answer["data"]["id"]
        assert answer["links"]["self"] == f"{simulator.url}/api/v1/batches/{batch_id}"
        attributes = await client.ended(answer["links"]["self"])
        assert attributes["status"] == "successful"
        async with session.get(attributes["deliveryCsvUrl"]) as file:
            assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
            assert len((await file.text()).splitlines()) == 3
        async with session.patch(f"{answer['links']['self']}/cancel", headers=TOKEN) as refused:
            assert refused.status == 422
            assert refused.headers["x-rate-limit-limit"] == "10"
        remote = SimulatorClient(simulator.url)
        audit = await asyncio.to_thread(remote.audit)
        assert audit == simulator.audit()
        assert [(entry.id, entry.way, entry.batch_id, entry.batch_name) for entry in audit] == [
            ("a", "batch", batch_id, "June"),
            ("b", "batch", batch_id, "June"),
        ]
        assert await asyncio.to_thread(remote.batches) == simulator.batches()
        summary = await asyncio.to_thread(remote.summary)
        assert (summary.processed_in_batches, summary.batches) == (2, {"successful": 1})
        log = await asyncio.to_thread(remote.requests)
        assert [entry.status for entry in log if entry.method != "GET"] == [202, 422]
        assert log[0].raw_path == CREATE


async def test_500_recipients_with_long_texts_get_through() -> None:
    recipients = [{"passId": f"pass-{number}", "text": "🎁" * 350} for number in range(500)]
    async with Simulator(SimulatorConfig()) as simulator, aiohttp.ClientSession() as session:
        body = BytesIO(json.dumps(new_batch(message="%{text}", recipients=recipients)).encode())
        async with session.post(simulator.url + CREATE, data=body, headers=TOKEN | {"Content-Type": "application/json"}) as answer:
            assert answer.status == 202


@pytest.mark.parametrize("fault", ["create_cut_after", "create_cut_body"])
async def test_a_lost_answer_leaves_a_batch_that_the_list_shows(fault: str) -> None:
    async with Simulator(SimulatorConfig(batch_faults={fault: 1.0})) as simulator, aiohttp.ClientSession() as session:
        client = Client(simulator, session)
        with pytest.raises(aiohttp.ClientError):
            await client.create("a")
        async with session.get(f"{simulator.url}/api/v1/batches?type=walletMessaging&page=1", headers=TOKEN) as answer:
            assert [batch["attributes"]["name"] for batch in (await answer.json())["data"]] == ["June"]
        assert simulator.requests()[0].fault == fault
        assert simulator.summary().by_fault == {fault: 1}


async def test_the_audit_file_holds_a_batchs_messages_though_nobody_asks(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    config = SimulatorConfig(validation_seconds=0.01, sending_seconds=0.05, audit_file=path)
    async with Simulator(config) as simulator, aiohttp.ClientSession() as session:
        await Client(simulator, session).create("a", "b", "c")
        async with asyncio.timeout(10):
            while len(path.read_text().splitlines()) < 3:  # noqa: ASYNC110 - a file has no event to wait for
                await asyncio.sleep(0.005)
        assert [json.loads(line)["way"] for line in path.read_text().splitlines()] == ["batch"] * 3
