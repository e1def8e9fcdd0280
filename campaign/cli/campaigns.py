"""`status`, `report`, `pause`, `cancel`, `list`, `show`, `forget`: query the ledger and print."""

from typing import TYPE_CHECKING, Annotated

import typer

from campaign.cli.options import LOOKING, NETWORK, with_options
from campaign.domain.text.lines import rows, sanitize_for_terminal, to_copy

if TYPE_CHECKING:
    from campaign.app.control import Cancelled
    from campaign.insights import CampaignView
    from campaign.settings import Settings

Name = Annotated[str | None, typer.Argument(help="The campaign's name. Default: all campaigns.", metavar="[NAME]")]
OneName = Annotated[str, typer.Argument(help="The campaign's name.", metavar="NAME")]


@with_options(*LOOKING)
def status(
    name: Name = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second until the campaign ends.")] = False,
    settings: "Settings",
) -> None:
    from campaign.app.open_ledger import find, reading
    from campaign.cli.screen.output import show_views, watch_views
    from campaign.insights import view

    with reading(settings) as reader:

        def look() -> "list[CampaignView]":
            records = reader.campaigns() if name is None else [find(reader, name)]
            return [view(reader, record, ledger=settings.ledger_to_name) for record in records]

        if watch:
            watch_views(look, one=name is not None, as_json=settings.json_output)
        else:
            show_views(look(), one=name is not None, as_json=settings.json_output)


@with_options("ledger", "log_level")
def report(
    name: OneName,
    output: Annotated[
        str, typer.Option("--output", "-o", help="The file to write: .csv, .parquet, .jsonl or .xlsx, or .html for a page.", metavar="FILE")
    ],
    *,
    by: Annotated[str, typer.Option("--by", help="A column of the list to group the page by (.html).", metavar="COLUMN")] = "",
    settings: "Settings",
) -> None:
    from campaign.app.results import report

    written = report.report(name, output, settings, by=by)
    if written is None:
        typer.echo(
            sanitize_for_terminal(f"The report of the campaign “{name}” is in {output}: open it in a browser, print it, or forward it.")
        )
        return
    beside = f", and the rows that need attention also in {written.failed}" if written.failed is not None else ""
    typer.echo(
        sanitize_for_terminal(
            f"The {rows(written.rows)} of the campaign “{name}” {'is' if written.rows == 1 else 'are'} in {output}{beside}."
        )
    )


@with_options("ledger", "log_level")
def pause(name: OneName, *, settings: "Settings") -> None:
    from campaign.app import control
    from campaign.cli.process import run_loop
    from campaign.insights import command_line

    if not run_loop(control.pause(name, settings)):
        typer.echo(f"The campaign “{sanitize_for_terminal(name)}” is finished: there is nothing to pause.")
        return
    go_on = command_line("resume", name, ledger=settings.ledger_to_name)
    typer.echo(f"The campaign “{name}” is paused: what is under way still settles, and nothing more is sent. To resume it:\n    {go_on}")


@with_options("ledger", "log_level", "log_file", *NETWORK, yes="Cancel without confirmation.")
def cancel(name: OneName, *, settings: "Settings") -> None:
    from campaign.app.open_ledger import find, reading
    from campaign.cli.logs import setup as logs
    from campaign.cli.process import run_loop
    from campaign.insights import command_line, view

    done, ledger = run_loop(_cancel(name, settings)), settings.ledger_to_name
    if done.finished:
        typer.echo(f"The campaign “{sanitize_for_terminal(name)}” is finished: there is nothing to cancel.")
        return
    if done.undone:
        typer.echo(f"{rows(done.undone)} were in batches at PassEntry. These are cancelled: nothing of them was sent.")
    if done.left:
        typer.echo(f"{rows(done.left)} are in batches at PassEntry. The process that sends is cancelling what it has not released.")
    if done.problem:
        typer.echo(f"The results were not written. {sanitize_for_terminal(done.problem)}", err=True)
    if settings.log_file is not None:
        with reading(settings) as reader:
            logs.run_ended(view(reader, find(reader, name)))
    state = "was cancelled before" if done.again else "is cancelled for good"
    if done.is_sent:
        then = "The process that sends it settles what is under way, and ends. To see then where the results are"
        next_step = to_copy(then, command_line("status", name, ledger=ledger))
    elif done.results:
        next_step = to_copy("Its results are in", str(done.results))
    else:
        next_step = to_copy("To write its results to a file", command_line("report", name, "--output", "FILE", ledger=ledger))
    typer.echo("\n".join([f"Campaign {sanitize_for_terminal(name)} {state}.", *next_step]))


async def _cancel(name: str, settings: "Settings") -> "Cancelled":
    from campaign.app import control
    from campaign.cli.screen.terminal import interruptible, listen, require_agreement
    from campaign.domain.batches import InBatches

    def agree() -> None:
        if not settings.yes:
            with interruptible():
                require_agreement(f"Cancel “{name}” for good? Rows not sent yet will never be sent.", "cancel")

    def tell(found: InBatches) -> None:
        typer.echo(f"{rows(found.rows)} are in batches at PassEntry. Cancelling those that were not released ...", err=True)

    stop = listen("Stopping: what is left at PassEntry stays there.")
    return await control.cancel(name, settings, agree=agree, stop=stop, tell=tell)


@with_options(*LOOKING)
def list_all(*, settings: "Settings") -> None:
    from campaign.app.campaigns import all_campaigns, listed
    from campaign.cli.screen.campaign_table import lines_of_all
    from campaign.cli.screen.output import none_yet, print_json

    views = all_campaigns(settings)
    if settings.json_output:
        print_json([listed(view) for view in views])
    else:
        typer.echo("\n".join(lines_of_all(views)) if views else none_yet())


@with_options(*LOOKING)
def show(name: OneName, *, settings: "Settings") -> None:
    from campaign.app.campaigns import history
    from campaign.cli.screen.campaign_table import history_in_words
    from campaign.cli.screen.output import print_json

    found = history(name, settings)
    if settings.json_output:
        print_json(found.as_json())
    else:
        typer.echo(history_in_words(found))


@with_options("yes", "quiet_period", *LOOKING)
def forget(
    name: Annotated[
        str | None, typer.Argument(help="The campaign's name. Default: all that ended long enough ago.", metavar="[NAME]")
    ] = None,
    *,
    older_than: Annotated[
        str | None, typer.Option(help="Only campaigns without activity for this long, such as 90d.", metavar="90d")
    ] = None,
    settings: "Settings",
) -> None:
    from campaign.app import campaigns
    from campaign.cli.process import run_loop
    from campaign.cli.screen.output import print_json
    from campaign.setting_types import given_duration

    age = None if older_than is None else given_duration("--older-than", older_than)
    records = campaigns.to_forget(name, age, settings)
    names = [record.spec.name for record in records]
    if records:
        if not settings.yes:
            from campaign.cli.screen.terminal import require_agreement

            require_agreement(f"Remove every row of {_campaigns(names)} for good? Only the counts are kept.", "forget them")
        run_loop(campaigns.forget(records, settings))
    if settings.json_output:
        print_json({"forgotten": names})
    elif records:
        typer.echo(f"Forgotten: {_campaigns(names)}. Results files are not removed: delete those yourself.")
    else:
        typer.echo("Nothing to forget: no campaign ended that long ago.")


def _campaigns(names: list[str]) -> str:
    shown = ", ".join(f"“{sanitize_for_terminal(name)}”" for name in names[:5])
    return f"{shown} and {len(names) - 5:,} more" if len(names) > 5 else shown
