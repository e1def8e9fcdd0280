"""`list`, `show`, `forget`, `export`, `import`: ask the ledger, print."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from campaign.app.options import LOOKING
from campaign.cli.flags import takes

if TYPE_CHECKING:
    from campaign.settings import Settings

OneName = Annotated[str, typer.Argument(help="The campaign's name.", metavar="NAME")]


@takes(*LOOKING)
def list_all(*, settings: "Settings") -> None:
    from campaign.app.keeping import all_campaigns, listed
    from campaign.cli.kept import lines_of_all
    from campaign.cli.output import none_yet, print_json

    views = all_campaigns(settings)
    if settings.json_output:
        print_json([listed(view) for view in views])
    else:
        typer.echo("\n".join(lines_of_all(views)) if views else none_yet())


@takes(*LOOKING)
def show(name: OneName, *, settings: "Settings") -> None:
    from campaign.app.keeping import history
    from campaign.cli.kept import history_in_words
    from campaign.cli.output import print_json

    found = history(name, settings)
    if settings.json_output:
        print_json(found.as_json())
    else:
        typer.echo(history_in_words(found))


@takes("yes", "quiet_period", *LOOKING)
def forget(
    name: Annotated[
        str | None, typer.Argument(help="The campaign's name; without it, all that ended long enough ago.", metavar="[NAME]")
    ] = None,
    *,
    older_than: Annotated[str | None, typer.Option(help="How long nothing must have happened to it, such as 90d.", metavar="90d")] = None,
    settings: "Settings",
) -> None:
    from campaign.app import keeping
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_json
    from campaign.domain.durations import parse_duration
    from campaign.domain.errors import UsageError

    try:
        age = None if older_than is None else parse_duration(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}.", code="bad_value", option="--older-than") from None
    records = keeping.to_forget(name, age, settings)
    names = [record.spec.name for record in records]
    if records:
        _agree(f"Remove every row of {_campaigns(names)} for good? Only the counts stay.", "forget them", settings)
        run_loop(keeping.forget(records, settings))
    if settings.json_output:
        print_json({"forgotten": names})
    elif records:
        typer.echo(f"Forgotten: {_campaigns(names)}. Results files and exports are not the ledger's: remove those yourself.")
    else:
        typer.echo("Nothing to forget: no campaign ended that long ago.")


@takes("yes", "quiet_period", *LOOKING)
def export(
    name: OneName,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to; a new file.", metavar="FILE")],
    *,
    settings: "Settings",
) -> None:
    from campaign.app.moving import export as hand_over
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_json
    from campaign.reporter.reasons import printable
    from campaign.written import given_path

    output = given_path("--output", output)
    _agree(f"Hand “{name}” over? From then on nothing of it is sent from this ledger.", "export it", settings)
    record = run_loop(hand_over(name, output, settings))
    if settings.json_output:
        print_json({"campaign": name, "rows": record.rows, "file": str(output)})
    else:
        typer.echo(
            f"The campaign “{printable(name)}” is in {printable(str(output))}, and is sent from this ledger no more. Import the file into "
            "one ledger only: sent from two, people would be told twice. It holds customers' data; remove it once it is imported."
        )


@takes("name", *LOOKING)
def take_in(file: Annotated[Path, typer.Argument(help="What export has written.", metavar="FILE")], *, settings: "Settings") -> None:
    from campaign.app.moving import take_in as bring
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_json
    from campaign.insights import command_line
    from campaign.reporter.reasons import printable

    record = run_loop(bring(file, settings))
    if settings.json_output:
        print_json({"campaign": record.spec.name, "rows": record.rows, "file": str(file)})
    else:
        look = command_line("status", record.spec.name, ledger=settings.ledger_to_name)
        # The name is of whoever made the file.
        typer.echo(
            f"The campaign “{printable(record.spec.name)}” is in this ledger now; nothing was sent. Where it stands, and how it goes on:\n"
            f"    {printable(look)}"
        )


def _campaigns(names: list[str]) -> str:
    from campaign.reporter.reasons import printable

    shown = ", ".join(f"“{printable(name)}”" for name in names[:5])
    return f"{shown} and {len(names) - 5:,} more" if len(names) > 5 else shown


def _agree(question: str, to_do: str, settings: "Settings") -> None:
    from campaign.domain.errors import UsageError
    from campaign.reporter.reasons import printable

    if settings.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"There is no terminal to ask on. Add --yes to {to_do} without being asked; nothing was changed.", code="no_terminal"
        )
    if not typer.confirm(printable(question), err=True):
        raise UsageError("Nothing was changed.", code="not_agreed")
