"""Where campaigns stand, once or again every second: redrawn in place on a terminal, a line a second elsewhere."""

import sys
import time
from collections.abc import Callable

import orjson

from campaign.cli.output import line_of, none_yet, print_json, print_view
from campaign.domain.model import CampaignState
from campaign.insights import CampaignView
from campaign.reporter.summary import in_words

WATCH_SECONDS = 1.0

Views = list[CampaignView]


def show(views: Views, *, one: bool, as_json: bool) -> None:
    """Print them; `one` says that a single campaign was asked for."""
    if as_json and not one:
        print_json([view.as_json() for view in views])
    elif one:
        print_view(views[0], as_json=as_json)
    else:
        sys.stdout.write(_lines(views) + "\n")


def watch_views(look: Callable[[], Views], *, one: bool, as_json: bool, sleep: Callable[[float], None] = time.sleep) -> None:
    """Look again every second until nothing is being sent any more. In JSON, one line each time."""
    if as_json or not sys.stdout.isatty():
        while _busy(views := look()):
            found = [view.as_json() for view in views]
            sys.stdout.write((orjson.dumps(found[0] if one else found).decode() if as_json else _lines(views)) + "\n")
            sys.stdout.flush()
            sleep(WATCH_SECONDS)
        show(views, one=one, as_json=as_json)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False, transient=True) as live:
        while _busy(views := look()):
            live.update(Text(in_words(views[0]) if one else _lines(views)), refresh=True)
            sleep(WATCH_SECONDS)
    show(views, one=one, as_json=False)


def _busy(views: Views) -> bool:
    return any(view.state in {CampaignState.SENDING, CampaignState.WAITING} for view in views)


def _lines(views: Views) -> str:
    return "\n".join(map(line_of, views)) if views else none_yet()
