"""What a person is asked before anything is sent."""

from collections.abc import Callable
from dataclasses import dataclass

from campaign.domain.care import Concern
from campaign.domain.schedule import Schedule
from campaign.ledger.port import CampaignRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What would happen.

    Attributes:
        record: the campaign.
        messages: how many would be sent at most, each to a pass of its own.
        left: how many would be without `--limit` and `--sample`.
        rate_per_second: None is as fast as it goes.
        schedule: when it may be sent.
        zones: the time zones that rows have of their own; an empty name is of those that have none.
        first: the text of the first.
        concerns: looks through the messages; takes about 20 s for a million.
        lock_screen: how many characters a lock screen is taken to show.
        to: the only pass that gets one, whatever the list says.
    """

    record: CampaignRecord
    messages: int
    left: int
    rate_per_second: float | None
    schedule: Schedule
    zones: tuple[str, ...]
    first: str
    concerns: Callable[[], tuple[Concern, ...]]
    lock_screen: int
    to: str = ""
