"""Figures over several campaigns, for the commands that show them."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from campaign.app.controls import home_zone, utc_now
from campaign.app.conversions import read_redemptions
from campaign.app.finding import find_whole, reading
from campaign.domain.errors import UsageError
from campaign.domain.schedule import parse_moment
from campaign.insights import view
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.columns import ids_of
from campaign.reporter.analysis import Figures, figures, place_of_column
from campaign.reporter.comparison import Comparison, Rates, rates
from campaign.reporter.conversions import Conversions, Redemptions, conversions
from campaign.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A file of redemptions to join, and how; `by` is a column of the campaigns' lists."""

    file: str | None = None
    within: str | None = None
    by: str = ""
    id_column: str | None = None
    time_column: str | None = None

    def read(self, settings: Settings) -> Redemptions | None:
        """The file; None without one.

        Raises:
            InputError: it can't be read.
            UsageError: something is asked for that only a file can answer.
        """
        if self.file is not None:
            return read_redemptions(self.file, settings, within=self.within, id_column=self.id_column, time_column=self.time_column)
        given = {"--within": self.within, "--by": self.by, "--conversions-id": self.id_column, "--conversions-time": self.time_column}
        if option := next((name for name, value in given.items() if value), None):
            raise UsageError(
                f"{option} is about conversions. Add --conversions FILE, a list of the passes that were redeemed.",
                code="only_with_conversions",
                option=option,
            )
        return None

    def of(self, reader: LedgerReader, record: CampaignRecord, redemptions: Redemptions | None) -> Conversions | None:
        """A campaign's conversions; by its column only if its list has it. None if nothing is known of its rows any more."""
        if redemptions is None or record.forgotten_at:
            return None
        place = place_of_column(record.spec, self.by) if self.by in record.spec.columns else None
        return conversions(reader, record, redemptions, keys=lambda texts: ids_of(texts)[1], place=place)


WITHOUT: Final = Joined()
NOTHING: Final = Conversions(by_status={}, by_value=None)


def delivery_rates(settings: Settings, *, since: str | None = None, until: str | None = None, joined: Joined = WITHOUT) -> Rates:
    """The delivery rates of the campaigns that were begun between two times, as people write them.

    Raises:
        UsageError: one of the times can't be read, or the second is not after the first; or no campaign's list has the column.
        InputError: the file of redemptions can't be used.
    """
    first, last = _moment("--since", since, settings), _moment("--until", until, settings)
    if first is not None and last is not None and last <= first:
        raise UsageError(
            f"--until {until} is not after --since {since}, so no campaign can be between them.",
            code="until_before_since",
            option="--until",
        )
    redemptions = joined.read(settings)
    with reading(settings) as reader:
        found = rates(
            reader,
            since=0.0 if first is None else first,
            until=math.inf if last is None else last,
            redemptions=redemptions,
            converted=lambda record: joined.of(reader, record, redemptions),
            column=joined.by,
        )
    if joined.by and found.campaigns and not any(joined.by in one.record.spec.columns for one in found.campaigns):
        raise UsageError(f"--by {joined.by}: no campaign's list has such a column.", code="unknown_column", option="--by")
    return found


def compared(names: tuple[str, str], settings: Settings, *, joined: Joined = WITHOUT) -> Comparison:
    """The figures of two campaigns.

    Raises:
        UsageError: both are one, or there is none of a name, or its list was not read to its end, or has no column of the name.
        InputError: the file of redemptions can't be used.
    """
    if names[0] == names[1]:
        raise UsageError(
            f"Both names are “{names[0]}”. Name two campaigns; campaign list shows all there are.", code="same_campaign", campaign=names[0]
        )
    redemptions = joined.read(settings)
    with reading(settings) as reader:
        records = [find_whole(reader, name) for name in names]
        for record in records if joined.by else ():
            place_of_column(record.spec, joined.by)

        def look(place: int) -> Figures:
            return figures(reader, view(reader, records[place], ledger=settings.ledger_to_name))

        sides = [joined.of(reader, record, redemptions) or NOTHING for record in records]
        both = None if redemptions is None else (sides[0], sides[1])
        return Comparison(both=(look(0), look(1)), redemptions=redemptions, conversions=both, column=joined.by)


def _moment(option: str, text: str | None, settings: Settings) -> float | None:
    if text is None:
        return None
    try:
        # An hour alone is the last time that it was so late, not the next.
        return parse_moment(text, in_zone=home_zone(settings), now=utc_now() - timedelta(days=1)).timestamp()
    except ValueError as error:
        raise UsageError(f"{option}: {error}.", code="bad_value", option=option) from None
