"""The sender's interfaces to the outside: a gateway to send and to read back, and an observer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

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
