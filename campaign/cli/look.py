"""`status`, `report`, `pause`, `cancel`: ask the ledger, print."""

import time
from pathlib import Path
from typing import Annotated

import typer

from campaign.cli import options

Name = Annotated[str | None, typer.Argument(help="The campaign's name; without it, all of them.", metavar="[NAME]")]
OneName = Annotated[str, typer.Argument(help="The campaign's name.", metavar="NAME")]
WATCH_SECONDS = 1.0


def status(
    name: Name = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second until the campaign ends.")] = False,
    ledger: options.Ledger = None,
    json_output: options.Json = False,
) -> None:
    from campaign.app.sending import find, reading, view
    from campaign.cli.output import print_json, print_view, print_views
    from campaign.domain.model import CampaignState
    from campaign.settings import Settings

    settings = Settings.read(ledger=ledger, json_output=json_output or None)
    with reading(settings) as reader:
        while True:
            if name is None:
                views = [view(reader, record) for record in reader.campaigns()]
                if settings.json_output:
                    print_json([seen.as_json() for seen in views])
                else:
                    print_views(views)
                busy = any(seen.state in {CampaignState.SENDING, CampaignState.WAITING} for seen in views)
            else:
                seen = view(reader, find(reader, name))
                print_view(seen, as_json=settings.json_output)
                busy = seen.state in {CampaignState.SENDING, CampaignState.WAITING}
            if not (watch and busy):
                return
            time.sleep(WATCH_SECONDS)


def report(
    name: OneName,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to: .csv, .parquet, .jsonl or .xlsx.", metavar="FILE")],
    *,
    ledger: options.Ledger = None,
) -> None:
    from campaign.app.sending import find, reading
    from campaign.app.sending import report as write
    from campaign.reporter.results import check_writable
    from campaign.settings import Settings

    with reading(Settings.read(ledger=ledger)) as reader:
        record = find(reader, name)
        check_writable(output, columns=record.spec.columns, rows=record.rows)
        write(reader, record, output)
        typer.echo(f"{record.rows:,} rows are in {output}.")


def pause(name: OneName, *, ledger: options.Ledger = None) -> None:
    from campaign.ledger.port import Control

    _control(name, Control.PAUSED, ledger, f"is paused; what was under way settles. Go on with: campaign resume {name}")


def cancel(
    name: OneName,
    *,
    ledger: options.Ledger = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Cancel without asking.")] = False,
) -> None:
    from campaign.ledger.port import Control

    if not yes:
        typer.confirm(f"Cancel “{name}” for good? What is not sent yet will never be.", abort=True, err=True)
    _control(name, Control.CANCELLED, ledger, f"is cancelled for good. What became of its rows: campaign report {name} --output FILE")


def add_to(app: typer.Typer) -> None:
    """Make these commands of the application."""
    app.command(help="Where a campaign stands, or all of them.")(status)
    app.command(help="Write the results of a campaign to a file.")(report)
    app.command(help="Make whoever is sending a campaign stop, until it is resumed.")(pause)
    app.command(help="Stop a campaign for good; what is not sent yet is skipped.")(cancel)


def _control(name: str, wanted: str, ledger: str | None, words: str) -> None:
    from campaign.app.runs import control
    from campaign.cli.loop import run_loop
    from campaign.ledger.port import Control
    from campaign.settings import Settings

    run_loop(control(name, Control(wanted), Settings.read(ledger=ledger)))
    typer.echo(f"Campaign “{name}” {words}")
