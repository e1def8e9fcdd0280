"""What the sender needs of the world: a way to send and to read back."""

from typing import Protocol

from campaign.domain.verdict import Fault, Reading, Reply


class Gateway(Protocol):
    async def send(self, pass_id: str, message: str) -> Reply | Fault:
        """Make one attempt, exactly one; it never raises for what the network or the API does."""

    async def read(self, pass_id: str) -> Reading:
        """Read the pass back once."""
