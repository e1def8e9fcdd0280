"""Figures over several campaigns, for the commands that show them."""

import math
from datetime import timedelta

from campaign.app.controls import home_zone, utc_now
from campaign.app.finding import find_whole, reading
from campaign.domain.errors import UsageError
from campaign.domain.schedule import parse_moment
from campaign.insights import view
from campaign.reporter.analysis import Figures, figures
from campaign.reporter.comparison import Comparison
from campaign.reporter.rates import Rates, rates
from campaign.settings import Settings


def delivery_rates(settings: Settings, *, since: str | None = None, until: str | None = None) -> Rates:
    """The delivery rates of the campaigns that were begun between two times, as people write them.

    Raises:
        UsageError: one of the times can't be read, or the second is not after the first.
    """
    first, last = _moment("--since", since, settings), _moment("--until", until, settings)
    if first is not None and last is not None and last <= first:
        raise UsageError(
            f"--until {until} is not after --since {since}, so no campaign can be between them.",
            code="until_before_since",
            option="--until",
        )
    with reading(settings) as reader:
        return rates(reader, since=0.0 if first is None else first, until=math.inf if last is None else last)


def compared(names: tuple[str, str], settings: Settings) -> Comparison:
    """The figures of two campaigns.

    Raises:
        UsageError: both are one, or there is none of a name, or its list was not read to its end.
    """
    if names[0] == names[1]:
        raise UsageError(
            f"Both names are “{names[0]}”. Name two campaigns; campaign list shows all there are.", code="same_campaign", campaign=names[0]
        )
    with reading(settings) as reader:
        records = [find_whole(reader, name) for name in names]

        def look(place: int) -> Figures:
            return figures(reader, view(reader, records[place], ledger=settings.ledger_to_name))

        return Comparison(both=(look(0), look(1)))


def _moment(option: str, text: str | None, settings: Settings) -> float | None:
    if text is None:
        return None
    try:
        # An hour alone is the last time that it was so late, not the next.
        return parse_moment(text, in_zone=home_zone(settings), now=utc_now() - timedelta(days=1)).timestamp()
    except ValueError as error:
        raise UsageError(f"{option}: {error}.", code="bad_value", option=option) from None
