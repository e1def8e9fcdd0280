"""`list`, `show`, `forget`: query the ledger and print."""

from typing import TYPE_CHECKING, Annotated

import typer

from campaign.cli.options import LOOKING, with_options

if TYPE_CHECKING:
    from campaign.settings import Settings


OneName = Annotated[str, typer.Argument(help="The campaign's name.", metavar="NAME")]


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
    from campaign.domain.errors import UsageError
    from campaign.domain.text.durations import parse_duration

    try:
        age = None if older_than is None else parse_duration(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}.", code="bad_value", option="--older-than") from None
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
    from campaign.domain.text.sanitize import sanitize_for_terminal

    shown = ", ".join(f"“{sanitize_for_terminal(name)}”" for name in names[:5])
    return f"{shown} and {len(names) - 5:,} more" if len(names) > 5 else shown
