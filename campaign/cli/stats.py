"""`stats`, `compare`: statistics over several campaigns."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from campaign.cli.options import LOOKING, with_options

if TYPE_CHECKING:
    from campaign.settings import Settings


RATE = (
    "The delivery rate is the share of delivered rows among all rows that a message was sent to: delivered, accepted, "
    "not delivered, unknown and failed rows. Skipped and invalid rows, and rows not sent yet, don't count."
)
Conversions = Annotated[
    str | None,
    typer.Option(
        "--conversions",
        help="A list of redeemed passes, in any list format; optionally with a column redeemed_at.",
        metavar="FILE",
    ),
]
Within = Annotated[
    str | None, typer.Option("--within", help="How long after its message a redemption counts, such as 7d or 12h.", metavar="DURATION")
]
By = Annotated[str, typer.Option("--by", help="A column of the campaigns' lists to group the conversions by.", metavar="COLUMN")]
IdColumn = Annotated[str | None, typer.Option("--conversions-id", help="The column of the pass IDs in that list.", metavar="COLUMN")]
TimeColumn = Annotated[
    str | None, typer.Option("--conversions-time", help="The column of the redemption times in that list.", metavar="COLUMN")
]
STATS = f"The delivery rate of every campaign, oldest first, and of all together.\n\n{RATE}"
COMPARE = f"Two campaigns side by side: outcomes, reasons, speed, settings and message.\n\n{RATE}"


@with_options(*LOOKING)
def stats(
    *,
    since: Annotated[str | None, typer.Option("--since", help="Only campaigns started at this time or later.", metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only campaigns started before this time.", metavar="TIME")] = None,
    conversions: Conversions = None,
    within: Within = None,
    by: By = "",
    conversions_id: IdColumn = None,
    conversions_time: TimeColumn = None,
    settings: "Settings",
) -> None:
    from campaign.app.results.stats import Joined, delivery_rates
    from campaign.cli.screen.output import print_json
    from campaign.cli.screen.stats_table import lines_of_rates

    joined = Joined(file=conversions, within=within, by=by, id_column=conversions_id, time_column=conversions_time)
    found = delivery_rates(settings, since=since, until=until, joined=joined)
    if settings.json_output:
        print_json(found.as_json())
    else:
        typer.echo("\n".join(lines_of_rates(found, bars=sys.stdout.isatty())))


@with_options(*LOOKING)
def compare(
    first: Annotated[str, typer.Argument(help="A campaign's name.", metavar="NAME")],
    second: Annotated[str, typer.Argument(help="The name of the other campaign.", metavar="NAME")],
    *,
    conversions: Conversions = None,
    within: Within = None,
    by: By = "",
    conversions_id: IdColumn = None,
    conversions_time: TimeColumn = None,
    settings: "Settings",
) -> None:
    from campaign.app.results.stats import Joined, compared
    from campaign.cli.screen.output import print_json
    from campaign.cli.screen.stats_table import lines_side_by_side, lines_with_tabs

    joined = Joined(file=conversions, within=within, by=by, id_column=conversions_id, time_column=conversions_time)
    found = compared((first, second), settings, joined=joined)
    if settings.json_output:
        print_json(found.as_json())
    elif sys.stdout.isatty():
        import shutil

        typer.echo("\n".join(lines_side_by_side(found, width=shutil.get_terminal_size().columns)))
    else:
        typer.echo("\n".join(lines_with_tabs(found)))
