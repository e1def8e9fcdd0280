"""The sender's interfaces to the outside: a gateway to send and to read back, one for batches, and an observer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from campaign.domain.batches import BatchAnswer
from campaign.domain.model import Settlement
from campaign.domain.verdict import Fault, PassReading, Reply


class InFlight(Protocol):
    """One send under way. `send` sets `written` if bytes of the request may have left, for a caller that cancels it."""

    written: bool

    def may_write(self) -> bool:
        """Whether the request may still be sent; called right before it is written."""


@dataclass(slots=True)
class WhileHeld:
    """A request under way. It may be written only while the runner's lease is held."""

    may_write: Callable[[], bool]
    written: bool = False


class Gateway(Protocol):
    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Fault:
        """Make exactly one attempt; no behaviour of the network or the API makes it raise."""

    async def read(self, pass_id: str) -> PassReading:
        """Read the pass back once."""


class BatchGateway(Protocol):
    """Each call is one request on the wire; it never raises for what the network or the API does."""

    async def create(self, entity: str, body: bytes, *, in_flight: InFlight | None = None) -> BatchAnswer:
        """Create a batch; `body` as `batches.wire.create_body` makes it."""

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


class Observer(Protocol):
    """Receives the events of a run, for a progress bar or a log."""

    def settled(self, settlement: Settlement) -> None:
        """An attempt ended."""

    def event(self, name: str, **details: object) -> None:
        """The run had an event that a person may want to know; `name` is in snake_case."""


class Silence:
    """An observer for a run that nobody watches: its progress is in the ledger."""

    def settled(self, settlement: Settlement) -> None:
        pass

    def event(self, name: str, **details: object) -> None:
        pass
