"""What the sender needs of the world: a way to send and to read back."""

from typing import Protocol

from campaign.domain.model import Settlement
from campaign.domain.verdict import Fault, PassReading, Reply


class InFlight(Protocol):
    """Where `send` notes whether bytes of the request may have left, so that a caller that cancels it can tell."""

    written: bool

    def may_write(self) -> bool:
        """Whether the request may still go out, asked in the moment in which it would."""


class Gateway(Protocol):
    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Fault:
        """Make one attempt, exactly one; it never raises for what the network or the API does."""

    async def read(self, pass_id: str) -> PassReading:
        """Read the pass back once."""


class Observer(Protocol):
    """Who wants to hear of what happens: a progress bar, a log."""

    def settled(self, settlement: Settlement) -> None:
        """An attempt ended."""

    def event(self, name: str, **details: object) -> None:
        """Something that a person may want to know of, in snake_case, happened to the run."""


class Silence:
    """An observer for a run that nobody watches: its progress is in the ledger."""

    def settled(self, settlement: Settlement) -> None:
        pass

    def event(self, name: str, **details: object) -> None:
        pass
