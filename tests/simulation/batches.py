"""The way to the API's batches, without a socket: the simulator's batches behind the network of `network`."""

import asyncio
from typing import Final, Self
from urllib.parse import quote, urlsplit

from campaign.domain.batches import BatchAnswer
from campaign.sender.batches.wire import USUAL, read_answer
from campaign.sender.port import InFlight
from campaign.simulator.api.replies import Reply as Answer
from campaign.simulator.batches.replies import carry_out_batch
from campaign.simulator.faults import Act
from campaign.simulator.state import State, Visit
from tests.simulation.network import TOKEN, Network

HOST: Final = "http://127.0.0.1:1"
REPORT_SECONDS: Final = 60.0
TAKEN_THEN_REFUSED: Final = "create_taken_then_refused"


def carry_out(state: State, visit: Visit, body: bytes) -> Answer:
    return carry_out_batch(state, visit, content_type="application/json", body=body, own_host=HOST, other_host="http://elsewhere")


class SimulatedBatchGateway:
    """Satisfies `sender.port.BatchGateway`."""

    def __init__(self, network: Network, timeout_seconds: float) -> None:
        self._network = network
        self._timeout = timeout_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def create(self, entity: str, body: bytes, *, in_flight: InFlight | None = None) -> BatchAnswer:
        answer = await self._ask("POST", f"/api/v1/entities/{quote(entity, safe='')}/messaging/wallet", body, in_flight=in_flight)
        network = self._network
        if answer.batch is None or network.repeats.random() >= network.repeated:
            return answer
        network.faults[TAKEN_THEN_REFUSED] = network.faults.get(TAKEN_THEN_REFUSED, 0) + 1
        return BatchAnswer(http_status=network.repeats.choice((404, 409, 422, 429)), error="The answer to a repetition.")

    async def look(self, batch_id: str) -> BatchAnswer:
        return await self._ask("GET", f"/api/v1/batches/{quote(batch_id, safe='')}")

    async def page(self, number: int) -> BatchAnswer:
        return await self._ask("GET", f"/api/v1/batches?type=walletMessaging&page={number}")

    async def send_now(self, batch_id: str) -> BatchAnswer:
        return await self._ask("POST", f"/api/v1/batches/{quote(batch_id, safe='')}/send-now")

    async def cancel(self, batch_id: str) -> BatchAnswer:
        return await self._ask("PATCH", f"/api/v1/batches/{quote(batch_id, safe='')}/cancel")

    async def download(self, url: str) -> bytes | str:
        found = urlsplit(url)
        answer = await self._answer("GET", f"{found.path}?{found.query}", b"", REPORT_SECONDS)
        if answer is None or answer.act not in {Act.ANSWER, Act.ANSWER_SLOWLY}:
            return "The connection was cut."
        return answer.body if answer.status == 200 else f"HTTP {answer.status}"

    async def _ask(self, method: str, path: str, body: bytes = b"", *, in_flight: InFlight | None = None) -> BatchAnswer:
        network = self._network
        await asyncio.sleep(network.luck.uniform(0.0, 0.01))
        refused = network.down or network.luck.random() < network.unreachable
        if refused or (in_flight is not None and not in_flight.may_write()):
            return BatchAnswer(http_status=None, written=False, error="No connection.")
        if in_flight is not None:
            in_flight.written = True
        network.left("")
        answer = await self._answer(method, path, body, self._timeout)
        if answer is None or answer.act not in {Act.ANSWER, Act.ANSWER_SLOWLY}:
            return BatchAnswer(http_status=None, error="No whole answer in time.")
        headers = {"Content-Type": answer.content_type} | answer.headers
        return read_answer(
            http_status=answer.status, headers=headers, body=answer.body, whole=True, token=TOKEN, now=network.wall(), shape=USUAL
        )

    async def _answer(self, method: str, path: str, body: bytes, seconds: float) -> Answer | None:
        answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._network.ask(method, path, body, answered, carry_out=carry_out)
        try:
            async with asyncio.timeout(seconds):
                return await answered
        except TimeoutError:
            return None
