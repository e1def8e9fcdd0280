"""`run`, `check`, `resume`, `verify`, `test`: parse, call, print."""

import shlex
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from campaign.cli.flags import takes
from campaign.cli.options import LOOKING, MESSAGE, SENDING

if TYPE_CHECKING:
    from campaign.app.runs import Finished, Front
    from campaign.ledger.port import CampaignRecord
    from campaign.settings import Settings

List = Annotated[str, typer.Argument(help="The list: .csv, .parquet, .xlsx, a results file, or - for CSV on stdin.", metavar="LIST")]
Campaign = Annotated[str, typer.Argument(help="The campaign's name.", metavar="NAME")]


@takes("name", *MESSAGE, *SENDING, "dry_run", "results", *LOOKING)
def run(source: List, *, settings: "Settings") -> None:
    from campaign.app.runs import run_list

    if settings.dry_run:
        _check(source, settings)
    else:
        finish(run_list(source, settings, front_of(settings)), settings)


@takes(*MESSAGE, "rate", "json_output", "log_level")
def check(source: List, *, settings: "Settings") -> None:
    _check(source, settings)


@takes(*SENDING, "results", *LOOKING)
def resume(name: Campaign, *, settings: "Settings") -> None:
    from campaign.app import runs

    finish(runs.resume(name, settings, front_of(settings)), settings)


@takes("results", *LOOKING)
def verify(name: Campaign, *, settings: "Settings") -> None:
    from campaign.app import runs

    finish(runs.read_back(name, settings, front_of(settings)), settings)


@takes(*MESSAGE, "yes", "timeout", *LOOKING)
def send_to_self(
    source: List,
    to: Annotated[str, typer.Option(help="Your own pass, which gets the message.", metavar="PASS_ID")],
    *,
    row: Annotated[
        int | None, typer.Option(help="Which row's message; without it, the first that has one.", min=1, metavar="NUMBER")
    ] = None,
    settings: "Settings",
) -> None:
    from campaign.app.trial import send_test

    finish(send_test(source, to, row, settings, front_of(settings)), settings)


def front_of(settings: "Settings") -> "Front":
    from campaign.app.runs import Front
    from campaign.cli.logs import tell
    from campaign.cli.progress import RunProgress
    from campaign.cli.signals import listen

    if (file := settings.open_token_file) is not None:
        tell("token_file_is_open", f"Others may read the token in {file}. Close it with: chmod 600 {shlex.quote(str(file))}")

    def confirm(record: "CampaignRecord", messages: int, sample: str) -> bool:
        return _confirm(record, messages, sample, settings)

    return Front(confirm=confirm, watch=RunProgress, listen=listen, tell=tell)


def _confirm(record: "CampaignRecord", messages: int, sample: str, settings: "Settings") -> bool:
    from campaign.cli.signals import interruptible
    from campaign.domain.durations import words
    from campaign.domain.errors import UsageError
    from campaign.reporter.reasons import printable

    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on. Add --yes to send without being asked; nothing was sent.")
    what = "1 message to a pass" if messages == 1 else f"{messages:,} messages to the passes"
    time = f", which takes about {words(max(1.0, messages / settings.rate))}" if settings.rate else ""
    typer.echo(f"This sends {what} of {printable(record.spec.list_name)}{time}. The first one reads:", err=True)
    typer.echo(f"  {printable(sample)}", err=True)
    with interruptible():
        try:
            return typer.confirm("Send?", err=True)
        except typer.Abort:
            raise KeyboardInterrupt from None


def finish(work: "Coroutine[Any, Any, Finished]", settings: "Settings") -> None:
    from campaign.cli import logs
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_view

    finished = run_loop(work)
    logs.run_ended(finished.view)
    print_view(finished.view, as_json=settings.json_output, note=finished.note)
    raise typer.Exit(finished.view.exit_code)


def _check(source: str, settings: "Settings") -> None:
    from campaign.app.checking import check as look_through
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_checked

    checked = run_loop(look_through(source, settings))
    print_checked(checked, as_json=settings.json_output)
    raise typer.Exit(checked.exit_code)
