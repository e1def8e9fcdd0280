"""The protocol between the command and the processes that send for it."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Protocol

from pydantic import SecretStr

from campaign.app.campaign_settings import home_zone, schedule_of, utc_now
from campaign.domain.errors import UsageError
from campaign.ledger.port import CampaignRecord
from campaign.sender.stop import End
from campaign.settings import Settings

SILENCE_SECONDS: Final = 5.0
STOPPED: Final = "It was stopped before it sent."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The campaign to send, and the settings, including the token. `version` is the version of the command.

    `id` and `created_at` are from the ledger: they distinguish the campaign from a later one of the same name.
    """

    campaign: str
    id: int
    created_at: float
    settings: Settings
    version: str

    def __repr__(self) -> str:
        return f"Order(campaign={self.campaign!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A worker could not go on. `for_good`: it never will. `away`: its process, or a replacement, may come back by itself."""

    why: str
    for_good: bool = False
    away: bool = False


class LostError(Exception):
    """The process of a worker is gone, without a result; `for_good` if no other replaces it by itself."""

    def __init__(self, why: str, *, for_good: bool) -> None:
        self.for_good = for_good
        super().__init__(why)


class WorkerHandle(Protocol):
    """A worker, wherever it is."""

    async def register(self, order: Order) -> End | Broken | None:
        """Register a runner of the campaign, which waits for `send`; returns None, or how the worker ended without one.

        Raises:
            LostError: the worker's process is gone.
        """

    async def send(self, *, refused: str = "") -> End | Broken:
        """Send until the campaign has ended, or `stop` is called; or, if it says why sending is refused, end the runner.

        A process that has not registered sends nothing.

        Raises:
            LostError: the worker's process is gone.
        """

    async def stop(self, exit_code: int, *, now: bool) -> None:
        """Have the worker settle what is in flight and return; with `now`, at once. A worker that is gone raises nothing."""

    def keepalive(self) -> None:
        """Tell the worker that the command is alive. A worker that hears nothing for SILENCE_SECONDS stops by itself."""

    def terminate(self) -> None:
        """End its process."""


class Cluster(Protocol):
    def start_worker(self, name: str) -> WorkerHandle | None:
        """A worker of this name; None while another command has it."""


def order_of(record: CampaignRecord, settings: Settings) -> Order:
    """An order whose settings mean the same on another machine, and later. It has the token itself, and nothing that only the command does.

    `settings` are those of the command, with those that the campaign remembers.

    Raises:
        UsageError: there is no token, or a time or a zone is not valid.
    """
    own: dict[str, object] = {
        "api_key": SecretStr(settings.token()),
        "api_key_file": None,
        "yes": True,
        "notify": (),
        "exclude": (),
        "results": None,
        "log_file": None,
        "metrics_file": None,
    }
    if settings.ca_file is not None:
        own["ca_file"] = settings.ca_file.absolute()
    if settings.ledger_is_a_file:
        own["ledger"] = str(settings.ledger_path.absolute())
    # Another machine may be in another zone, and for a later process the next six o'clock is another.
    schedule = schedule_of(settings, record.spec.settings, now=utc_now())
    own["time_zone"] = home_zone(settings).key
    own |= {name: moment.isoformat() for name, moment in (("start_at", schedule.start), ("not_after", schedule.end)) if moment is not None}
    return Order(
        campaign=record.spec.name,
        id=record.id,
        created_at=record.created_at,
        settings=settings.model_copy(update=own),
        version=version("campaign"),
    )


def check_settings(settings: Settings) -> None:
    """Check that no option is given that works only in a single process; raises UsageError if one is."""
    counted = {"--limit": settings.limit, "--canary": settings.canary}
    if given := [option for option, value in counted.items() if value is not None]:
        raise UsageError(
            f"{given[0]} counts the sends of one process, so it can't be used with --engine ray. Leave one of them out.",
            code="not_with_ray",
            option=given[0],
        )
