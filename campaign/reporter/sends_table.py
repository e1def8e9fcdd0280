"""The page's chart of sends over time as a table, for who can't see it or wants the figures."""

from typing import Any

from campaign.reporter.figures import Figures


def sends_table(found: Figures, *, at_most: int) -> dict[str, Any]:
    """At most so many stretches: by what their sends came to, how many were answered with 429, and how long it was paused."""
    coarse = found.timeline.coarser(at_most)
    by, slowed = found.timeline.together(at_most), found.attempts.throttled_by_stretch
    return {
        "statuses": coarse.statuses,
        "rows": [
            {
                "from": coarse.clock(stretch.at),
                "by_status": stretch.by_status,
                "throttled": sum(slowed[place * by : (place + 1) * by]),
                "paused": found.pauses.seconds_within(stretch.at, stretch.at + coarse.seconds),
            }
            for place, stretch in enumerate(coarse.sends)
        ],
    }
