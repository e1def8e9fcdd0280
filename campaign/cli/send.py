"""`run`, `check`, `resume`, `retry`, `verify`, `test`: parse, call, print."""

import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from campaign.cli import options

if TYPE_CHECKING:
    from campaign.app.runs import Finished, Front
    from campaign.domain.model import Counts
    from campaign.ledger.port import CampaignRecord
    from campaign.settings import Settings

List = Annotated[str, typer.Argument(help="The list: .csv, .parquet, .xlsx, a results file, or - for CSV on stdin.", metavar="LIST")]
Campaign = Annotated[str, typer.Argument(help="The campaign's name.", metavar="NAME")]


def run(
    source: List,
    *,
    name: options.Name = None,
    message: options.Message = None,
    template: options.Template = None,
    templates: options.Templates = None,
    id_column: options.IdColumn = None,
    max_length: options.MaxLength = None,
    results: options.Results = None,
    ledger: options.Ledger = None,
    rate: options.Rate = None,
    concurrency: options.Concurrency = None,
    max_attempts: options.MaxAttempts = None,
    limit: options.Limit = None,
    halt: options.Halt = None,
    on_unknown: options.OnUnknown = None,
    quiet_period: options.QuietPeriod = None,
    timeout: options.Timeout = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but sending; the same as check.")] = False,
    yes: options.Yes = False,
    json_output: options.Json = False,
) -> None:
    from campaign.app.runs import run_list

    flags = {key: value for key, value in locals().items() if key not in {"source", "run_list"}}
    settings = _settings(**flags)
    if settings.dry_run:
        _check(source, settings)
    _finish(run_list(source, settings, _front(settings)), settings)


def check(
    source: List,
    *,
    message: options.Message = None,
    template: options.Template = None,
    templates: options.Templates = None,
    id_column: options.IdColumn = None,
    max_length: options.MaxLength = None,
    rate: options.Rate = None,
    json_output: options.Json = False,
) -> None:
    flags = {key: value for key, value in locals().items() if key != "source"}
    _check(source, _settings(**flags))


def resume(
    name: Campaign,
    *,
    results: options.Results = None,
    ledger: options.Ledger = None,
    rate: options.Rate = None,
    concurrency: options.Concurrency = None,
    max_attempts: options.MaxAttempts = None,
    limit: options.Limit = None,
    halt: options.Halt = None,
    on_unknown: options.OnUnknown = None,
    quiet_period: options.QuietPeriod = None,
    timeout: options.Timeout = None,
    yes: options.Yes = False,
    json_output: options.Json = False,
) -> None:
    from campaign.app import runs

    flags = {key: value for key, value in locals().items() if key not in {"name", "runs"}}
    settings = _settings(**flags)
    _finish(runs.resume(name, settings, _front(settings)), settings)


def retry(
    target: Annotated[str, typer.Argument(help="The campaign's name, or a results file.", metavar="NAME|RESULTS")],
    *,
    status: Annotated[
        list[str] | None, typer.Option(help="Which rows: failed (default), not_delivered, unknown. May be given several times.")
    ] = None,
    results: options.Results = None,
    ledger: options.Ledger = None,
    rate: options.Rate = None,
    concurrency: options.Concurrency = None,
    max_attempts: options.MaxAttempts = None,
    limit: options.Limit = None,
    halt: options.Halt = None,
    on_unknown: options.OnUnknown = None,
    quiet_period: options.QuietPeriod = None,
    timeout: options.Timeout = None,
    yes: options.Yes = False,
    json_output: options.Json = False,
) -> None:
    from campaign.app import runs
    from campaign.domain.errors import UsageError
    from campaign.domain.lifecycle import RETRYABLE
    from campaign.domain.model import Status

    flags = {key: value for key, value in locals().items() if key not in {"target", "status", "runs", "UsageError", "RETRYABLE", "Status"}}
    settings = _settings(**flags)
    wanted = [part for given in status or ["failed"] for part in given.split(",")]
    if unknown := [part for part in wanted if part not in RETRYABLE]:
        raise UsageError(f"--status {unknown[0]}: rows can be sent again that are {', '.join(sorted(RETRYABLE))}.")
    _finish(runs.retry(target, frozenset(map(Status, wanted)), settings, _front(settings)), settings)


def verify(name: Campaign, *, results: options.Results = None, ledger: options.Ledger = None, json_output: options.Json = False) -> None:
    from campaign.app import runs

    settings = _settings(results=results, ledger=ledger, json_output=json_output)
    _finish(runs.read_back(name, settings, _front(settings)), settings)


def send_to_self(
    source: List,
    to: Annotated[str, typer.Option(help="Your own pass, which gets the message.", metavar="PASS_ID")],
    *,
    row: Annotated[int | None, typer.Option(help="Which row's message; without it, the first that has one.", min=1)] = None,
    message: options.Message = None,
    template: options.Template = None,
    templates: options.Templates = None,
    id_column: options.IdColumn = None,
    ledger: options.Ledger = None,
    yes: options.Yes = False,
    json_output: options.Json = False,
) -> None:
    from campaign.app.runs import send_test

    flags = {key: value for key, value in locals().items() if key not in {"source", "to", "row", "send_test"}}
    settings = _settings(**flags)
    _finish(send_test(source, to, row, settings, _front(settings)), settings)


def add_to(app: typer.Typer) -> None:
    """Make these commands of the application."""
    app.command(help="Send a message to every pass of a list, or go on where a run stopped.")(run)
    app.command(help="Look a list and its message through; sends nothing.")(check)
    app.command(help="Go on with a campaign that was stopped or paused.")(resume)
    app.command(help="Send the failed rows of a campaign, or of a results file, again.")(retry)
    app.command(help="Find out, by reading the passes, what became of unknown rows; sends nothing.")(verify)
    app.command("test", help="Send one row's message to your own pass.")(send_to_self)


def _settings(**flags: Any) -> "Settings":
    from campaign.cli import logs
    from campaign.settings import Settings

    # A flag that was not given must not hide the environment's.
    settings = Settings.read(**{name: value for name, value in flags.items() if value is not False})
    logs.configure(settings.log_level)
    return settings


def _front(settings: "Settings") -> "Front":
    from campaign.app.runs import Front
    from campaign.cli.progress import RunProgress
    from campaign.cli.signals import listen

    def confirm(record: "CampaignRecord", counts: "Counts", sample: str) -> bool:
        return _confirm(record, counts, sample, settings)

    return Front(confirm=confirm, watch=RunProgress, listen=listen)


def _confirm(record: "CampaignRecord", counts: "Counts", sample: str, settings: "Settings") -> bool:
    from campaign.domain.durations import words
    from campaign.domain.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on. Add --yes to send without being asked; nothing was sent.")
    time = f", which takes about {words(counts.open / settings.rate)}" if settings.rate else ""
    typer.echo(f"This sends {counts.open:,} messages to the passes of {record.spec.list_name}{time}. The first one reads:", err=True)
    typer.echo(f"  {sample}", err=True)
    return typer.confirm("Send?", err=True)


def _finish(work: "Coroutine[Any, Any, Finished]", settings: "Settings") -> None:
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_view

    finished = run_loop(work)
    print_view(finished.view, as_json=settings.json_output, why=finished.why)
    raise typer.Exit(finished.view.exit_code)


def _check(source: str, settings: "Settings") -> None:
    from campaign.app.checking import check as look_through
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_checked

    checked = run_loop(look_through(source, settings))
    print_checked(checked, as_json=settings.json_output)
    raise typer.Exit(checked.exit_code)
