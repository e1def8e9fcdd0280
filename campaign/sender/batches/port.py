"""What sending by batches needs of the world."""

from typing import Protocol

from campaign.domain.batches import BatchAnswer
from campaign.sender.port import InFlight


class BatchGateway(Protocol):
    """Each call is one request on the wire; it never raises for what the network or the API does."""

    async def create(self, entity: str, body: bytes, *, in_flight: InFlight | None = None) -> BatchAnswer:
        """Create a batch; `body` as `wire.create_body` makes it."""

    async def look(self, batch_id: str) -> BatchAnswer:
        """Read a batch."""

    async def page(self, number: int) -> BatchAnswer:
        """A page of the account's batches, from 1."""

    async def send_now(self, batch_id: str) -> BatchAnswer:
        """Release a scheduled batch; of one that was released before nothing is sent again."""

    async def cancel(self, batch_id: str) -> BatchAnswer:
        """Cancel a batch of which nothing was sent."""

    async def download(self, url: str) -> bytes | str:
        """A CSV file of a batch; as text why it could not be had."""
